"""Correlations beside SciPy's own, from the exported rows."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from seqscore import Scorer
from seqscore.errors import OptionError
from seqscore.evaluation.read.charts import charts_of_run
from seqscore.evaluation.read.compare import compare_runs
from seqscore.evaluation.read.export import exported
from seqscore.evaluation.read.reports import report_of_runs
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.run_task import evaluate
from seqscore.evaluation.tasks.correlate import fisher_interval, pearson, spearman
from seqscore.evaluation.tasks.registry import make_task
from seqscore.output.report.payload import payload_of
from seqscore.output.run_notes import run_notes
from seqscore.scores.statistics.intervals import Numbers, bootstrap_interval
from seqscore.scores.statistics.paired import paired_bootstrap
from tests.evaluation.evaluated import OPTIONS, dataset, figures, made, run_task, tiny_scorer
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

WORDS = "the cat sat on a mat and then it ran off".split()
ROWS: list[dict[str, Any]] = [
    {"text": " ".join(WORDS[i % 3 : 2 + i]), "rating": round(math.sin(i) * 3 + 4, 2), "set": "ab"[i % 2]}
    for i in range(9)
]


def columns(run: Run) -> tuple[list[float], list[float], list[str | None]]:
    """Log-likelihood per row, the number beside it, and the group, as they are exported."""
    rows = [one.fields for one in exported(run) if "error" not in one.fields]
    return (
        [row["log_likelihood"] for row in rows],
        [row["value"] for row in rows],
        [row["group"] for row in rows],
    )


SCORES = {
    "surprisal": lambda total, count: -total / math.log(2),
    "mean-surprisal": lambda total, count: -total / math.log(2) / count,
    "log-likelihood": lambda total, count: total,
    "perplexity": lambda total, count: math.exp(-total / count),
    "log-perplexity": lambda total, count: -total / count,
}


@pytest.mark.parametrize("score", SCORES)
def test_coefficients_are_those_of_scipy(tmp_path: Path, score: str) -> None:
    run = run_task(tmp_path, "correlate", ROWS, score=score)
    rows = [one.fields for one in exported(run)]
    x = [SCORES[score](row["log_likelihood"], row["num_scored"]) for row in rows]
    y = [row["value"] for row in rows]
    assert y == [row["rating"] for row in ROWS]
    found = figures(run)
    expected = stats.pearsonr(x, y)
    # Both are sums of nine products of float64 numbers, each rounded a few times.
    assert found["pearson"] == pytest.approx(expected.statistic, abs=1e-13)
    assert found["spearman"] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-13)
    assert found["mean_score"] == pytest.approx(np.mean(x), rel=1e-13)
    assert found["mean_value"] == pytest.approx(np.mean(y), rel=1e-13)
    assert run.summary is not None
    row = next(one for one in run.summary["figures"] if one["name"] == "pearson")
    closed, interval = row["closed_interval"], row["interval"]
    fisher = expected.confidence_interval(0.95)
    assert (closed["low"], closed["high"]) == pytest.approx((fisher.low, fisher.high), abs=1e-12)
    assert closed["method"] == "Fisher's z transformation" and "bootstrap" in interval["method"]
    assert interval["low"] < found["pearson"] < interval["high"]
    assert any(line.startswith("pearson: 95% interval by Fisher's z") for line in run_notes(run.summary))


def test_groups_have_their_own(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data.jsonl", ROWS)
    task = make_task("correlate", data.columns, fields={"group": "set"})
    run = evaluate(tiny_scorer(), data, task, tmp_path / "run", options=OPTIONS)
    x, y, groups = (np.array(one) for one in columns(run))
    assert run.summary is not None
    found = {one["group"]: one["value"] for one in run.summary["figures"] if one["name"] == "spearman"}
    assert set(found) == {None, "a", "b"}
    for group in "ab":
        expected = stats.spearmanr(-x[groups == group], y[groups == group]).statistic
        assert found[group] == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("value", [None, float("nan"), "x", "", True, [1], float("inf"), "nan", 10**400, "1,5", "1_0"])
def test_a_row_without_a_number_is_a_row_with_an_error(tmp_path: Path, value: Any) -> None:
    run = run_task(tmp_path, "correlate", [*ROWS, {"text": "a b", "rating": value}, {"text": "a b"}])
    assert run.summary is not None and run.summary["scored"] == len(ROWS)
    assert run.summary["errors"] == {"bad_input": 2}
    messages = [one.fields["error"] for one in exported(run) if "error" in one.fields]
    assert "column 'rating'" in messages[0] and "number" in messages[0], messages


def test_numbers_of_a_text_format(tmp_path: Path) -> None:
    rows = [{**row, "rating": f" {row['rating']} "} for row in ROWS]
    found, same = (run_task(tmp_path / name, "correlate", given) for name, given in (("a", rows), ("b", ROWS)))
    assert figures(found) == figures(same)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS[:2], "2 rows; a correlation needs at least 3"),
        ([{**row, "rating": 3} for row in ROWS], "the value is the same in every row"),
        ([{**row, "text": "the cat"} for row in ROWS], "the score is the same in every row"),
    ],
)
def test_what_is_not_defined_is_null_and_says_why(tmp_path: Path, rows: list[Any], said: str) -> None:
    run = run_task(tmp_path, "correlate", rows)
    assert run.summary is not None
    for one in run.summary["figures"]:
        if one["name"] in ("pearson", "spearman"):
            assert one["value"] is one["interval"] is one["closed_interval"] is None and said in one["reason"]
    assert any(said in line for line in run_notes(run.summary))
    assert "correlation" in charts_of_run(run), "the points are there all the same"


@pytest.mark.filterwarnings("error")
def test_numbers_whose_sum_is_too_large_have_no_mean(tmp_path: Path) -> None:
    rows = [{**row, "rating": 1.7e308 - 1e307 * place} for place, row in enumerate(ROWS)]
    runs = [run_task(tmp_path / name, "correlate", rows) for name in "ab"]
    assert runs[0].summary is not None
    found = {one["name"]: one for one in runs[0].summary["figures"]}
    assert found["mean_value"]["value"] is found["mean_value"]["interval"] is None
    assert found["mean_value"]["reason"] == "the sum is too large for a float64"
    assert found["spearman"]["value"] is not None and found["mean_score"]["reason"] is None
    assert compare_runs(runs[0].path, runs[1].path, resamples=100).num_rows == len(ROWS)


@pytest.mark.filterwarnings("error")
def test_numbers_that_hardly_differ_leak_no_warning(tmp_path: Path) -> None:
    rows = [{**row, "rating": 1e16 + 2 * (place % 2)} for place, row in enumerate(ROWS)]
    assert "pearson" in figures(run_task(tmp_path, "correlate", rows))


def test_an_infinite_perplexity_leaves_ranks(tmp_path: Path) -> None:
    x, y = np.array([1.0, 2.0, math.inf, 3.0]), np.array([1.0, 2.0, 4.0, 3.0])
    assert math.isnan(pearson(x, y)) and spearman(x, y) == pytest.approx(1.0, abs=1e-15)
    measure = make_task("correlate", ["text", "rating"], score="perplexity").measures()[0]
    assert measure.why_undefined is not None
    assert "infinite in 1 row; score='log-perplexity' (--score) is finite unless" in measure.why_undefined(x, y)
    for score in ("log-perplexity", "surprisal"):  # infinite where the text is impossible: no score is finite there
        measure = make_task("correlate", ["text", "rating"], score=score).measures()[0]
        assert measure.why_undefined is not None
        assert measure.why_undefined(x, y) == "the score is infinite in 1 row"


def test_ranks_have_an_interval_where_a_score_is_infinite() -> None:
    x, y = np.array([1.0, 2.0, math.inf, 3.0, 5.0, 4.0, 6.0, 8.0]), np.array([1.0, 2.0, 4.0, 3.0, 9.0, 5.0, 6.0, 7.0])
    found = bootstrap_interval(Numbers((x, y)), spearman, resamples=100)
    same = bootstrap_interval(Numbers((np.where(np.isinf(x), 1e6, x), y)), spearman, resamples=100)
    assert found is not None and found == same, "a rank is a rank"
    assert bootstrap_interval(Numbers((x, y)), pearson, resamples=100) is None
    paired = paired_bootstrap(Numbers((x, y)), Numbers((x, y[::-1])), spearman, resamples=100)
    assert paired.interval is not None
    assert paired_bootstrap(Numbers((x, y)), Numbers((x, y[::-1])), pearson, resamples=100).interval is None


def test_a_sample_without_a_correlation_leaves_no_interval(tmp_path: Path) -> None:
    run = run_task(tmp_path, "correlate", [{"text": t, "rating": r} for t, r in (("a", 1), ("b c", 2), ("d", 4))])
    assert run.summary is not None
    row = run.summary["figures"][0]
    assert row["value"] is not None and row["interval"] is None and "no bootstrap interval" in row["reason"]


def test_functions_take_many_samples_at_once() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 5, 12))
    ranks = [stats.spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)]
    assert spearman(x, y) == pytest.approx(ranks, abs=1e-14)
    assert np.isnan(pearson(x[:, :2], y[:, :2])).all() and np.isnan(spearman(x[:, :2], y[:, :2])).all()
    assert fisher_interval(Numbers((np.arange(5.0), np.arange(5.0))), 0.95) is None, "r is 1"
    assert fisher_interval(Numbers((x[0, :3], y[0, :3])), 0.95) is None


def test_two_runs_are_compared(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data.jsonl", ROWS)
    other = Scorer(tiny_model("gpt2"), tiny_tokenizer())
    task = made("correlate", data)
    runs = [
        evaluate(scorer, data, task, tmp_path / name, options=OPTIONS)
        for name, scorer in (("a", tiny_scorer()), ("b", other))
    ]
    found = compare_runs(tmp_path / "a", tmp_path / "b", resamples=200)
    by_name = {one.name: one for one in found.measures}
    x = [-np.array(columns(run)[0]) / math.log(2) for run in runs]
    y = np.array(columns(runs[0])[1])
    one = by_name["pearson"]
    r = [stats.pearsonr(own, y).statistic for own in x]
    assert (one.a, one.b) == pytest.approx(r, abs=1e-13)
    assert one.bootstrap.difference == pytest.approx(r[1] - r[0], abs=1e-13)
    indices = np.random.default_rng(0).integers(0, len(y), (4000, len(y)))
    drawn = pearson(x[1][indices], y[indices]) - pearson(x[0][indices], y[indices])
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert one.bootstrap.interval is not None
    # Quantiles of 200 draws are off by about 1.4 standard deviations / sqrt(200 * 0.05), three times at most.
    near = 3 * 1.4 * float(np.std(drawn)) / math.sqrt(10)
    assert one.bootstrap.interval.low == pytest.approx(low, abs=near)
    assert one.bootstrap.interval.high == pytest.approx(high, abs=near)
    assert found.by == "mean_score" and one.randomisation.p_value is not None
    report = report_of_runs((tmp_path / "a", tmp_path / "b"))
    assert [column["title"] for column in payload_of(report)["columns"]] == ["score a", "score b", "difference b − a"]


def test_another_column_is_not_compared(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data.jsonl", [{**row, "other": i} for i, row in enumerate(ROWS)])
    for name, column in (("a", "rating"), ("b", "other")):
        task = make_task("correlate", data.columns, fields={"value": column})
        evaluate(tiny_scorer(), data, task, tmp_path / name, options=replace(OPTIONS, resamples=100))
    with pytest.raises(OptionError, match="differ in their fields"):
        compare_runs(tmp_path / "a", tmp_path / "b")
