"""Runs with a row of the data in a row, beside the records of their texts."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from seqscore.errors import OptionError
from seqscore.evaluation.read.export import export_fields, exported, usual_layout
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.summary import run_signature
from seqscore.output.record_writer import WriterOptions
from seqscore.output.writers import open_records
from tests.evaluation.evaluated import log_likelihood, run_task

CLOSE = 2e-4

PAIRS = [
    {"good": "the cat sat", "bad": "cat the sat", "UID": "a", "note": "x"},
    {"good": "same", "bad": "same", "UID": "b", "note": "y"},
    {"good": "the dog", "bad": None, "UID": "b", "note": "z"},
]


def records(run: Run, **more: Any) -> list[Mapping[str, Any]]:
    return [one.fields for one in exported(run, per="item", **more)]


def test_pairs_are_a_row_each(tmp_path: Path) -> None:
    run = run_task(tmp_path, "pairs", PAIRS)
    assert usual_layout(run) == ("item", "nats")
    first, tied, wrong = records(run)
    (good, tokens), (bad, others) = log_likelihood("the cat sat"), log_likelihood("cat the sat")
    assert first["log_likelihood_good"] == pytest.approx(good, abs=CLOSE) and first["num_scored_good"] == tokens
    assert first["margin"] == pytest.approx(good - bad, abs=CLOSE)
    assert first["margin_per_token"] == pytest.approx(good / tokens - bad / others, abs=CLOSE)
    assert (first["correct"], first["chosen"]) == ((True, "good") if good > bad else (False, "bad"))
    assert (tied["margin"], tied["correct"], tied["chosen"]) == (0.0, False, None)
    assert wrong["error"].startswith("no_text") and "margin" not in wrong
    assert [one["group"] for one in (first, tied)] == ["a", "b"]
    assert [dict(one.columns) for one in exported(run, per="item")] == [{"note": note} for note in "xyz"]
    bits = records(run, unit="bits")[0]
    assert bits["margin"] == first["margin"] / math.log(2) and bits["unit"] == "bits"
    assert all(set(one) <= set(export_fields(run, per="item")) for one in (first, tied, wrong))
    assert not any(name.startswith("context") for name in export_fields(run, per="item"))


def test_rows_with_different_numbers_of_alternatives(tmp_path: Path) -> None:
    rows = [
        {"query": "the cat", "choices": ["sat", "ran off", "is"], "gold": 2},
        {"query": "the dog", "choices": ["barks", "is"], "gold": 0},
    ]
    run = run_task(tmp_path, "choices", rows)
    three, two = records(run)
    fields = list(export_fields(run, per="item"))
    assert [one for one in fields if one.startswith("log_")] == [f"log_likelihood_choice_{i}" for i in (1, 2, 3)]
    assert "log_likelihood_choice_3" not in two and not any("unconditional" in one for one in fields)
    sums = [three[f"log_likelihood_choice_{i}"] for i in (1, 2, 3)]
    assert three["margin"] == sums[2] - max(sums[:2]) and three["correct"] == (sums[2] > max(sums[:2]))
    assert three["chosen"] == f"choice_{sums.index(max(sums)) + 1}"
    assert three["context_choice_1"] == "the cat" and three["text_choice_2"] == " ran off"


def test_rows_to_which_a_method_does_not_apply_are_empty(tmp_path: Path) -> None:
    one = {"one_prefix_prefix": "the", "one_prefix_word_good": "cat", "one_prefix_word_bad": "sat"}
    run = run_task(
        tmp_path, "pairs", [{**one, "one_prefix_method": flag} for flag in (False, True)], method="one-prefix"
    )
    left, there = records(run)
    assert left["correct"] is None and "margin" not in left and there["correct"] in (True, False)


def test_tasks_without_alternatives_stay_a_row_a_text(tmp_path: Path) -> None:
    run = run_task(tmp_path, "perplexity", [{"text": "the cat"}])
    assert usual_layout(run) == ("text", "nats") and usual_layout(run, "item", "bits") == ("item", "bits")
    (found,) = records(run)
    assert found["text_text"] == "the cat" and "margin" not in found and "correct" not in found
    with pytest.raises(OptionError, match="task 'perplexity' has no regions; expected per='item' or 'text'"):
        usual_layout(run, "region")
    with pytest.raises(OptionError, match="per='token' is unknown; expected one of item, text, region"):
        usual_layout(run, "token")  # type: ignore[arg-type]


def test_every_format_holds_the_same(tmp_path: Path) -> None:
    run = run_task(tmp_path, "pairs", PAIRS)
    for form in ("csv", "tsv", "jsonl", "parquet"):
        with open_records(form, tmp_path / f"rows.{form}", export_fields(run, per="item"), WriterOptions()) as target:
            for record in exported(run, per="item"):
                target.write(record, str(run_signature(run)))
    table = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    with (tmp_path / "rows.csv").open(newline="") as stream:
        cells = list(csv.DictReader(stream))
    for own, parquet, line, row in zip(records(run), table, lines, cells, strict=True):
        for name in ("margin", "log_likelihood_bad", "correct"):
            value = own.get(name)
            assert parquet[name] == line.get(name) == value
            assert row[name] == ("" if value is None else str(value).lower() if name == "correct" else repr(value))
    assert (tmp_path / "rows.tsv").read_text().splitlines()[0].split("\t") == list(cells[0])
