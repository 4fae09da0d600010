"""Rows as they are looked at, and the charts, beside scores computed apart."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.read.charts import charts_of_run
from seqscore.evaluation.read.compare import compare_runs, paired_values
from seqscore.evaluation.read.drawable import charts_of, rows_named
from seqscore.evaluation.read.measures import task_of_run
from seqscore.evaluation.read.score_files import charts_of_scores, read_scores
from seqscore.evaluation.read.views import view_rows, view_run
from seqscore.evaluation.run.run_folder import read_run
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.run.stored_rows import stored_rows
from tests.evaluation.evaluated import edited, figures, run_task, tiny_scorer

OPTIONS = RunOptions(policies={}, keep="all", part_rows=3, resamples=100)
TEXTS = ["The cat sat on the mat.", "小猫 saß dort", "", "one two three four"]


def test_tokens_of_a_row_are_the_score_s(tmp_path: Path) -> None:
    run = run_task(tmp_path, "perplexity", [{"text": text} for text in TEXTS], OPTIONS)
    for row, score in zip(view_run(run), tiny_scorer().score(TEXTS, extras=("rank", "entropy")), strict=True):
        (item,) = row.items
        assert item.tokens is not None and score.ranks is not None
        for own, theirs in (
            (item.tokens.ids, score.token_ids),
            (item.tokens.starts, score.starts),
            (item.tokens.logprobs, score.logprobs),
            (item.tokens.ranks, score.ranks),
            (item.tokens.entropies, score.entropies),
        ):
            assert own is not None and np.array_equal(own, theirs)
        assert item.perplexity == score.perplexity and item.bits_per_byte == score.bits_per_byte
        assert "".join(piece.text for piece in item.pieces()) == score.text
        assert ("perplexity" in row.values) == (score.num_scored > 0)
    assert [row.id for row in view_run(run, limit=2)] == ["0", "1"]


def test_pieces_behind_a_context_begin_where_the_scored_tokens_do(tmp_path: Path) -> None:
    rows = [{"context": "Der Käse ist ", "continuation": "gut"}, {"context": "猫", "continuation": "が好き"}]
    run = run_task(tmp_path, "perplexity", rows, OPTIONS)
    for row, wanted in zip(view_run(run), ("gut", "が好き"), strict=True):
        (item,) = row.items
        assert "".join(piece.text for piece in item.pieces()) == wanted
        assert (item.context + item.text).endswith(wanted)


def test_alternatives_behind_other_contexts_do_not_part_at_a_token(tmp_path: Path) -> None:
    rows = [{"context_options": ["Ann saw Bob\n", "Ann"], "continuation": "ran away.", "gold": 0}]
    (row,) = view_run(run_task(tmp_path, "choices", rows, OPTIONS))
    first, second = (item.tokens for item in row.items)
    assert first is not None and second is not None and first.ids[0] != second.ids[0], "with and without a space"
    assert [item.parts_at for item in row.items] == [None, None]


def test_ties_have_no_choice(tmp_path: Path) -> None:
    rows = [{"sentence_good": "a b", "sentence_bad": "a b"}, {"sentence_good": "a b c", "sentence_bad": "a b"}]
    same, longer = view_run(run_task(tmp_path, "pairs", rows, OPTIONS))
    assert [item.chosen for item in same.items] == [False, False]
    assert [item.parts_at for item in same.items] == [None, None]
    good, bad = longer.items
    assert good.tokens is not None and bad.tokens is not None
    assert good.parts_at == len(bad.tokens.ids) and bad.parts_at is None, "the shorter one ends where they part"


def test_a_row_with_an_error_has_its_message(tmp_path: Path) -> None:
    run = run_task(tmp_path, "perplexity", [{"text": "a"}, {"text": 3}], OPTIONS)
    _, failed = view_run(run)
    assert failed.error is not None and failed.error.startswith("bad_input: ") and failed.items == ()


def test_charts_are_the_summary_s_figures(tmp_path: Path) -> None:
    rows = [
        {"sentence_good": f"The cats {i} are here.", "sentence_bad": f"The cats {i} is here.", "UID": f"g{i % 2}"}
        for i in range(6)
    ]
    run = run_task(tmp_path, "pairs", rows, OPTIONS)
    charts = charts_of_run(run)
    assert run.summary is not None and "groups" in charts and "margins" in charts
    grouped = [one for one in run.summary["figures"] if one["group"] is not None]
    assert [(bar.group, bar.value, bar.count) for bar in charts["groups"].bars] == [
        (one["group"], one["value"], one["count"]) for one in grouped
    ]
    assert [(bar.low, bar.high) for bar in charts["groups"].bars] == [
        (one["interval"]["low"], one["interval"]["high"]) for one in grouped
    ]
    assert (
        charts["groups"].whole == figures(run)["accuracy"] and charts["margins"].figure == figures(run)["mean_margin"]
    )
    scores = [tiny_scorer().score([row["sentence_good"], row["sentence_bad"]]) for row in rows]
    assert charts["margins"].values.tolist() == [a.log_likelihood - b.log_likelihood for a, b in scores]
    assert "frequencies" in charts
    assert charts["frequencies"].total == sum(one.num_tokens for pair in scores for one in pair)
    assert "perplexities" not in charts and "calibration" not in charts and "scatter" not in charts


def test_choices_have_their_calibration_and_texts_their_perplexities(tmp_path: Path) -> None:
    rows = [{"query": f"{i} is", "choices": ["one", "two", "three"], "gold": i % 3} for i in range(8)]
    run = run_task(tmp_path / "choices", "choices", rows, OPTIONS)
    charts = charts_of_run(run)
    assert run.summary is not None and "calibration" in charts
    assert charts["calibration"].error == figures(run)["calibration_error"]
    assert [one.count for one in charts["calibration"].bins] == [one["count"] for one in run.summary["calibration"]]
    choices = [item for row in view_run(run) for item in row.items if item.role == "choice"]
    assert "frequencies" in charts and len(choices) == 24, "what is scored again without its context counts once"
    assert charts["frequencies"].total == sum(item.num_scored for item in choices)
    run = run_task(tmp_path / "texts", "perplexity", [{"text": text} for text in TEXTS], OPTIONS)
    charts = charts_of_run(run)
    assert "perplexities" in charts and charts["perplexities"].figure == figures(run)["perplexity"]
    expected = [score.perplexity for score in tiny_scorer().score(TEXTS) if score.num_scored]
    assert charts["perplexities"].values.tolist() == pytest.approx(expected, rel=1e-15)


def test_values_that_are_all_infinite_make_no_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_task(tmp_path, "perplexity", [{"text": "a b c"}], OPTIONS)
    monkeypatch.setattr("seqscore.evaluation.read.charts.row_values", lambda measure, sums: np.array([np.inf]))
    assert "perplexities" not in charts_of_run(run)


def test_a_run_that_is_not_complete_has_no_charts(tmp_path: Path) -> None:
    run = run_task(tmp_path, "perplexity", [{"text": "a b"}], OPTIONS)
    edited(run.path / "manifest.json", lambda manifest: manifest.update(status="running"))
    with pytest.raises(InputError, match="is not complete"):
        charts_of_run(read_run(run.path))


def test_paired_values_are_what_compare_finds_largest(tmp_path: Path) -> None:
    rows = [{"text": text} for text in TEXTS]
    a = run_task(tmp_path / "a", "perplexity", rows, OPTIONS)
    b = run_task(tmp_path / "b", "perplexity", rows, RunOptions(policies={"bos": "none"}, resamples=100))
    pair, found = paired_values(a, b), compare_runs(a.path, b.path)
    assert pair.name == found.by and list(pair.ids) == ["0", "1", "3"]
    by_id = {one.id: (one.a, one.b) for one in found.largest}
    assert {row: (x, y) for row, x, y in zip(pair.ids, pair.a.tolist(), pair.b.tolist(), strict=True)} == by_id


@pytest.mark.parametrize("unit", ["nats", "bits"])
def test_a_file_of_scores_is_read_back(tmp_path: Path, unit: str) -> None:
    from seqscore import Pair

    items = [*TEXTS, Pair("Der Käse", " ist gut")]
    scores = tiny_scorer().score(items, extras=("rank", "entropy"))
    lines = [json.dumps({"id": i, **score.to_dict(unit=unit)}) for i, score in enumerate(scores)]  # type: ignore[arg-type]
    lines.append(json.dumps({"id": 9, "error": {"code": "bad_input", "message": "no"}}))
    path = tmp_path / "scores.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    rows = list(read_scores(path))
    for row, score in zip(rows, scores, strict=False):
        (item,) = row.items
        assert item.context + item.text == score.text
        assert item.log_likelihood == pytest.approx(score.log_likelihood, rel=1e-15)
        assert item.tokens is not None
        assert item.tokens.logprobs == pytest.approx(score.logprobs[score.scored], rel=1e-15)
    assert rows[-1].error == "bad_input: no" and len(rows) == 6
    charts = charts_of_scores(iter(rows))
    total = math.fsum(score.log_likelihood for score in scores)
    assert "perplexities" in charts and charts["perplexities"].figure is not None
    expected = math.exp(-total / sum(score.num_scored for score in scores))
    assert charts["perplexities"].figure == pytest.approx(expected, rel=1e-14)
    assert "frequencies" in charts and charts["frequencies"].total == sum(score.num_scored for score in scores)


def test_sources_that_cannot_be_drawn(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(InputError, match="nothing to draw"):
        charts_of(empty)
    with pytest.raises(OptionError, match="must be folders of runs"):
        charts_of(empty, empty)
    run = run_task(tmp_path, "perplexity", [{"text": "a"}, {"text": 3}], OPTIONS)
    with pytest.raises(InputError, match="was not scored: bad_input"):
        rows_named(run.path, ["1"])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("end", 10**9, "offsets of its tokens do not lie in order"),
        ("start", -5, "offsets of its tokens do not lie in order"),
        ("logprob", "NaN", "not at most 0"),
        ("logprob", 5.0, "not at most 0"),
        ("id", 10**30, "no number of a token"),
        ("id", -1, "negative id"),
        ("logprob", [1], "no record of seqscore score"),
        ("logprob", None, "num_scored is"),
    ],
)
def test_a_changed_file_of_scores_is_refused(tmp_path: Path, name: str, value: object, message: str) -> None:
    record = {"id": 0, **tiny_scorer().score("one two").to_dict()}
    record["tokens"][1][name] = value
    path = tmp_path / "scores.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match=f"line 1.*{message}"):
        list(read_scores(path))


@pytest.mark.parametrize(
    ("name", "value"), [("num_scored", 10**30), ("log_likelihood", 3.0), ("text", 5), ("tokens", {})]
)
def test_a_record_that_is_none_is_refused(tmp_path: Path, name: str, value: object) -> None:
    record = {"id": 0, **tiny_scorer().score("one two").to_dict(), name: value}
    path = tmp_path / "scores.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="line 1 is no record of seqscore score"):
        list(read_scores(path))


def test_infinite_perplexities_alone_are_no_chart(tmp_path: Path) -> None:
    record = {"id": 0, **tiny_scorer().score("one two").to_dict()}
    record["tokens"][0]["logprob"] = record["log_likelihood"] = "-Infinity"
    record["perplexity"] = "Infinity"
    path = tmp_path / "scores.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    charts = charts_of(path)
    assert "perplexities" not in charts and "frequencies" in charts


def test_a_damaged_row_of_a_run_is_refused(tmp_path: Path) -> None:
    run = run_task(tmp_path, "perplexity", [{"text": "one two"}], OPTIONS)
    (row,) = stored_rows(run)
    row["items"][0]["starts"] = row["items"][0]["starts"][:-1]
    with pytest.raises(InputError, match="row 0: the lists of its tokens are not equally long"):
        list(view_rows(iter([row]), task_of_run(run)))
