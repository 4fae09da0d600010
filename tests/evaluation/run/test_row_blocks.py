"""Rows that are scored many at once are the bytes of rows that are scored one by one; with a stand-in for kenlm."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqscore import Scorer
from seqscore.evaluation.data.dataset import open_dataset
from seqscore.evaluation.run import part_writer, run_task
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.tasks.registry import make_task
from seqscore.models.ngram import NgramModel
from tests import stand_in_kenlm
from tests.evaluation.evaluated import files
from tests.ngram_models import write_arpa

TEXTS = (
    "the cat sat on the mat",
    "",
    " \n\t",
    "zzz the zzz",
    "  the\tcat\nsat \v on\f the\r\nmat  ",
    "cat\x00 the <s> a </s> b <unk>",
    "<s>the</s>",
    "the <s> cat </s> sat",
    "the\u00a0cat 我們 看見",
    "القط جلس",
)

OPTIONS = RunOptions(policies={"eos": "scored"}, keep="scores", part_rows=4, resamples=100)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scorer]:
    folder = tmp_path_factory.mktemp("ngram")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "kenlm", stand_in_kenlm.module())
        patch.setenv("SEQSCORE_CACHE", str(folder / "cache"))
        yield Scorer.from_pretrained(write_arpa(folder / "small.arpa"))


def evaluated(scorer: Scorer, data: Path, out: Path, name: str = "filter", **options: Any) -> Run:
    dataset = open_dataset([str(data)])
    task = make_task(name, dataset.columns)
    return run_task.evaluate(scorer, dataset, task, out, options=replace(OPTIONS, **options))


def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NgramModel, "gives_totals", False)


@pytest.mark.parametrize("policies", [{}, {"eos": "scored"}])
def test_totals_are_those_of_the_scores(scorer: Scorer, policies: dict[str, Any]) -> None:
    found, scores = scorer.totals(TEXTS, **policies), scorer.score(TEXTS, **policies)
    assert found is not None and len(found) == len(TEXTS)
    assert found.log_likelihoods.tolist() == [one.log_likelihood for one in scores], "the same bits"
    assert found.num_scored.tolist() == [one.num_scored for one in scores]
    assert found.num_unknown.tolist() == [one.num_unknown for one in scores]
    assert found.num_bytes.tolist() == [one.num_bytes_scored for one in scores]
    assert {found.start_token} == {one.start_token for one in scores}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(alphabet=" \n\tthecat<s>/unk\0\x85我", max_size=12), min_size=1, max_size=4))
def test_any_text_has_the_totals_of_its_score(scorer: Scorer, texts: list[str]) -> None:
    found, scores = scorer.totals(texts), scorer.score(texts)
    assert found is not None
    assert found.log_likelihoods.tolist() == [one.log_likelihood for one in scores]
    assert found.num_unknown.tolist() == [one.num_unknown for one in scores]
    assert found.num_bytes.tolist() == [one.num_bytes_scored for one in scores]


@pytest.mark.parametrize(
    "policies",
    [{"bos": "none"}, {"bos": "</s>"}, {"special_tokens": "parse"}, {"eos": "<unk>"}],
    ids=lambda one: "-".join(one),
)
def test_what_totals_do_not_know_is_left_to_scores(scorer: Scorer, policies: dict[str, Any]) -> None:
    scorer.score("the cat")
    assert scorer.totals(["the cat"], **policies) is None
    assert scorer.totals(["the cat", "\ud800"]) is None
    assert scorer.totals([]) is not None


@pytest.mark.parametrize(("name", "policies"), [("filter", {"eos": "scored"}), ("perplexity", {})])
def test_a_run_has_the_bytes_of_rows_one_by_one(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, policies: Any
) -> None:
    data = tmp_path / "texts.jsonl"
    rows = [{"text": text, "id": f"ü{place}", "other": [place]} for place, text in enumerate(TEXTS)]
    broken = ["nothing", json.dumps({"text": None}), json.dumps({"text": "\ud800"})]
    data.write_text("\n".join([*map(json.dumps, rows), *broken, json.dumps({"text": "the mat"})]) + "\n")
    quick = evaluated(scorer, data, tmp_path / "quick", name, policies=policies)
    monkeypatch.setattr(part_writer, "GROUP_ROWS", 2)
    monkeypatch.setattr(run_task, "GROUP_ROWS", 2)
    small = evaluated(scorer, data, tmp_path / "small", name, policies=policies)
    one_by_one(monkeypatch)
    slow_small = evaluated(scorer, data, tmp_path / "slow small", name, policies=policies)
    monkeypatch.undo()
    one_by_one(monkeypatch)
    slow = evaluated(scorer, data, tmp_path / "slow", name, policies=policies)
    assert quick.num_parts == 4 and quick.summary is not None
    assert files(quick.path) == files(slow.path)
    assert files(small.path) == files(slow_small.path) != files(slow.path)
    assert (quick.summary["rows"], quick.summary["scored"]) == (14, 11)


def test_a_run_that_was_cut_off_goes_on_to_the_same_bytes(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "texts.txt"
    data.write_text("the cat\na dog\n" * 5, encoding="utf-8")
    whole = evaluated(scorer, data, tmp_path / "whole")
    calls: list[int] = []
    totals = NgramModel.totals

    def failing(self: NgramModel, texts: Any, **around: Any) -> Any:
        calls.append(len(texts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return totals(self, texts, **around)

    monkeypatch.setattr(NgramModel, "totals", failing)
    with pytest.raises(KeyboardInterrupt):
        evaluated(scorer, data, tmp_path / "cut")
    reports: list[Any] = []
    dataset = open_dataset([str(data)])
    task = make_task("filter", dataset.columns)
    again = run_task.evaluate(scorer, dataset, task, tmp_path / "cut", options=OPTIONS, report=reports.append)
    assert files(again.path) == files(whole.path)
    assert calls == [4, 4, 4, 2] and [one.rows for one in reports] == [4, 8, 10]
    assert (reports[-1].tokens, reports[-1].row, reports[-1].resumed) == (18, "9", 4)
