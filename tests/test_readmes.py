"""The README files show what the commands print, lead to files that are there, and stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seqscore import Scorer
from tests.readmes import ROOT, RUN_LANGUAGES, blocks_of, check, differences

PAGES = sorted([ROOT / "README.md", *(ROOT / "seqscore").rglob("README.md")])


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.default_model
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_print_what_the_page_shows(page: Path, scorers: dict[str, Scorer], tmp_path: Path) -> None:
    found = check(page, tmp_path, scorers)
    shown = "\n\n".join("\n".join([f"{name_of(page)}:{line}", *one]) for line, one in found.items())
    assert not found, f"{shown}\n\nWhere the page is behind: python -m tests.readmes {name_of(page)}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_example_is_run_or_says_why_not(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    inside = [line for block in blocks_of(text) for line in block.lines]
    prompts = re.findall(r"^\s*(?:\$|>>>) .*", text, re.MULTILINE)
    assert [line.strip() for line in prompts] == [line for line in inside if re.match(r"(\$|>>>) ", line)]
    marks = re.findall(r"<!-- not run: (.*) -->", text)
    assert marks == [block.reason for block in blocks_of(text) if block.reason is not None]
    assert all(mark.startswith("needs ") for mark in marks)


@pytest.mark.parametrize("page", [*PAGES, ROOT / ".github/CONTRIBUTING.md"], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_first_page_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 12_000


@pytest.mark.parametrize("page", PAGES[1:], ids=name_of)
def test_the_page_of_a_room_names_all_that_is_in_it(page: Path) -> None:
    there = {one.stem for one in page.parent.glob("*.py") if one.stem != "__init__"}
    there |= {one.parent.name for one in page.parent.glob("*/__init__.py")}
    table = re.search(r"^\| (?:file|folder|module|room).*?\n\n", page.read_text(encoding="utf-8"), re.M | re.S)
    assert table is not None
    cells = [row.split("|")[1] for row in table[0].strip().splitlines()]
    named = {name.removesuffix(".py").removesuffix("/") for cell in cells for name in re.findall(r"`(.+?)`", cell)}
    assert named == there


def test_every_large_room_has_a_page() -> None:
    rooms = [one for one in (ROOT / "seqscore").iterdir() if len(list(one.rglob("*.py"))) > 10]
    assert [one.name for one in rooms if not (one / "README.md").is_file()] == ["cli"]


# ---- what the comparison can and cannot see ----


@pytest.mark.parametrize(
    "shown, printed",
    [
        ("log p  -23.2609", "log p  -23.2610"),
        ("a    -1.5 nats", "a   -1.5 nats"),
        ("x|torch:2.13.0+cpu|y", "x|torch:2.14.1|y"),
        ('{"p": -23.260954708585402}', '{"p": -23.26085090637207}'),
        ("p 2.17e-04", "p 2.18e-04"),
        ("1,234.5", "1,234.6"),
    ],
)
def test_other_processors_round_otherwise(shown: str, printed: str) -> None:
    assert differences([shown], [printed]) == []


@pytest.mark.parametrize(
    "shown, printed",
    [
        ("log p  -23.2609", "log p  -23.2709"),
        ("log p  -23.2609", "log p  23.2609"),
        ("12 rows", "13 rows"),
        ("p 2.17e-04", "p 2.17e-05"),
        ("weights:sha256:a672", "weights:sha256:b672"),
        ("0.9500 0.1", "0.9500"),
        ("a word", "another word"),
    ],
)
def test_what_differs_is_seen(shown: str, printed: str) -> None:
    assert differences([shown], [printed]) == [f"- {shown}\n+ {printed}"]


def test_missing_and_further_lines_are_seen() -> None:
    assert differences(["a", "b"], ["a"]) == ["- b"]
    assert differences(["a"], ["a", "b"]) == ["+ b"]


def test_blocks_and_steps() -> None:
    page = "\n".join(
        [
            "<!-- not run: needs a hub -->",
            "```console",
            "$ one",
            "```",
            "",
            "```console",
            "$ two \\",
            "> more",
            "shown",
            "$ three",
            "```",
        ]
    )
    first, second = blocks_of(page)
    assert first.reason == "needs a hub" and second.reason is None
    assert [(step.source, step.shown) for step in second.steps()] == [("two \\\nmore", ("shown",)), ("three", ())]
    assert RUN_LANGUAGES == ("console", "python")
