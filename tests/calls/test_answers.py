"""A model that answers otherwise than it was asked is told, of either form, and no token is left without a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from seqscore.errors import ModelError, SeqscoreError
from seqscore.models.base import TextValues
from seqscore.plan.requests import Request, Values
from seqscore.policies import Extra
from tests.models.stand_ins import FarModel, scorer_of
from tests.models.test_base import Server

TEXTS = ["The quick brown fox", "The answer is", "one two"]


def shorter(values: Values) -> Values:
    return values.take(slice(1, None))


def longer(values: Values) -> Values:
    return Values(logprobs=np.append(values.logprobs, -1.0))


def likely(values: Values) -> Values:
    return Values(logprobs=np.where(np.arange(len(values.logprobs)) == 1, 1e-3, values.logprobs))


def one_flag(values: Values) -> Values:
    return replace(values, greedy=np.ones(1, bool))


WRONG: list[tuple[Callable[[Values], Values], str]] = [
    (shorter, r"gave back \d+ logprobs for"),
    (longer, r"gave back \d+ logprobs for"),
    (one_flag, "gave back 1 greedy for"),
    (likely, r"gave back a log-probability of 0.001 nats \(target 1\), expected at most 0"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_values_that_are_no_answer_are_an_error_of_the_item(
    wrong: Callable[[Values], Values], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Far(FarModel):
        def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
            first, *others = super().run(asked, extras=extras)
            return [wrong(first), *others]

    class FarServer(Server):
        def ask(self, text: str) -> TextValues | SeqscoreError:
            told = super().ask(text)
            assert isinstance(told, TextValues)
            return replace(told, values=wrong(told.values)) if text == TEXTS[0] else told

    for make, kind in ((Far, "far"), (FarServer, "server")):
        scorer = scorer_of(monkeypatch, make)
        with pytest.raises(ModelError, match=f"item 0: the {kind} model {said}"):
            scorer.score(TEXTS)
        first, *others = scorer.stream(TEXTS, errors="record")
        assert isinstance(first, ModelError) and not any(isinstance(one, SeqscoreError) for one in others)


def test_rounding_above_zero_is_a_log_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sure(FarModel):
        def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
            return [Values(logprobs=np.full(one.num_targets, 1e-7)) for one in asked]

    assert scorer_of(monkeypatch, Sure).score(TEXTS[0]).log_likelihood == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("num_given", "said"), [(2, "2 results, expected 3"), (4, "4 results, expected 3")])
def test_results_that_belong_to_nobody_are_an_error(num_given: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Miscounts(FarModel):
        def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
            values = super().run(asked, extras=extras)
            return [*values, *values][:num_given]

    class MiscountsTexts(Server):
        def run(self, asked: Sequence[str], *, extras: frozenset[Extra]) -> list[TextValues | SeqscoreError]:
            values = super().run(asked, extras=extras)
            return [*values, *values][:num_given]

    for make, kind in ((Miscounts, "far"), (MiscountsTexts, "server")):
        with pytest.raises(ModelError, match=f"the {kind} model gave back {said}"):
            scorer_of(monkeypatch, make).score(TEXTS)
        with pytest.raises(ModelError, match=f"the {kind} model gave back {said}"):
            list(scorer_of(monkeypatch, make).stream(TEXTS, errors="record"))


@pytest.mark.parametrize(
    ("given", "said"), [(1, "1 batches, expected 2"), (0, "0 batches, expected 1"), (3, "3 batches, expected 2")]
)
def test_a_stream_of_another_length_is_an_error(given: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Streams(FarModel):
        def stream(self, batches: Iterable[Sequence[Request]], *, extras: frozenset[Extra]) -> Iterator[list[Values]]:
            left = iter(batches)
            for _ in range(given):
                yield self.run(next(left, []), extras=extras)

    with pytest.raises(ModelError, match=f"the far model gave back {said}"):
        list(scorer_of(monkeypatch, Streams).stream(TEXTS * 6, errors="record"))
