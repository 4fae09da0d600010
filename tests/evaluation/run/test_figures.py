"""What rows come to where some of them count for nothing, or stand in no group."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from seqscore.evaluation.data.fields import Fields
from seqscore.evaluation.read.charts import charts_of_run
from seqscore.evaluation.read.compare import compare_runs
from seqscore.evaluation.run.figures import FigureRow, Measured, figure_rows, row_values
from seqscore.evaluation.run.run_folder import read_run
from seqscore.evaluation.tasks.measure import Measure
from seqscore.evaluation.tasks.protocol_task import stored_protocol
from seqscore.output.evaluations import _best_swept
from seqscore.scores.statistics.intervals import Sums
from tests.evaluation.evaluated import OPTIONS, edited, run_task


def test_a_row_in_no_group_is_not_in_the_group_of_an_empty_name() -> None:
    measure = Measure(name="m", figure="ratio", unit="u", by_group=True)
    found = Measured(measure, np.arange(4), ["", None, "a", None], Sums.of([1.0, 5.0, 2.0, 9.0]))
    values = {row.group: (row.value, row.count) for row in figure_rows(found, OPTIONS)}
    assert values == {None: (17 / 4, 4), "": (1.0, 1), "a": (2.0, 1)}


def test_a_row_that_counts_for_nothing_has_no_value_of_its_own() -> None:
    sums = Sums.of([0.0, -2.0], [0.0, 1.0])
    for figure, expected in (("ratio", -2.0), ("perplexity", math.exp(2.0))):
        measure = Measure(name="m", figure=figure, unit="u")  # type: ignore[arg-type]  # a loop over its names
        assert math.isnan(row_values(measure, sums)[0]) and row_values(measure, sums)[1] == expected


SETTINGS = {"protocol": "transformers", "window": 8, "stride": 1, "start": None}


def test_an_impossible_window_of_no_weight_adds_nothing() -> None:
    task = stored_protocol(Fields({"text": "text"}, frozenset()), SETTINGS)

    def window(total: float, weight: float) -> dict[str, Any]:
        stored = {"role": "stretch", "log_likelihood": total, "num_scored": 1, "numbers": {"weight": weight}}
        return {"items": [stored]}

    assert task.values(window(-math.inf, 0.0)) == {"perplexity": (0.0, 0.0)}
    assert task.values(window(-math.inf, 1.0)) == {"perplexity": (-math.inf, 1.0)}


def test_windows_of_no_weight_are_in_no_picture_and_no_list(tmp_path: Path) -> None:
    rows = [{"text": "one two three four five six seven eight nine ten"}]
    run = run_task(tmp_path, "perplexity", rows, protocol="transformers", window=8, stride=1)
    chart = charts_of_run(run).get("perplexities")
    assert chart is not None and run.num_rows > 1
    assert chart.values.tolist() == [chart.figure], "the first window alone has a weight"
    assert len(compare_runs(run.path, run.path, resamples=100).largest) == 1


def test_what_a_later_version_stores_besides_is_left_alone(tmp_path: Path) -> None:
    rows = [{"query": "the cat", "choices": ["sat", "ran off"], "gold": number % 2} for number in range(3)]
    run = run_task(tmp_path, "choices", rows)
    assert run.summary is not None
    figures = [FigureRow.stored(one) for one in run.summary["figures"]]

    def add(summary: dict[str, Any]) -> None:
        for one in (*summary["figures"], *summary["calibration"]):
            one["more"] = 1

    edited(run.path / "summary.json", add)
    found = read_run(run.path)
    assert found.summary is not None and found.summary["figures"][0]["more"] == 1
    assert [FigureRow.stored(one) for one in found.summary["figures"]] == figures
    assert charts_of_run(found)["calibration"] == charts_of_run(run)["calibration"]


def test_the_best_of_a_sweep_is_best_the_measures_way() -> None:
    for better, best in (("higher", "m_0.9"), ("lower", "m_0.1")):
        swept = [
            {"name": f"m_{value}", "value": value, "unit": "u", "better": better, "use": "sweep"}
            for value in (0.1, 0.9)
        ]
        found = _best_swept(swept)
        assert found is not None and found["name"] == best
    assert _best_swept([]) is None
