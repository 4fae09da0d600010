from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqscore.errors import OptionError
from seqscore.evaluate.buckets import Percentiles, Rule, Thresholds, bucket_value, split_run
from tests.evaluate.evaluated import files, log_likelihood, rows_of, run_task

TEXTS = [" ".join("abcdefgh"[: 1 + i % 5]) + f" the cat {i}" for i in range(11)]
ROWS: list[Any] = [{"text": text, "n": i, "ü": None} for i, text in enumerate(TEXTS)]


def split(folder: Path, rule: Rule, **settings: Any) -> tuple[dict[str, int], dict[str, list[Any]]]:
    run = run_task(folder, "filter", [*ROWS, "{", {"text": ""}, {"text": 3}])
    counts = split_run(run, rule, **{"by": "perplexity", **settings})
    read = {name: (run.path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines() for name in counts}
    return counts, {name: [json.loads(line) for line in lines] for name, lines in read.items()}


def test_percentiles_as_ccnet(tmp_path: Path) -> None:
    counts, found = split(tmp_path, Percentiles(head=30, middle=60))
    own = []
    for text in TEXTS:
        total, tokens = log_likelihood(text)
        own.append(math.exp(-total / tokens))
    low, high = np.percentile(own, [30, 60])
    expected: dict[str, list[Any]] = {"head": [], "middle": [], "tail": []}
    for row, value in zip(ROWS, own, strict=True):
        expected["head" if value <= low else "middle" if value <= high else "tail"].append(row)
    unscored = found.pop("unscored")
    assert found == expected
    assert counts == {**{name: len(rows) for name, rows in expected.items()}, "unscored": 3}
    assert [one["error"]["code"] for one in unscored] == ["bad_input", "nothing_scored", "bad_input"]
    assert unscored[1]["row"] == {"text": ""}


def test_thresholds_keep_both_ends(tmp_path: Path) -> None:
    run = run_task(tmp_path / "first", "filter", ROWS)
    values = [bucket_value(row["items"][0], "perplexity") for row in rows_of(run)]
    low, high = sorted(value for value in values if value is not None)[2:9:6]
    (tmp_path / "second").mkdir()
    _, found = split(tmp_path / "second", Thresholds(low=low, high=high))
    assert found["kept"] == [row for row, value in zip(ROWS, values, strict=True) if low <= (value or 0) <= high]
    assert len(found["kept"]) == 7 and len(found["dropped"]) == 4


def test_splitting_again_gives_the_same_files(tmp_path: Path) -> None:
    run = run_task(tmp_path, "filter", ROWS)
    split_run(run, Percentiles(), by="bits_per_byte")
    before = files(run.path)
    split_run(run, Percentiles(), by="bits_per_byte")
    assert files(run.path) == before


def test_what_rows_are_sorted_out_by() -> None:
    item = {"log_likelihood": -8.0, "num_scored": 4, "num_words": 3, "num_bytes_scored": 16}
    assert bucket_value(item, "perplexity") == math.exp(2)
    assert bucket_value(item, "word_perplexity") == math.exp(2), "CCNet counts the end of a line as a word"
    assert bucket_value(item, "bits_per_byte") == pytest.approx(0.5 / math.log(2))
    assert bucket_value({**item, "num_scored": 0}, "perplexity") is None
    assert bucket_value({**item, "log_likelihood": -1e9}, "perplexity") == math.inf


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda: Thresholds(), "a threshold needs a least or a greatest value"),
        (lambda: Thresholds(low=NAN), "the least value of a threshold is nan; expected a finite number"),
        (lambda: Thresholds(low=-INF, high=3), "the least value of a threshold is -inf"),
        (lambda: Thresholds(high=NAN), "the greatest value of a threshold is nan"),
        (lambda: Thresholds(high=INF), "the greatest value of a threshold is inf"),
        (lambda: Thresholds(low=5, high=1), "the least value 5 is above the greatest, 1"),
        (lambda: Percentiles(head=60, middle=30), "must rise"),
        (lambda: Percentiles(head=NAN), "percentiles nan and 60.0 must rise"),
        (lambda: Percentiles(head=30, middle=NAN), "must rise"),
        (lambda: Percentiles(head=30, middle=INF), "must rise"),
        (lambda: Percentiles(head=0, middle=100), "must rise"),
    ],
)
def test_rules_are_checked(rule: Callable[[], Rule], message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        rule()
    assert Thresholds(low=2, high=2).bucket(2.0) == "kept"
