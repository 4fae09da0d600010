"""Tasks end to end on a tiny model, beside transformers itself in float64."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jiwer
import pytest

from seqscore import Chat, Scorer
from seqscore.errors import OptionError
from seqscore.evaluation.read.views import view_run
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.run.run_task import evaluate
from seqscore.evaluation.tasks.nbest import word_errors
from seqscore.evaluation.tasks.perplexity import NO_GREEDY
from seqscore.evaluation.tasks.rows import joined
from seqscore.output.run_notes import run_notes
from seqscore.scores.sequence_score import SequenceScore
from tests.evaluation.evaluated import OPTIONS, dataset, figures, log_likelihood, made, rows_of, run_task
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

# Float32 against float64: at most 30 tokens, each off by at most about 5e-6 nat on this model.
CLOSE = 2e-4

TEXTS = ["The cat sat on the mat.", "A b c", "Über  alles\tist Ruh", "one two three four five six seven"]


def test_perplexity_of_a_corpus(tmp_path: Path) -> None:
    run = run_task(tmp_path, "perplexity", [{"text": text} for text in [*TEXTS, ""]])
    own = [log_likelihood(text) for text in TEXTS]
    total, tokens = sum(one[0] for one in own), sum(one[1] for one in own)
    size, words = (sum(count) for count in zip(*((len(t.encode()), len(t.split())) for t in TEXTS), strict=True))
    found = figures(run)
    assert found["perplexity"] == pytest.approx(math.exp(-total / tokens), rel=CLOSE)
    assert found["word_perplexity"] == pytest.approx(math.exp(-total / words), rel=CLOSE)
    assert found["byte_perplexity"] == pytest.approx(math.exp(-total / size), rel=CLOSE)
    assert found["bits_per_byte"] == pytest.approx(-total / size / math.log(2), rel=CLOSE)
    assert found["mean_perplexity"] == pytest.approx(sum(math.exp(-a / n) for a, n in own) / 4, rel=CLOSE)
    assert run.summary is not None and run.summary["rows"] == run.summary["scored"] == 5
    assert {one["count"] for one in run.summary["figures"]} == {4}, "of an empty text nothing is scored"


def test_continuations(tmp_path: Path) -> None:
    rows = [("The cat sat on", "the mat."), ("A b\n", "c"), ("one two", " three")]
    run = run_task(tmp_path, "perplexity", [{"context": a, "continuation": b} for a, b in rows])
    joins = [("The cat sat on", " the mat."), ("A b\n", "c"), ("one two", " three")]
    own = [log_likelihood(b, a) for a, b in joins]
    found = figures(run)
    assert found["item_perplexity"] == pytest.approx(math.exp(-sum(a for a, _ in own) / 3), rel=CLOSE)
    assert [row["items"][0]["num_scored"] for row in rows_of(run)] == [n for _, n in own]
    assert found["accuracy"] == sum(row["items"][0]["is_greedy"] for row in rows_of(run)) / 3


def test_a_model_that_does_not_say_what_is_greedy_has_no_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"context": "the cat", "target": " sat"}, {"context": "the dog", "target": " is"}]
    whole = figures(run_task(tmp_path, "perplexity", rows))
    (tmp_path / "without").mkdir()
    monkeypatch.setattr(SequenceScore, "is_greedy", None)
    run = run_task(tmp_path / "without", "perplexity", rows)
    assert whole["accuracy"] is not None and figures(run) == {**whole, "accuracy": None}
    assert run.summary is not None
    assert run.summary["left_out"] == [{"figure": "accuracy", "rows": 2, "reason": NO_GREEDY}]


def test_conversations_are_scored_turn_by_turn(tmp_path: Path) -> None:
    talk = [("user", "What?"), ("assistant", "The fox"), ("user", "Who?"), ("assistant", "The quick fox")]
    messages = [{"role": role, "content": content} for role, content in talk]
    rows = [
        {"messages": messages, "topic": "fox"},
        {"messages": messages[:2]},
        {"messages": messages[:1]},
        {"messages": "x"},
        {"messages": []},
    ]
    data = dataset(tmp_path / "data.jsonl", rows)
    scorer = Scorer(tiny_model("llama"), tiny_tokenizer(chat=True))
    run = evaluate(scorer, data, made("perplexity", data), tmp_path / "run", options=OPTIONS)
    long, short, *bad = rows_of(run)
    own = [scorer.score(Chat(one)) for one in (messages, messages[:2])]
    totals = [sum(turn.log_likelihood or 0 for turn in one.turns()) for one in own]
    assert [len(one.turns()) for one in own] == [2, 1] and totals[0] < totals[1] < 0
    for row, total, score in zip((long, short), totals, own, strict=True):
        (item,) = row["items"]
        assert item["log_likelihood"] == pytest.approx(total, rel=1e-12)
        assert item["num_bytes_scored"] == item["numbers"]["num_bytes"] and item["num_scored"] == score.num_scored
    assert (
        long["items"][0]["numbers"]["num_words"] == 5 and "messages" in long["columns"] and "topic" in long["columns"]
    )
    said = ["no message of the assistant", "is a text; expected messages with a role", "is empty; expected messages"]
    assert all(one in row["error_message"] for one, row in zip(said, bad, strict=True))
    found, scored = figures(run), sum(one.num_scored for one in own)
    assert found["perplexity"] == pytest.approx(math.exp(-sum(totals) / scored))
    assert found["item_perplexity"] == pytest.approx(math.exp(-sum(totals) / 2)) and "accuracy" in found
    assert found["word_perplexity"] == pytest.approx(math.exp(-sum(totals) / 7))
    assert [len(list(item.pieces())) for row in view_run(run) for item in row.items] == [one.num_scored for one in own]
    with pytest.raises(OptionError, match="the chat template says what stands between messages"):
        made("perplexity", data, delimiter=" ")
    (tmp_path / "texts").mkdir()
    named = run_task(tmp_path / "texts", "perplexity", [{"text": "a"}, {"text": messages}])
    said = 'name it: --field messages=text, in Python fields={"messages": "text"}'
    assert said in rows_of(named)[1]["error_message"]


def test_pairs_hits_ties_and_groups(tmp_path: Path) -> None:
    twins = [("The cat sat.", "The cat sit.", "a"), ("same", "same", "a"), ("b c d", "d c b", "b"), ("x y", "y x", "b")]
    run = run_task(tmp_path, "pairs", [{"good": g, "bad": b, "UID": u} for g, b, u in twins])
    own = [(log_likelihood(g), log_likelihood(b)) for g, b, _ in twins]
    hits = [good[0] > bad[0] for good, bad in own]
    found = figures(run)
    assert found["accuracy"] == sum(hits) / 4 and not hits[1]
    assert found["ties"] == 1 / 4
    assert found["accuracy_per_token"] == sum(g[0] / g[1] > b[0] / b[1] for g, b in own) / 4
    assert found["mean_margin"] == pytest.approx(sum(g[0] - b[0] for g, b in own) / 4, abs=CLOSE)
    assert run.summary is not None
    groups = {one["group"]: one for one in run.summary["figures"] if one["group"] is not None}
    assert {name: one["value"] for name, one in groups.items()} == {"a": hits[0] / 2, "b": (hits[2] + hits[3]) / 2}
    assert all(one["interval"]["method"] == "wilson" for one in groups.values())


def test_pairs_behind_a_delimiter_as_lm_eval_sends_them(tmp_path: Path) -> None:
    run = run_task(
        tmp_path,
        "pairs",
        [{"good": "The cat", "bad": "Cat the"}],
        RunOptions(policies={"bos": "lm-eval"}, resamples=100),
        delimiter=" ",
    )
    assert [item["log_likelihood"] for item in rows_of(run)[0]["items"]] == pytest.approx(
        [log_likelihood(" The cat")[0], log_likelihood(" Cat the")[0]], abs=CLOSE
    )


QUESTIONS = [
    ("Q: what is red?", ["a rose", "the sky is red too", "ü"], 1),
    ("Q: what is blue?", ["a rose", "the sky", "the deep blue sea at night"], 0),
    ("Q: how many?", ["one", "two hundred and three", "four"], 2),
]


def expected_choices(prefix: str = "", domain: str | None = None) -> dict[str, float]:
    hits: dict[str, list[bool]] = {}
    for query, choices, gold in QUESTIONS:
        own = [log_likelihood(" " + choice, prefix + query) for choice in choices]
        alone = [log_likelihood(" " + choice)[0] for choice in choices]
        scores = {
            "accuracy": [a for a, _ in own],
            "accuracy_per_token": [a / n for a, n in own],
            "accuracy_per_char": [a / len(c) for (a, _), c in zip(own, choices, strict=True)],
            "accuracy_per_byte": [a / len(c.encode()) for (a, _), c in zip(own, choices, strict=True)],
            "accuracy_pmi": [a - b for (a, _), b in zip(own, alone, strict=True)],
        }
        if domain is not None:
            given = [log_likelihood(" " + choice, domain)[0] for choice in choices]
            scores["accuracy_domain_pmi"] = [a - b for (a, _), b in zip(own, given, strict=True)]
        for name, values in scores.items():
            hits.setdefault(name, []).append(values.index(max(values)) == gold)
    return {name: sum(one) / 3 for name, one in hits.items()}


@pytest.mark.parametrize(("prefix", "domain"), [("", None), ("Q: a? b\n", "Answer:")])
def test_choices_by_every_score(tmp_path: Path, prefix: str, domain: str | None) -> None:
    rows = [{"query": q, "choices": c, "gold": g} for q, c, g in QUESTIONS]
    run = run_task(tmp_path, "choices", rows, prefix=prefix, domain_context=domain)
    found = figures(run)
    expected = expected_choices(prefix, domain)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert ("accuracy_domain_pmi" in found) == (domain is not None)
    briers, confidences, rights = [], [], []
    for query, choices, gold in QUESTIONS:
        weights = [math.exp(log_likelihood(" " + choice, prefix + query)[0]) for choice in choices]
        briers.append(sum((w / sum(weights) - (i == gold)) ** 2 for i, w in enumerate(weights)))
        confidences.append(max(weights) / sum(weights))
        rights.append(weights.index(max(weights)) == gold)
    assert found["brier"] == pytest.approx(sum(briers) / 3, abs=CLOSE)
    assert found["confidence"] == pytest.approx(sum(confidences) / 3, abs=CLOSE)
    gaps = [0.0] * 10
    for confidence, right in zip(confidences, rights, strict=True):
        gaps[math.ceil(confidence * 10) - 1] += right - confidence
    assert found["calibration_error"] == pytest.approx(sum(map(abs, gaps)) / 3, abs=CLOSE)
    assert run.summary is not None and sum(one["count"] for one in run.summary["calibration"]) == 3


def test_equal_choices_are_a_tie_and_no_hit(tmp_path: Path) -> None:
    run = run_task(tmp_path, "choices", [{"query": "q", "choices": ["same", "same"], "gold": 0}])
    found = figures(run)
    assert found["accuracy"] == 0.0 and found["ties"] == 1.0


def test_several_contexts_before_one_continuation(tmp_path: Path) -> None:
    rows = [("The cat", "The dog", "sat down.", 0), ("A b", "c d e f", "g", 1)]
    run = run_task(
        tmp_path, "choices", [{"context_options": [a, b], "continuation": t, "gold": g} for a, b, t, g in rows]
    )
    hits = []
    for a, b, text, gold in rows:
        own = [log_likelihood(" " + text, context)[0] for context in (a, b)]
        hits.append(own.index(max(own)) == gold)
    found = figures(run)
    assert found["accuracy"] == sum(hits) / 2
    assert set(found) == {"accuracy", "ties", "brier", "confidence", "calibration_error"}


LISTS: list[dict[str, Any]] = [
    {"reference": "a b c d", "hypotheses": ["a x c d", "a b c d", "a b c"], "scores": [-1.0, -2.0, -30.0]},
    {"reference": "e f", "hypotheses": ["e", "e f g h", "h h"], "scores": [-3.0, -2.5, -2.6]},
]


@pytest.mark.parametrize("weight", [0.0, 0.35, 2.0])
def test_nbest(tmp_path: Path, weight: float) -> None:
    run = run_task(tmp_path, "nbest", LISTS, lm_weight=weight)
    before = after = model = oracle = 0
    for row in LISTS:
        errors = [jiwer.process_words(row["reference"], h) for h in row["hypotheses"]]
        wrong = [e.substitutions + e.deletions + e.insertions for e in errors]
        own = [log_likelihood(h)[0] for h in row["hypotheses"]]
        both = [a + weight * b for a, b in zip(row["scores"], own, strict=True)]
        before += wrong[row["scores"].index(max(row["scores"]))]
        after += wrong[both.index(max(both))]
        model += wrong[own.index(max(own))]
        oracle += min(wrong)
    found = figures(run)
    assert found["wer_before"] == before / 6
    assert found["wer_after"] == after / 6
    assert found["wer_model_alone"] == model / 6
    assert found["wer_oracle"] == oracle / 6 == 1 / 6
    assert found["wer_at_0.00"] == before / 6
    assert found.get(f"wer_at_{weight:.2f}") == after / 6


@pytest.mark.parametrize("weight", [0.34, 0.36])
def test_a_weight_counts_as_it_is(tmp_path: Path, weight: float) -> None:
    """The first pass prefers one hypothesis and the model the other: at a weight of 0.35 they are level."""
    better, worse = sorted(("the cat sat", "cat the sat"), key=lambda text: -log_likelihood(text)[0])
    gap = log_likelihood(better)[0] - log_likelihood(worse)[0]
    row = {"reference": better, "hypotheses": [worse, better], "scores": [0.35 * gap, 0.0]}
    found = figures(run_task(tmp_path, "nbest", [row], lm_weight=weight))
    assert (found["wer_after"] == 0.0) == (weight > 0.35)


def test_nbest_without_first_pass_scores(tmp_path: Path) -> None:
    rows = [{name: row[name] for name in ("reference", "hypotheses")} for row in LISTS]
    found = figures(run_task(tmp_path, "nbest", rows))
    assert found["wer_before"] == (1 + 1) / 6, "lists are in their order before"
    assert found["wer_after"] == found["wer_model_alone"]
    assert not any(name.startswith("wer_at") for name in found)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [("a b", "a b", 0), ("a b", "", 2), ("a b", "b", 1), ("a", "b c", 2), (" a  b ", "a\tb", 0), ("A", "a", 1)],
)
def test_word_errors(reference: str, hypothesis: str, errors: int) -> None:
    assert word_errors(reference, hypothesis) == errors


def test_an_alternative_of_which_nothing_is_scored_does_not_win(tmp_path: Path) -> None:
    """Behind nothing the first token has no probability, and the sum over none is 0, above all others."""
    many = "the cat sat"
    rows: dict[Any, list[dict[str, Any]]] = {
        "pairs": [{"good": "a", "bad": many}, {"good": many, "bad": many}],
        "nbest": [{"reference": "a", "hypotheses": [many, "a"]}, {"reference": "a", "hypotheses": [many, many]}],
        "choices": [
            {"query": "", "choices": [many, "a"], "gold": 0},
            {"query": "the", "choices": [f" {many}", " a"], "gold": 0},
        ],
    }
    options = replace(OPTIONS, policies={"bos": "none"})
    for name, given in rows.items():
        settings = {"unconditional": False, "delimiter": ""} if name == "choices" else {}
        run = run_task(tmp_path / name, name, given, options, **settings)
        unscored, good = rows_of(run)
        role = {"pairs": "good", "nbest": "hypothesis 2", "choices": "choice 2"}[name]
        assert unscored["error_code"] == "bad_input"
        assert unscored["error_message"].startswith(f"{role}: nothing ")  # is scored, or stands before it
        assert good["error_code"] is None and run.summary["scored"] == 1, name


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("pairs", {"good": "a", "bad": None}, "column 'bad' is null; the row has no text there"),
        ("pairs", {"good": "a"}, "has no column 'bad'"),
        ("pairs", {"good": ["a"], "bad": "b"}, "column 'good' is a list; expected text"),
        ("choices", {"query": "q", "choices": ["a"], "gold": 0}, "1 choices; expected at least 2"),
        ("choices", {"query": "q", "choices": ["a", "b"], "gold": 3}, "expected a number from 0 to 1"),
        ("choices", {"query": 3, "choices": ["a", "b"], "gold": 1}, "column 'query' is a number; expected text"),
        ("nbest", {"reference": " ", "hypotheses": ["a"], "scores": [0]}, "the reference has no word"),
        ("nbest", {"reference": "a", "hypotheses": [], "scores": []}, "list of at least one text"),
        ("nbest", {"reference": "a", "hypotheses": ["a"], "scores": [0, 1]}, "must hold 1 numbers"),
        ("nbest", {"reference": "a", "hypotheses": ["a"], "scores": [None]}, "must hold 1 numbers"),
        ("nbest", {"reference": "a", "hypotheses": ["a"], "scores": [10**400]}, "must hold 1 numbers"),
        ("nbest", {"reference": "a", "hypotheses": ["a"], "scores": [True]}, "must hold 1 numbers"),
        ("nbest", {"reference": "a", "hypotheses": ["a"], "scores": ["1_0"]}, "must hold 1 numbers"),
    ],
)
def test_rows_that_do_not_fit_are_recorded(tmp_path: Path, name: Any, row: dict[str, Any], said: str) -> None:
    good = {
        "pairs": {"good": "a", "bad": "b"},
        "choices": {"query": "q", "choices": ["a", "b"], "gold": 0},
        "nbest": {"reference": "a", "hypotheses": ["a"], "scores": [0]},
    }[name]
    run = run_task(tmp_path, name, [good, row, good])
    first, bad, last = rows_of(run)
    assert (
        bad["error_code"] in ("bad_input", "no_text")
        and said in bad["error_message"]
        and "line 2" in bad["error_message"]
    )
    assert first["items"] == last["items"] and first["error_code"] is None
    assert run.summary is not None and run.summary["errors"] == {bad["error_code"]: 1} and run.summary["scored"] == 2


@pytest.mark.parametrize(
    ("context", "text", "delimiter", "expected"),
    [
        *(("a", "b", "auto", " b"), ("a ", "b", "auto", "b"), ("", "b", "auto", "b"), ("a", " b", "auto", " b")),
        *(("a\n", "b", "auto", "b"), ("", "b", " ", " b"), ("a", "b", "", "b")),
    ],
)
def test_delimiters(context: str, text: str, delimiter: str, expected: str) -> None:
    assert joined(context, text, delimiter).resolved().continuation == expected


def test_delimiters_that_were_taken_are_counted(tmp_path: Path) -> None:
    rows = [{"context": a, "continuation": b} for a, b in (("one", "two"), ("one", "three"), ("今日は", "晴れ"))]
    run = run_task(tmp_path, "perplexity", rows)
    assert [row["items"][0]["delimiter"] for row in rows_of(run)] == [" ", " ", ""]
    assert run.summary is not None and run.summary["delimiters"] == {"": 1, " ": 2}
    assert run_notes(run.summary) == ["delimiters: ' ' 2, '' 1"]
    (tmp_path / "choices").mkdir()
    question = {"query": "one", "choices": ["two", "three"], "gold": 0}
    run = run_task(tmp_path / "choices", "choices", [question], domain_context="so")
    assert run.summary is not None and (run.summary["delimiters"], run_notes(run.summary)) == ({" ": 6}, [])
    (tmp_path / "texts").mkdir()
    texts = run_task(tmp_path / "texts", "perplexity", [{"text": "one"}]).summary
    assert texts is not None and texts["delimiters"] == {}


def test_a_delimiter_with_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="must be 'auto', empty, or white space"):
        run_task(tmp_path, "pairs", [{"good": "a", "bad": "b"}], OPTIONS, delimiter=" x")


@pytest.mark.parametrize("task", ["perplexity", "filter"])
def test_texts_of_which_nothing_is_scored_are_counted(tmp_path: Path, task: str) -> None:
    run = run_task(tmp_path, task, [{"text": "a b"}, {"text": ""}, {"text": "c"}])
    assert run.summary is not None and run.summary["scored"] == 3
    (told,) = run.summary["left_out"]
    assert (told["figure"], told["rows"]) == ("perplexity", 1) and "it is empty" in told["reason"]
