"""Protocols beside straightforward implementations that run the model themselves, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from seqscore import Pair, Scorer
from seqscore.errors import OptionError
from seqscore.evaluation.tasks.protocol_windows import (
    ProtocolSettings,
    num_words,
    stretches,
    weight_of,
)
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

MODEL = tiny_model("llama", dtype=torch.float64)
START = 1
TOLERANCE = 1e-12  # sums of at most 100 terms of about 5 nats in float64, in another order


def ids_of(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(3, MODEL.config.vocab_size, length)


@torch.no_grad()
def logprobs_of(window: Sequence[int]) -> list[float]:
    """log p of tokens 1 .. n-1 of a window, each given all before it in the window."""
    logits = MODEL(torch.tensor([list(window)])).logits[0].double()
    table = torch.log_softmax(logits, -1)
    return [float(table[i - 1, window[i]]) for i in range(1, len(window))]


def through_scorer(texts: Sequence[np.ndarray], settings: ProtocolSettings) -> float:
    """The tool's average over the stretches; of lm-eval, which divides it by words or bytes, the sum."""
    scorer = Scorer(MODEL, tiny_tokenizer(), engine="reference")
    totals, weighted, weights = [], 0.0, 0.0
    for ids in texts:
        cut = list(stretches(ids, settings))
        scores = scorer.score([Pair(one.context.tolist(), one.targets.tolist()) for one in cut], bos="none")
        totals.append((sum(one.log_likelihood for one in scores), sum(one.num_scored for one in scores)))
        for one, score in zip(cut, scores, strict=True):
            weights += weight_of(one, settings)
            weighted -= score.log_likelihood / score.num_scored * weight_of(one, settings)
    if settings.name == "evaluate":
        return sum(math.exp(-total / count) for total, count in totals) / len(totals)
    return sum(total for total, _ in totals) if settings.name == "lm-eval" else math.exp(weighted / weights)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 16, 17, 31])
def test_lm_eval_rolls_over_disjoint_windows(length: int) -> None:
    """Each window predicts the next ``size`` tokens; the last is aligned to the end and scores what is left."""
    size, ids = 8, ids_of(length)
    total, done = 0.0, 0
    while done < length:
        if done == 0:
            target = ids[:size].tolist()
            read = [START, *target]
            total += sum(logprobs_of(read))
        else:
            target = ids[done : done + size].tolist()
            end = done + len(target)
            read = ids[end - size - 1 : end].tolist()  # size inputs, and the last token as a target alone
            total += sum(logprobs_of(read)[-len(target) :])
        done += len(target)
    found = through_scorer([ids], ProtocolSettings(name="lm-eval", max_length=size, start=START))
    assert found == pytest.approx(total, rel=TOLERANCE)


@torch.no_grad()
def page_of_transformers(ids: np.ndarray, max_length: int, stride: int) -> float:
    """The page's loop: masked labels, and the mean loss over shifted labels, which the models' own takes in float32."""
    total, tokens, previous = 0.0, 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + max_length, len(ids))
        labels = torch.tensor([ids[begin:end].tolist()])
        target_length = end - previous
        masked = labels.clone()
        masked[:, :-target_length] = -100
        logits = MODEL(labels).logits[0]
        loss = float(torch.nn.functional.cross_entropy(logits[:-1], masked[0, 1:], ignore_index=-100))
        valid = int((masked != -100).sum())
        counted = valid - 1  # the page's shift takes one label from the front of every window
        total += loss * counted
        tokens += counted
        previous = end
        if end == len(ids):
            break
    return math.exp(total / tokens)


@pytest.mark.parametrize("length", [8, 11, 40])
@pytest.mark.parametrize("stride", [3, 5, 8])
def test_the_page_of_transformers(length: int, stride: int) -> None:
    ids = ids_of(length, 1)
    settings = ProtocolSettings(name="transformers", max_length=8, start=None, stride=stride)
    assert through_scorer([ids], settings) == pytest.approx(page_of_transformers(ids, 8, stride), rel=TOLERANCE)


@pytest.mark.parametrize("length", [8, 15, 16, 41])
def test_gptq_takes_whole_windows(length: int) -> None:
    ids = ids_of(length, 2)
    windows = ids[: length // 8 * 8].reshape(-1, 8)
    # The papers' code: mean loss of a window times its length, over all positions.
    total = sum(-sum(logprobs_of(row.tolist())) / 7 * 8 for row in windows)
    found = through_scorer([ids], ProtocolSettings(name="gptq", max_length=8, start=None))
    assert found == pytest.approx(math.exp(total / windows.size), rel=TOLERANCE)


@pytest.mark.parametrize("start", [START, None])
@pytest.mark.parametrize("size", [8, 9])
def test_llama_cpp_scores_second_halves(start: int | None, size: int) -> None:
    ids = ids_of(43, 3)
    values = []
    for chunk in range(len(ids) // size):
        window = ids[chunk * size : (chunk + 1) * size].tolist()
        if start is not None:
            window[0] = start
        given = logprobs_of(window)
        values += [-given[target - 1] for target in range(size // 2 + 1, size)]
    found = through_scorer([ids], ProtocolSettings(name="llama.cpp", max_length=size, start=start))
    assert found == pytest.approx(math.exp(sum(values) / len(values)), rel=TOLERANCE)


def test_evaluate_is_the_mean_of_perplexities() -> None:
    texts = [ids_of(5, 4), ids_of(1, 5), ids_of(12, 6)]
    each = [math.exp(-np.mean(logprobs_of([START, *ids.tolist()]))) for ids in texts]
    found = through_scorer(texts, ProtocolSettings(name="evaluate", max_length=64, start=START))
    assert found == pytest.approx(sum(each) / 3, rel=TOLERANCE)


@pytest.mark.parametrize("name", ["gptq", "llama.cpp"])
def test_texts_shorter_than_a_window_are_refused(name: str) -> None:
    settings = ProtocolSettings(name=name, max_length=8, start=None)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"whole windows of 8 tokens .* have 7 tokens together"):
        list(stretches(ids_of(7), settings))


def test_the_given_ids_stay_as_they_are() -> None:
    ids = ids_of(16)
    before = ids.copy()
    list(stretches(ids, ProtocolSettings(name="llama.cpp", max_length=8, start=START)))
    assert (ids == before).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "srilm", "max_length": 8, "start": 1}, "protocol 'srilm' is unknown"),
        ({"name": "gptq", "max_length": 8, "start": 1, "stride": 4}, "'gptq' has none"),
        (
            {"name": "transformers", "max_length": 8, "start": 1, "stride": 9},
            "stride 9 must be at least 1 and at most 8",
        ),
        ({"name": "gptq", "max_length": 1, "start": 1}, "a window of 1 positions scores nothing"),
        ({"name": "lm-eval", "max_length": 8, "start": None}, "this tokenizer has none"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        ProtocolSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "words"), [("a b", 2), (" a b ", 4), ("", 1), ("a\n\nb", 2), ("a", 1)])
def test_words_as_lm_eval_counts_them(text: str, words: int) -> None:
    assert num_words(text) == words
