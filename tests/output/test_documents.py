from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from seqscore.errors import InputError
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.scored.scored_rows import ScoredRow
from seqscore.output.documents import latex_text, markdown_text
from seqscore.output.escape import terminal_text
from seqscore.output.writers import open_writer
from seqscore.scores.signature import Signature
from tests.output.scored import SIGNATURE, scored

ROWS = (
    ScoredRow("a_1", scored("50% of {x} & $y$", extras=True), 0, {"year": 1999, "by|whom": "A_B"}),
    Problem("a_1", InputError("no | text"), 1),
    ScoredRow("b", scored(" Paris", context="The capital is", unscored=4), 2, {"year": 2001}),
    ScoredRow("c", scored("x", logprobs=[-math.inf]), 3),
)


def written(folder: Path, name: str, **options: object) -> str:
    target = folder / name
    with open_writer(target.suffix[1:], target, **options) as writer:  # type: ignore[arg-type]
        for row in ROWS:
            writer.write(row)
    return target.read_text(encoding="utf-8")


def table(markdown: str) -> list[list[str]]:
    """The cells as a Markdown parser shows them; what is not plain text fails."""
    rows: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            assert token.children is not None and {one.type for one in token.children} <= {"text", "text_special"}
            rows[-1].append("".join(one.content for one in token.children))
    return rows


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\`*_[]()<>|~$&#^!:/@.-=+w\n"), min_size=1))
def test_any_text_is_shown_by_markdown_as_it_is(text: str) -> None:
    page = f"| h |\n| :--- |\n| {markdown_text('.' + text + '.')} |\n"
    assert table(page) == [["h"], [terminal_text("." + text + ".")]]


_UNIT = re.compile(
    r"\\textbackslash\{\}|\\textascii(?:circum|tilde)\{\}|\\text(?:less|greater|bar|visiblespace)\{\}|\\char34\{\}"
    r"|\\[{}$&#%_]|\{[][*]\}|\{\}|[^\\{}$&#%_^~<>|\"\[\]*]"
)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\{}$&#^_%~<>|\"[]*-`',!?\n"), min_size=1))
def test_latex_has_no_special_character_left(text: str) -> None:
    shown, undone = latex_text(text), ""
    place = 0
    while place < len(shown):
        unit = _UNIT.match(shown, place)
        assert unit is not None, (shown, place)
        place = unit.end()
        undone += _meant(unit.group())
    assert undone == terminal_text(text).replace("–", "--")
    assert not re.search(r"--|''|``|,,|[!?]`", shown.replace("--", "") if "–" in text else shown), "a ligature"


def _meant(unit: str) -> str:
    names = {
        r"\textbackslash{}": "\\",
        r"\textasciicircum{}": "^",
        r"\textasciitilde{}": "~",
        r"\textless{}": "<",
        r"\textgreater{}": ">",
        r"\textbar{}": "|",
        r"\textvisiblespace{}": "␣",
        r"\char34{}": '"',
        "{}": "",
    }
    return names.get(unit) if unit in names else unit.strip("{}") if unit[0] == "{" else unit.removeprefix("\\")  # type: ignore[return-value]


def test_a_table_of_a_page(tmp_path: Path) -> None:
    page = written(tmp_path, "out.md", columns=())
    assert table(page) == [
        ["id", "text", "tokens", "log p(text) [nats]", "perplexity", "bits/byte"],
        ["a_1", "50% of {x} & $y$", "4", "-4.0000", "2.72", "0.361"],
        ["a_1", "error: bad_input: no | text", "–", "–", "–", "–"],
        ["b", "(The capital is) Paris", "1/5", "-1.8333", "6.25", "0.661"],
        ["c", "x", "1", "-inf", "inf", "inf"],
    ]
    assert page.endswith(f"\nsignature: {markdown_text(str(SIGNATURE))}\n")


@pytest.mark.parametrize("columns", [None, ()])
@pytest.mark.parametrize("name", ["out.md", "out.tex"])
def test_what_a_masked_model_gives_is_a_pseudo_perplexity(tmp_path: Path, name: str, columns: object) -> None:
    """Also where the first row was not scored, and of rows that have the signature in each."""
    both = Signature((*SIGNATURE.fields, ("conditioning", "both")))
    rows = [Problem(0, InputError("no text"), 0), ScoredRow(1, scored("a", settings=both), 1)]
    for signature in ("once", "rows", "none"):
        with open_writer(name[-3:].strip("."), tmp_path / name, columns=columns, signature=signature) as writer:  # type: ignore[arg-type]
            for row in rows:
                writer.write(row)
        (head,) = [line for line in (tmp_path / name).read_text().splitlines() if "bits/byte" in line]
        assert "pseudo-perplexity" in head


def test_a_table_of_a_paper(tmp_path: Path) -> None:
    lines = written(tmp_path, "out.tex").splitlines()
    assert lines[1:6] == [
        r"\begin{tabular}{llrrrrll}",
        r"\toprule",
        r"id & text & tokens & log p(text) {[}nats{]} & perplexity & bits/byte & year & by\textbar{}whom \\",
        r"\midrule",
        r"a\_1 & 50\% of \{x\} \& \$y\$ & 4 & $-4.0000$ & 2.72 & 0.361 & 1999 & A\_B \\",
    ]
    assert lines[-3:] == [r"\bottomrule", r"\end{tabular}", f"% signature: {SIGNATURE}"]


@pytest.mark.parametrize("name", ["out.md", "out.tex"])
def test_tokens_of_a_page(tmp_path: Path, name: str) -> None:
    page = written(tmp_path, name, tokens=True, columns=(), unit="bits")
    assert len([line for line in page.splitlines() if "1003" in line]) == 2
    value = f"{-0.5 / math.log(2):.4f}"
    assert value in page and "0.6065" in page, "the probability does not depend on the unit"
