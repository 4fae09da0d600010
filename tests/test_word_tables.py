"""Tables of words from Python: data of every kind, frames in and out, files."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import seqscore
from seqscore import InputError, OptionError, WordTable, words, words_frame
from seqscore.scores.word_scores import WORD_COLUMNS
from tests.evaluation.evaluated import tiny_scorer

ROWS = [
    {"item": 1, "cond": "a", "word": "The"},
    {"item": 1, "cond": "a", "word": "keys."},
    {"item": 1, "cond": "b", "word": "Infinity"},
]
TIMES = [{**row, "rt": 300 + place} for place, row in enumerate(ROWS)]
HOW: dict[str, Any] = {"group": ["item", "cond"], "spillover": 1}


class _Polars:
    """What a DataFrame of polars offers."""

    __module__ = "polars.dataframe.frame"

    def __init__(
        self, rows: list[dict[str, Any]], infer_schema_length: int | None = 0, schema_overrides: Any = None
    ) -> None:
        self.rows, self.inferred, self.kinds = rows, infer_schema_length, schema_overrides

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0])

    def iter_rows(self, *, named: bool) -> Iterator[dict[str, Any]]:
        assert named
        yield from self.rows


def _written(folder: Path) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(path)


@pytest.mark.parametrize(
    "make", [lambda _: ROWS, lambda _: iter(ROWS), lambda _: pd.DataFrame(ROWS), lambda _: _Polars(ROWS), _written]
)
def test_the_same_table_whatever_holds_the_data(make: Callable[[Path], Any], tmp_path: Path) -> None:
    expected = list(words(tiny_scorer(), ROWS, join=TIMES, by=["item", "cond"], **HOW))
    found = words(tiny_scorer(), make(tmp_path), join=pd.DataFrame(TIMES), by=["item", "cond"], **HOW)
    assert list(found) == expected
    assert list(found) == expected, "again"
    assert [row["rt"] for row in expected] == [300, 301, 302]
    assert list(expected[0])[:8] == ["id", "row", *list(WORD_COLUMNS)[:6]]
    assert "error" not in expected[0]


def test_a_frame_of_the_same_library_with_its_own_columns() -> None:
    rows = list(words(tiny_scorer(), ROWS, **HOW))
    frame = pd.DataFrame(ROWS)
    found = frame.pipe(words_frame, tiny_scorer(), **HOW)
    assert isinstance(found, pd.DataFrame)
    assert found["word"].tolist() == ["The", "keys.", "Infinity"]
    assert found["surprisal"].tolist() == [row["surprisal"] for row in rows]
    assert [found[name].dtype.kind for name in ("position", "item", "surprisal", "surprisal_prev1")] == list("iiff")
    assert frame.equals(pd.DataFrame(ROWS))
    polars = words_frame(_Polars(ROWS), tiny_scorer(), **HOW)
    assert isinstance(polars, _Polars) and polars.inferred is None and polars.rows == rows
    assert {"rank": int, "end_token": int, "entropy": float}.items() <= polars.kinds.items()
    assert set(polars.kinds) <= set(rows[0]) and not {"id", "word", "item"} & set(polars.kinds)
    assert found["end_token"].isna().all() and found["end_token"].dtype == found["rank"].dtype == "float64"
    for data in (ROWS, {"word": ["a"]}, "rows.csv", pd.Series(["a"])):
        with pytest.raises(InputError, match=r"takes a DataFrame of pandas or polars, got a .*seqscore\.words"):
            words_frame(data, tiny_scorer())


def test_infinities_are_numbers_and_words_are_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqscore.scores.word_scores._in_unit", lambda values, unit: np.full(len(values), -math.inf))
    (row,) = words(tiny_scorer(), [{"text": "Infinity"}])
    assert (row["word"], row["log_likelihood"]) == ("Infinity", -math.inf)


def test_files_hold_the_same_with_their_signature(tmp_path: Path) -> None:
    table = words(tiny_scorer(), ROWS, unit="nats", **HOW)
    rows = list(table)
    assert table.write(tmp_path / "w.csv") == tmp_path / "w.csv"
    with (tmp_path / "w.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [float(row["surprisal"]) for row in found] == [row["surprisal"] for row in rows]
    assert [row["cond"] for row in found] == ["a", "a", "b"]
    about = json.loads((tmp_path / "w.csv.meta.json").read_text())
    assert (about["signature"], about["unit"]) == (table.signature, "nats")
    with pytest.raises(OptionError, match="the format 'md' is not made here"):
        table.write(tmp_path / "w.md")


def test_a_text_that_cannot_be_scored_raises_unless_it_is_to_be_recorded() -> None:
    data = [{"text": "It rained."}, {"text": None}]
    with pytest.raises(InputError, match=r"^row 1: column 'text' is null"):
        list(words(tiny_scorer(), data))
    assert list(words(tiny_scorer(), data, errors="record"))[2]["error"].startswith("no_text: ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"groups": "item"}, "there is no option 'groups': there are fields, delimiter, group"),
        ({"group": 3}, "group=3 must name columns"),
        ({"errors": "skip"}, "errors='skip' is unknown"),
        ({"by": ["item"]}, "by= is about a table that is joined"),
        ({"join": TIMES}, r"join= needs the columns that both sides have: by=\('item', 'position'\)"),
        ({"frequency_fields": {"word": "w"}}, "name one with frequencies="),
        ({"unit": "decibel"}, "decibel"),
        ({"correction": "both"}, "correction='both' is unknown"),
        ({"words": "spaces"}, "words='spaces' is unknown"),
        ({"limit": 0}, "limit=0 must be at least 1"),
        ({"encoding": "latin-1"}, "says how files or datasets are read"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        list(words(tiny_scorer(), [{"item": 1, "text": "It rained."}], **options))


def test_what_is_no_scorer_or_no_data() -> None:
    with pytest.raises(OptionError, match="is no Scorer"):
        words("gpt2", ROWS)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="data must be the name of a file"):
        list(words(tiny_scorer(), 3))
    assert isinstance(words(tiny_scorer(), ROWS), WordTable) and seqscore.words is words
