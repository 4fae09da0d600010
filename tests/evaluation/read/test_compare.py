from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from seqscore import Scorer
from seqscore.errors import InputError, OptionError
from seqscore.evaluation.read.compare import Comparison, compare_runs
from seqscore.evaluation.read.reports import report_of_runs
from seqscore.evaluation.run.run_task import evaluate
from seqscore.output.report.page import report_html
from seqscore.output.report.payload import payload_of
from tests.evaluation.evaluated import OPTIONS, dataset, edited, figures, made, rows_of, run_task, tiny_scorer
from tests.masked_models import masked_model, word_pieces
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

PAIRS: list[Any] = [
    {"good": f"the {a} cat sat {i}", "bad": f"cat {a} the sat {i}"} for i, a in enumerate("abcdefghijkl")
]


def compared(folder: Path, rows: list[Any], **settings: Any) -> tuple[Comparison, Any, Any]:
    data = dataset(folder / "data.jsonl", rows)
    runs = []
    for seed in (0, 1):
        scorer = tiny_scorer() if seed == 0 else Scorer(tiny_model("llama", seed=seed), tiny_tokenizer())
        runs.append(evaluate(scorer, data, made("pairs", data), folder / str(seed), options=OPTIONS))
    return compare_runs(folder / "0", folder / "1", **settings), *runs


def test_runs_whose_tokens_were_given_other_things_are_not_compared(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data.jsonl", PAIRS[:2])
    for name, scorer in (("a", tiny_scorer()), ("b", Scorer(masked_model("bert"), word_pieces()))):
        evaluate(scorer, data, made("pairs", data), tmp_path / name, options=OPTIONS)
    with pytest.raises(OptionError, match="given those before it, in the other all others of its text: their numbers"):
        compare_runs(tmp_path / "a", tmp_path / "b")


def test_two_models_over_the_same_pairs(tmp_path: Path) -> None:
    found, a, b = compared(tmp_path, PAIRS, resamples=200, largest=3)
    assert (found.task, found.num_rows, found.only_a, found.only_b) == ("pairs", 12, 0, 0)
    assert len(found.differs) == 1 and found.differs[0].startswith("model.weights: ")
    by_name = {one.name: one for one in found.measures}
    assert (by_name["accuracy"].a, by_name["accuracy"].b) == (figures(a)["accuracy"], figures(b)["accuracy"])
    margins = [
        [row["items"][0]["log_likelihood"] - row["items"][1]["log_likelihood"] for row in rows_of(run)]
        for run in (a, b)
    ]
    right = [[margin > 0 for margin in one] for one in margins]
    mcnemar = by_name["accuracy"].mcnemar
    assert mcnemar is not None
    only_a = sum(x and not y for x, y in zip(*right, strict=True))
    only_b = sum(y and not x for x, y in zip(*right, strict=True))
    assert (mcnemar.only_a, mcnemar.only_b) == (only_a, only_b)
    if only_a + only_b:
        assert mcnemar.p_value == stats.binomtest(only_a, only_a + only_b).pvalue
    assert by_name["mean_margin"].mcnemar is None
    difference = sum(margins[1]) / 12 - sum(margins[0]) / 12
    assert by_name["mean_margin"].bootstrap.difference == pytest.approx(difference, abs=1e-12)
    gaps = sorted(zip(*margins, range(12), strict=True), key=lambda one: -abs(one[1] - one[0]))[:3]
    assert [(one.a, one.b, one.id) for one in found.largest] == [(x, y, str(i)) for x, y, i in gaps]
    assert found.by == "mean_margin"


def test_a_run_and_itself_do_not_differ(tmp_path: Path) -> None:
    found, _, _ = compared(tmp_path, PAIRS, resamples=200)
    same = compare_runs(tmp_path / "0", tmp_path / "0", resamples=200)
    assert same.differs == ()
    assert all(one.bootstrap.difference == 0 and one.randomisation.p_value == 1 for one in same.measures)
    assert all(one.mcnemar is None or one.mcnemar.p_value == 1 for one in same.measures)
    assert found != same


def test_rows_that_one_run_could_not_score_are_left_out_and_counted(tmp_path: Path) -> None:
    long = {"good": " ".join("word" for _ in range(200)), "bad": "a"}
    data = dataset(tmp_path / "data.jsonl", [*PAIRS[:4], long])
    for name, policies in (("a", {}), ("b", {"long": "error"})):
        options = replace(OPTIONS, policies=policies)  # type: ignore[arg-type]
        evaluate(tiny_scorer(), data, made("pairs", data), tmp_path / name, options=options)
    found = compare_runs(tmp_path / "a", tmp_path / "b", resamples=200)
    assert (found.num_rows, found.only_a, found.only_b) == (4, 1, 0)
    assert all(one.a == one.b for one in found.measures)


def test_runs_that_cannot_be_compared(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    run_task(tmp_path / "a", "pairs", PAIRS[:3])
    run_task(tmp_path / "b", "pairs", PAIRS[:4])
    run_task(tmp_path / "c", "perplexity", [{"text": "a"}])
    with pytest.raises(OptionError, match=r"of different data: file 0: "):
        compare_runs(tmp_path / "a" / "run", tmp_path / "b" / "run")
    with pytest.raises(OptionError, match="differ in their task: pairs and perplexity"):
        compare_runs(tmp_path / "a" / "run", tmp_path / "c" / "run")
    with pytest.raises(InputError, match="is no run"):
        compare_runs(tmp_path / "a", tmp_path / "b")
    edited(tmp_path / "a" / "run" / "manifest.json", lambda manifest: manifest.update(status="running"))
    with pytest.raises(InputError, match="is not complete"):
        compare_runs(tmp_path / "a" / "run", tmp_path / "b" / "run")


def test_one_row_in_common_has_a_difference_and_no_p(tmp_path: Path) -> None:
    long = {"good": " ".join("word" for _ in range(200)), "bad": "a", "UID": "a"}
    data = dataset(tmp_path / "data.jsonl", [PAIRS[0], long])
    for name, policies in (("a", {}), ("b", {"long": "error"})):
        options = replace(OPTIONS, policies=policies)  # type: ignore[arg-type]
        evaluate(tiny_scorer(), data, made("pairs", data), tmp_path / name, options=options)
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    assert (found.num_rows, found.only_a, found.only_b) == (1, 1, 0)
    for one in found.measures:
        assert one.bootstrap.difference == 0.0 and one.bootstrap.interval is None
        assert one.randomisation.p_value is None and not one.randomisation.exact
    report = report_of_runs((tmp_path / "a", tmp_path / "b"))
    assert "One row: neither p nor intervals are defined." in report_html(report)
    with pytest.raises(OptionError, match="seed=-1"):
        compare_runs(tmp_path / "a", tmp_path / "b", seed=-1)


def test_rows_of_one_id_are_matched_in_their_order_and_shown_with_their_numbers(tmp_path: Path) -> None:
    rows = [{**row, "key": "ab"[number % 2]} for number, row in enumerate(PAIRS[:5])] + [{**PAIRS[5], "key": "c"}]
    data = dataset(tmp_path / "data.jsonl", rows, id_column="key")
    runs = []
    for seed in (0, 1):
        scorer = tiny_scorer() if seed == 0 else Scorer(tiny_model("llama", seed=seed), tiny_tokenizer())
        runs.append(evaluate(scorer, data, made("pairs", data), tmp_path / str(seed), options=OPTIONS))
    found = compare_runs(tmp_path / "0", tmp_path / "1", resamples=100, largest=6)
    margins = [
        {row["number"]: row["items"][0]["log_likelihood"] - row["items"][1]["log_likelihood"] for row in rows_of(run)}
        for run in runs
    ]
    names = ["a (row 0)", "b (row 1)", "a (row 2)", "b (row 3)", "a (row 4)", "c"]
    assert {one.id: (one.a, one.b) for one in found.largest} == {
        name: (margins[0][number], margins[1][number]) for number, name in enumerate(names)
    }
    rows_on_page = payload_of(report_of_runs((runs[0].path, runs[1].path)))["rows"]
    assert [row[0] for row in rows_on_page] == names and all(row[6] for row in rows_on_page)
