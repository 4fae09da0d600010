from __future__ import annotations

import io
import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from seqscore.errors import InputError
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.scored.scored_rows import ScoredItem, ScoredRow
from seqscore.output.escape import terminal_text
from seqscore.output.notes import notes
from seqscore.output.tables import BLOCK_ROWS
from seqscore.output.writers import open_writer
from seqscore.scores.show.surprisal_scale import COLOURS, LABELS
from tests.output.scored import scored

TEXT = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def table(folder: Path, rows: Sequence[ScoredItem], **options: object) -> list[str]:
    with open_writer("table", folder / "out.txt", **options) as writer:  # type: ignore[arg-type]
        for row in rows:
            writer.write(row)
    return (folder / "out.txt").read_text(encoding="utf-8").split("\n")[:-1]


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_one_text(tmp_path: Path) -> None:
    score = scored(TEXT)
    head, units, rule, row, signature = table(tmp_path, [ScoredRow(0, score)])
    assert cells(head) == ["log p(text)"]
    assert cells(units) == ["id", "text", "tokens", "[nats]", "perplexity", "bits/byte"]
    assert set(rule) == {"─"}
    assert cells(row) == [
        "0",
        TEXT,
        "11",
        f"{score.log_likelihood:.4f}",
        f"{score.perplexity:.2f}",
        f"{score.bits_per_byte:.3f}",
    ]
    assert signature == "signature: seqscore:0.1.0|model:tiny|bos:auto"


def test_the_unit_is_in_the_head(tmp_path: Path) -> None:
    score = scored(TEXT, extras=True)
    lines = table(tmp_path, [ScoredRow(0, score)], unit="bits", tokens=True)
    assert not any("nats" in line for line in lines)
    assert f"{score.log_likelihood / math.log(2):.4f}" in lines[-2]
    assert "[bits]" in lines[-4]


@pytest.mark.parametrize("width", [76, 80, 100, 133])
def test_lines_fit_the_width_and_columns_are_aligned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    rows: list[ScoredItem] = [
        ScoredRow(0, scored(TEXT * 4, extras=True)),
        ScoredRow(12_345, scored("漢字かな交じり文" * 9, extras=True, pieces=3)),
        ScoredRow("a-long-identifier-of-a-row", scored("x" * 3000, logprobs=[-99.0] * 750)),
        Problem(2, InputError("a long message " * 12)),
    ]
    lines = table(tmp_path, rows, tokens=True)
    assert max(map(cell_len, lines)) <= width
    begin = next(i for i, line in enumerate(lines) if line.startswith("id") and "tokens" in line)
    summary = lines[begin + 2 : begin + 5]
    assert {cell_len(line) for line in summary} == {width}
    assert all("…" not in line.split("  ")[-1] for line in summary)  # numbers are whole
    assert f"{-99.0 * 750:.4f}" in lines[begin + 4]


def test_a_narrower_terminal_does_not_cost_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    score = scored(TEXT, logprobs=[-99_999.125] * 11)
    lines = table(tmp_path, [ScoredRow("a" * 30, score)], tokens=True)
    assert "-99999.1250" in lines[4]
    assert cells(lines[-2])[3:] == ["-1099990.3750", "inf", f"{score.bits_per_byte:.3f}"]


def test_without_a_terminal_it_is_100_cells_wide_and_without_colour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stdout)
    with open_writer("table", None) as writer:
        writer.write(Problem(0, InputError("bad")))
        writer.write(ScoredRow(1, scored("x" * 1000)))
    shown = stdout.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert "\x1b" not in shown
    assert max(map(len, shown.split("\n")[:5])) == 100


def test_a_file_has_no_colour_even_where_colour_is_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in "".join(table(tmp_path, [Problem(0, InputError("bad"))], tokens=True))


def test_on_a_terminal_errors_are_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal, os.fdopen(theirs, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with open_writer("table", None) as writer:
            writer.write(Problem(0, InputError("it is bad")))
        monkeypatch.undo()
        shown = terminal.read(100_000).decode()
    assert "\x1b[31merror: it is bad" in shown


@pytest.mark.parametrize("colours", [True, False])
def test_on_a_terminal_tokens_are_coloured_by_surprisal(monkeypatch: pytest.MonkeyPatch, colours: bool) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("NO_COLOR", "" if colours else "1")
    ours, theirs = os.openpty()
    nats = [math.log(2) * bits for bits in (0.5, 1.5, 3.0, 5.0, 9.0, 20.0)]
    score = scored("abcd efg\x1b[31m", pieces=2, logprobs=[*(-value for value in nats), -0.1], unscored=0)
    with os.fdopen(ours, "rb", buffering=0) as terminal, os.fdopen(theirs, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with open_writer("table", None, tokens=True) as writer:
            writer.write(ScoredRow(0, score))
        monkeypatch.undo()
        shown = terminal.read(100_000).decode()
    grounds = re.findall(r"\x1b\[38;2;[\d;]+48;2;(\d+);(\d+);(\d+)m([^\x1b]*)", shown)
    if not colours:
        assert not grounds and "surprisal [bits]:" not in shown
        return
    named = [("#" + "".join(f"{int(part):02x}" for part in one[:3]), one[3]) for one in grounds]
    assert named[:6] == list(zip(COLOURS, ["ab", "cd", " e", "fg", "\\x1b[", "31"], strict=True))
    assert named[-6:] == [(shade, f" {label} ") for shade, label in zip(COLOURS, LABELS, strict=True)]


def test_an_encoding_without_our_signs_gets_others(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    with open_writer("table", None, tokens=True) as writer:
        writer.write(ScoredRow(0, scored(" é" + "x" * 200, unscored=99)))
    shown = stdout.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "_\\xe9" in shown and "x~" in shown and "0/51" in shown


def test_text_is_escaped_and_markup_is_text(tmp_path: Path) -> None:
    evil = "[bold]x[/bold] \x1b[31m \u202e :smile:"
    signature = scored("a").settings
    rows: list[ScoredItem] = [
        ScoredRow(evil, scored(evil, context=evil, unscored=2)),
        Problem(evil, InputError(f"{evil}\nsecond line")),
        ScoredRow(1, scored(evil, settings=type(signature)((("model", "[red]\x1b"),)))),
    ]
    shown = "\n".join(table(tmp_path, rows, tokens=True))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert "[bold]x[/bold]" in shown and r"\x1b[31m" in shown and ":smile:" in shown
    assert "model:[red]%1B" in shown


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_can_be_shown(tmp_path_factory: pytest.TempPathFactory, text: str, message: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    rows: list[ScoredItem] = [ScoredRow(0, scored(text, pieces=3)), Problem(text, InputError(message))]
    lines = table(tmp_path_factory.mktemp("any"), rows, tokens=True)
    assert max(map(cell_len, lines)) <= 100
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", "".join(lines))


def test_a_pair_shows_the_end_of_its_context(tmp_path: Path) -> None:
    lines = table(tmp_path, [ScoredRow(0, scored(" Paris", context="The capital of France is", unscored=6))])
    assert cells(lines[3])[1:3] == ["(The capital of France is) Paris", "2/8"]
    lines = table(tmp_path, [ScoredRow(0, scored(" Paris", context="Is it " * 99 + "so that it is 漢字", unscored=1))])
    shown = cells(lines[3])[1]
    assert shown.startswith("(…") and shown.endswith("so that it is 漢字) Paris")
    lines = table(tmp_path, [ScoredRow(0, scored("long " * 99, context="the very long context " * 9, unscored=1))])
    shown = cells(lines[3])[1]
    assert shown.startswith("(…") and " context )long long" in shown and shown.endswith("…")


def test_an_error_is_told_in_full(tmp_path: Path) -> None:
    message = "word " * 60 + "end"
    lines = table(tmp_path, [Problem(0, InputError(message))])
    told = " ".join(" ".join(line.split()) for line in lines[3:])
    assert message in told.replace(" – – – –", "")
    assert "signature" not in told


def test_tokens(tmp_path: Path) -> None:
    score = scored("The 漢 dog", pieces=4, unscored=1, extras=True)
    lines = table(tmp_path, [ScoredRow(7, score)], tokens=True)
    assert lines[0] == "7: The 漢 dog"
    assert cells(lines[1]) == ["log p", "surprisal", "entropy"]
    assert cells(lines[2]) == ["token", "id", "[nats]", "[bits]", "p", "rank", "[nats]"]
    first, second, third = score.tokens()
    assert (second.logprob, third.logprob, first.logprob) == (score.logprobs[1], score.logprobs[2], None)
    assert cells(lines[4]) == ["The␣", "1000", *["–"] * 5]
    assert [cells(line)[:2] for line in lines[5:7]] == [["漢␣", "1001"], ["dog", "1002"]]
    for line, token in zip(lines[5:7], (second, third), strict=True):
        assert token.logprob is not None
        assert cells(line)[2:] == [
            f"{token.logprob:.4f}",
            f"{-token.logprob / math.log(2):.3f}",
            f"{math.exp(token.logprob):.4f}",
            str(token.rank),
            f"{token.entropy:.3f}",
        ]


def test_tokens_without_extras_have_no_empty_columns(tmp_path: Path) -> None:
    lines = table(tmp_path, [ScoredRow(0, scored("abc"))], tokens=True)
    assert cells(lines[2]) == ["token", "id", "[nats]", "[bits]", "p"]


@pytest.mark.parametrize(
    ("text", "pieces", "shown"),
    [
        ("漢字", 2, [r"\xe6\xbc", r"\xa2\xe5", r"\xad\x97"]),
        ("  ab  ", 9, ["␣␣ab␣␣"]),
        ("   ", 9, ["␣␣␣"]),
        (" " * 70, 70, ["␣×70"]),
        ("\n\t", 1, [r"\n", r"\t"]),
        ("y" * 90, 90, ["y" * 27 + "…"]),
        ("\\xe6", 9, [r"\\xe6"]),  # six characters of the text, and no byte
    ],
)
def test_what_tokens_look_like(tmp_path: Path, text: str, pieces: int, shown: list[str]) -> None:
    lines = table(tmp_path, [ScoredRow(0, scored(text, pieces=pieces))], tokens=True)
    assert [cells(line)[0] for line in lines[4 : 4 + len(shown)]] == shown


def test_improbable_and_impossible_tokens(tmp_path: Path) -> None:
    score = scored("abcd", pieces=1, logprobs=[-20.0, -math.inf, 0.0, -1e-9])
    lines = table(tmp_path, [ScoredRow(0, score)], tokens=True)
    assert [cells(line)[2:] for line in lines[4:8]] == [
        ["-20.0000", "28.854", "2.06e-09"],
        ["-inf", "inf", "0.00e+00"],
        ["0.0000", "0.000", "1.0000"],
        ["-0.0000", "0.000", "1.0000"],
    ]
    assert cells(lines[-2])[3:] == ["-inf", "inf", "inf"]


def test_token_ids_alone(tmp_path: Path) -> None:
    score = scored("abcdefgh")
    ids = type(score)(**{**vars(score), "text": None, "starts": np.zeros(2, np.int64), "ends": np.zeros(2, np.int64)})
    lines = table(tmp_path, [ScoredRow(0, ids)], tokens=True)
    assert lines[0] == "0: (2 token ids)"
    assert cells(lines[4])[0] == "1000"


def test_notes_under_the_table(tmp_path: Path) -> None:
    rows = [
        ScoredRow("w", scored("a", num_windows=3)),
        ScoredRow("c", scored("a", num_cut=12)),
        ScoredRow("s", scored("a", boundary="spanned")),
        ScoredRow("o", scored("a", boundary="swallowed")),
        ScoredRow("p", scored("a", boundary="apart")),
        ScoredRow("h", scored("a", boundary="healed")),
        ScoredRow("x", scored("a", exact_spans=False)),
        ScoredRow("e", scored("")),
        ScoredRow("n", scored("a", unscored=1)),
        ScoredRow("quiet", scored("a", boundary="clean")),
    ]
    said = " ".join(table(tmp_path, rows)).partition("note on ")[2]
    said = " ".join(said.split())
    for expected in (
        "w (3): longer than the model's context, scored in as many overlapping windows",
        "note on c (12): longer than the model's context, as many tokens",
        "note on s: context and text have other tokens together",
        "note on o: one token would span the whole boundary",
        "note on p: a token would reach from the context into the text, so the two were tokenised apart",
        "note on h: a token reaches from the context into the text, scored given the context's bytes in it",
        "note on x: the tokenizer changes the text",
        "note on e: empty text",
        "note on n: no token has a log-probability",
    ):
        assert expected in f"note on {said}"
    assert "quiet" not in said
    assert notes(scored("a")) == []


def test_notes_that_concern_many_rows_name_some(tmp_path: Path) -> None:
    rows = [ScoredRow(i, scored("")) for i in range(20)]
    (note,) = [line for line in table(tmp_path, rows) if line.startswith("note")]
    assert note == (
        "note on 0, 1, 2, 3, 4, 5, 6, 7 and 12 more: empty text, log-likelihood 0 by definition and no"
    ).ljust(len(note))


def test_many_rows_come_in_blocks_and_memory_stays_small(tmp_path: Path) -> None:
    score = scored("some text " * 50)
    held = []
    with open_writer("table", tmp_path / "out.txt") as writer:
        for i in range(2 * BLOCK_ROWS + 500):
            writer.write(ScoredRow(i, score))
            held.append(len(writer._lines) + sum(map(len, writer._notes.values())))  # type: ignore[attr-defined]
    assert max(held) < BLOCK_ROWS
    lines = (tmp_path / "out.txt").read_text(encoding="utf-8").split("\n")
    heads = [i for i, line in enumerate(lines) if line.startswith("id")]
    assert len(heads) == 3
    assert [cells(line)[0] for line in lines if line[:1].isdigit()] == [str(i) for i in range(2 * BLOCK_ROWS + 500)]
    assert sum(line.startswith("signature: ") for line in lines) == 1


def test_a_long_text_has_tables_of_tokens_with_the_same_columns(tmp_path: Path) -> None:
    lines = table(tmp_path, [ScoredRow(0, scored("abcd" * (BLOCK_ROWS + 5) + "a long token", pieces=4))], tokens=True)
    rules = [line for line in lines if set(line) == {"─"}]
    assert len(rules) == 3 and rules[0] == rules[1]
    assert sum(line.startswith("abcd") for line in lines) == BLOCK_ROWS + 5


def test_different_signatures_are_all_shown(tmp_path: Path) -> None:
    kind = type(scored("a").settings)
    rows = [ScoredRow(i, scored("a", settings=kind((("long", str(i % 2)),)))) for i in range(4)]
    assert table(tmp_path, rows)[-2:] == ["signature: long:0", "signature: long:1"]


def test_shortened_ids_and_texts(tmp_path: Path) -> None:
    lines = table(tmp_path, [ScoredRow("i" * 40, scored("t" * 400))])
    shown = cells(lines[3])
    assert shown[0] == terminal_text("i" * 40, max_width=16)
    assert shown[1].endswith("…") and set(shown[1][:-1]) == {"t"}
