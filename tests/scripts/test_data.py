"""The example data are what data/README.md says."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parents[2] / "data"


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def test_sentences_are_varied() -> None:
    lines = (DATA / "sentences.txt").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(set(lines)) == 12
    assert all(line == line.strip() != "" for line in lines)
    scripts = {unicodedata.name(c).split()[0] for line in lines for c in line if c.isalpha()}
    assert {"LATIN", "CJK", "ARABIC", "DEVANAGARI"} <= scripts
    assert any("\N{ZERO WIDTH JOINER}" in line for line in lines)
    assert lines[1].replace(" are ", " is ") == lines[2]


def test_the_passage_is_long_enough_to_underflow() -> None:
    words = (DATA / "passage.txt").read_text(encoding="utf-8").split()
    assert 400 <= len(words) <= 450


@pytest.mark.parametrize(
    ("name", "count", "columns"),
    [
        ("pairs.jsonl", 20, ["id", "phenomenon", "sentence_good", "sentence_bad"]),
        ("choices.jsonl", 10, ["id", "query", "choices", "gold"]),
        ("contexts.jsonl", 10, ["id", "context", "continuation"]),
    ],
)
def test_tables_have_their_columns_and_unique_ids(name: str, count: int, columns: list[str]) -> None:
    table = rows(name)
    assert len(table) == len({row["id"] for row in table}) == count
    assert all(list(row) == columns for row in table)


def test_pairs_differ() -> None:
    table = rows("pairs.jsonl")
    assert all(row["sentence_good"] != row["sentence_bad"] for row in table)
    assert len({row["sentence_good"] for row in table}) == len(table)


def test_choices_have_one_right_answer_at_varied_places() -> None:
    table = rows("choices.jsonl")
    assert all(len(set(row["choices"])) == 4 and row["gold"] in range(4) for row in table)
    assert {row["gold"] for row in table} == {0, 1, 2, 3}


def test_contexts_join_to_a_text() -> None:
    for row in rows("contexts.jsonl"):
        assert row["context"]
        assert row["continuation"].strip()
        ascii_text = (row["context"] + row["continuation"]).isascii()
        assert row["continuation"][0].isspace() or not ascii_text, row["id"]


def test_every_file_is_described() -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in sorted(DATA.iterdir()) if f"`{path.name}`" not in readme] == ["README.md"]
