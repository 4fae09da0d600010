"""The three lessons on tiny models, beside NumPy, mpmath and plain transformers."""

from __future__ import annotations

import json
import math
from collections import Counter
from functools import partial

import mpmath
import numpy as np
import pytest
import torch

from seqscore import Scorer
from seqscore.errors import InputError, OptionError
from seqscore.explain.axes import axes_lesson
from seqscore.explain.example import EXAMPLE_TEXTS
from seqscore.explain.exponential import LOSS_TABLE, ExponentialLesson, exponential_lesson
from seqscore.explain.gradients import gradient_trials
from seqscore.explain.lessons import LESSONS, teach
from seqscore.explain.numbers.float_formats import largest_exponent
from seqscore.explain.product import underflow_lesson
from seqscore.explain.tables import print_underflow, show_lesson
from seqscore.explain.training import train_tiny
from seqscore.files import plain
from tests.masked_models import masked_model, word_pieces
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

TEXT = "The quick brown fox jumps over the lazy dog, and 日本語 follows."


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(tiny_model("llama", dtype=torch.float64), tiny_tokenizer())


@pytest.fixture(scope="module")
def lesson(scorer: Scorer) -> ExponentialLesson:
    return exponential_lesson(scorer, TEXT)


def test_logits_are_the_model_s_own_and_give_the_scores(scorer: Scorer) -> None:
    score = scorer.score(TEXT)
    ids = [tiny_tokenizer().bos_token_id, *score.token_ids.tolist()]
    with torch.no_grad():
        expected = tiny_model("llama", dtype=torch.float64)(input_ids=torch.tensor([ids[:-1]])).logits[0].numpy()
    logits = scorer.logits(TEXT)
    assert logits.dtype == np.float64 and np.array_equal(logits, expected)
    own = torch.log_softmax(torch.from_numpy(logits), -1).numpy()[np.arange(len(logits)), score.token_ids]
    assert np.abs(own - score.logprobs).max() < 1e-12


def test_logits_behind_a_context_and_without_a_start_token(scorer: Scorer) -> None:
    from seqscore import Pair

    whole = scorer.logits(TEXT)
    assert np.array_equal(
        scorer.logits(Pair(TEXT[:9], TEXT[9:])), whole[-len(scorer.logits(Pair(TEXT[:9], TEXT[9:]))) :]
    )
    assert len(scorer.logits(TEXT, bos="none")) == len(whole) - 1
    assert scorer.logits("").shape == (0, whole.shape[1])


def test_logits_of_more_than_one_window_are_refused() -> None:
    short = Scorer(tiny_model("llama"), tiny_tokenizer(), max_length=8)
    with pytest.raises(InputError, match="windows; logits are given for texts of one, of at most 8 tokens"):
        short.logits(TEXT)


def test_the_table_of_losses_and_the_example_by_hand(lesson: ExponentialLesson) -> None:
    assert [p for p, _ in LOSS_TABLE] == [1.0, 0.9, 0.5, 0.1, 0.01]
    assert [round(nats, 3) for _, nats in lesson.losses] == [0.0, 0.105, 0.693, 2.303, 4.605]
    assert all(nats == float(-mpmath.log(p)) for p, nats in lesson.losses)
    assert [z for z, _ in lesson.example] == [2.0, 1.0, 0.1]
    assert [round(p, 3) for _, p in lesson.example] == [0.659, 0.242, 0.099]


def test_the_lesson_s_logits_stand_before_its_least_probable_token(scorer: Scorer, lesson: ExponentialLesson) -> None:
    place = int(np.nanargmin(lesson.score.logprobs))
    assert lesson.place == place and lesson.token_id == lesson.score.token_ids[place]
    assert np.array_equal(lesson.logits, scorer.logits(lesson.score.text or "")[place])
    assert TEXT.startswith(lesson.before) and lesson.score.text == TEXT[: len(lesson.score.text or "")]
    assert len(lesson.score) <= 33


def test_cross_entropy_is_log_softmax_and_negative_log_likelihood(lesson: ExponentialLesson) -> None:
    found = lesson.cross_entropy
    assert found.cross_entropy == pytest.approx(-float(np.nanmean(lesson.score.logprobs)), abs=1e-12)
    assert found.apart <= 1e-12 and found.apart_from_scores <= 1e-12
    assert found.num_tokens == lesson.score.num_scored


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_curve_ends_where_the_exponential_overflows(lesson: ExponentialLesson, dtype: str) -> None:
    curve = next(one for one in lesson.curves if one.dtype == dtype)
    limit, top = largest_exponent(dtype), float(lesson.logits.max())  # type: ignore[arg-type]
    limits = {"float16": 11.0899, "bfloat16": 88.7189, "float32": 88.7228, "float64": 709.7827}
    assert math.isclose(limit, limits[dtype], abs_tol=1e-3)
    assert np.isfinite(curve.stable).all()
    assert curve.fails_from is not None
    # The sum of V powers overflows up to ln V before the greatest power does; a p below the smallest number is 0.
    smallest = {"float16": 24, "bfloat16": 133, "float32": 149, "float64": 1074}[dtype] * math.log(2)
    own = float(lesson.logits[lesson.token_id])
    first = min((limit - math.log(len(lesson.logits))) / top, smallest / (top - own + math.log(len(lesson.logits))))
    first = min(first, smallest / abs(own))
    later = curve.scales[curve.scales > limit / top][0]
    assert first <= curve.fails_from <= later
    exact = np.array(
        [float(torch.log_softmax(torch.from_numpy(lesson.logits * s), -1)[lesson.token_id]) for s in curve.scales]
    )
    scale = np.maximum(1.0, np.abs(curve.scales * np.abs(lesson.logits).max()))
    error = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}[dtype]
    # Rounded logits are off by half a unit, sums by a few more.
    assert (np.abs(curve.stable - exact) <= 8 * error * (scale + np.abs(exact))).all()


def test_gradients_are_softmax_minus_one_hot_and_the_naive_ones_nan() -> None:
    logits = np.random.default_rng(3).normal(size=257) * 4.0
    for one in gradient_trials(logits, 5, (1.0, 20.0, 1000.0)):
        kind = getattr(torch, one.dtype)
        z = [mpmath.mpf(float(v)) for v in torch.from_numpy(logits * one.scale).to(kind).double()]
        top = max(z)
        powers = [mpmath.exp(v - top) for v in z]
        total = mpmath.fsum(powers)
        exact = np.array([float(power / total) - (place == 5) for place, power in enumerate(powers)])
        assert np.abs(one.exact - exact).max() < 1e-14
        unit = float(torch.finfo(kind).eps)
        assert one.stable_error <= 16 * unit, f"{one.dtype} {one.scale}"
        overflows = float(max(z)) > largest_exponent(one.dtype)
        assert (one.num_nan > 0) >= overflows
        assert one.naive_error is None or one.naive_error <= 300 * unit
        if one.scale == 1000.0:
            assert one.num_nan and one.naive_error is None


def test_gradients_leave_no_trace() -> None:
    with torch.no_grad():
        gradient_trials(np.array([1.0, 2.0]), 0, (1.0,))
        assert not torch.is_grad_enabled()


def test_axes_count_the_tokens_and_score_the_texts(scorer: Scorer) -> None:
    texts = ["The cat sat on the mat.", "the the the", "A b c"]
    found = axes_lesson(scorer, texts)
    ids = Counter(token for text in texts for token in scorer.score(text).token_ids.tolist())
    assert dict(zip(found.frequencies.token_ids.tolist(), found.frequencies.counts.tolist(), strict=True)) == ids
    assert found.frequencies.counts.tolist() == sorted(ids.values(), reverse=True)
    assert found.frequencies.expected.sum() == pytest.approx(sum(ids.values()))
    assert found.frequencies.expected[0] == pytest.approx(3 * found.frequencies.expected[2])
    scores = scorer.score(texts)
    assert found.perplexities.tolist() == [one.perplexity for one in scores]
    total = math.fsum(one.log_likelihood for one in scores)
    assert found.perplexity == math.exp(-total / sum(one.num_scored for one in scores))


def test_training_learns_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(7)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    curve = train_tiny(" ".join(EXAMPLE_TEXTS), steps=120)
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
    assert curve.losses[0] == pytest.approx(math.log(256), abs=0.1)
    assert curve.losses[-1] < curve.losses[0] / 100 and len(curve.losses) == 120
    assert curve.num_bytes == 512 and curve.num_parameters > 100_000
    assert np.array_equal(train_tiny(" ".join(EXAMPLE_TEXTS), steps=5).losses, curve.losses[:5])


@pytest.mark.parametrize("name", LESSONS)
def test_every_lesson_is_plain_values(scorer: Scorer, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqscore.explain.axes.train_tiny", partial(train_tiny, steps=5))
    found = teach(name, scorer, [TEXT, "And more."])  # type: ignore[arg-type]
    assert found.name == name
    record = json.loads(json.dumps(plain(found.to_dict()), allow_nan=False))
    assert record["signature"].startswith("seqscore:")


@pytest.mark.parametrize("name", LESSONS)
def test_nothing_to_explain(scorer: Scorer, name: str) -> None:
    with pytest.raises(InputError, match=r"scored token|no text has"):
        teach(name, scorer, [""])  # type: ignore[arg-type]


def test_an_unknown_lesson(scorer: Scorer) -> None:
    with pytest.raises(OptionError, match="expected one of product, exponential, axes"):
        teach("sum", scorer, [TEXT])  # type: ignore[arg-type]


def test_a_masked_model_s_numbers_are_said_to_be_pseudo(capsys: pytest.CaptureFixture[str]) -> None:
    masked = Scorer(masked_model("bert"), word_pieces())
    for name in ("product", "exponential"):
        show_lesson(teach(name, masked, ["the cat sat"]))
        assert "note: each token was given all others of its text: log p is a pseudo-log" in capsys.readouterr().out
    print_underflow(underflow_lesson(masked, "日本 the"))
    shown = capsys.readouterr().out
    assert "exp(log-likelihood / n) = 1 / pseudo-perplexity: " in shown and "unknown token, which may" in shown
    assert "may stand for any text (2)" in shown
