"""Masses of subsets of the vocabulary against brute force over whole rows of probabilities, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqscore.engine.head.by_rows import target_values
from seqscore.engine.head.by_words import TILE_WORDS, tiled_values
from seqscore.engine.head.masses import asked_of
from seqscore.engine.resolve import ENGINES, resolve_engine
from seqscore.models.architecture.adapter import Head, adapt
from seqscore.plan.requests import Request, Subset, common_subsets
from tests.tiny_models import VOCABULARY, tiny_model

LARGE = Subset(np.arange(1, VOCABULARY, 2))
SMALL = Subset(np.array([0, 7, VOCABULARY - 1]))
ONE = Subset(np.array([5]))
MOST = Subset(np.delete(np.arange(VOCABULARY), [3, 9, 40]), peak=False)


def requests() -> list[Request]:
    """Some share prefixes, rows and subsets; some ask for several subsets, some for none."""
    generator = np.random.default_rng(2)
    stem = generator.integers(3, VOCABULARY, size=20)
    made = []
    for i, length in enumerate((2, 9, 16, 17, 33, 40)):
        ids = np.concatenate([stem[: length // 2], generator.integers(3, VOCABULARY, size=length - length // 2)])
        first = 1 if i % 2 else max(1, length // 2)
        numbers = generator.integers(-1, 4, size=length - first)
        made.append(Request(ids, first, (SMALL, ONE, LARGE, MOST)[:: 1 if i % 3 else -1], numbers))
        made.append(Request(ids, first))
    return made


def brute_force(model: torch.nn.Module, request: Request) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Masses and peaks by plain transformers: probabilities of all words, added up."""
    with torch.no_grad():
        logits = model(input_ids=torch.from_numpy(request.inputs)[None]).logits[0].double()
    probabilities = logits.softmax(-1).numpy()[request.first_target - 1 :]
    masses, peaks = np.full(request.num_targets, np.nan), np.full(request.num_targets, np.nan)
    for place, number in enumerate([] if request.subset_of is None else request.subset_of.tolist()):
        if number >= 0:
            chosen = probabilities[place, request.subsets[number].ids]
            masses[place] = math.log(math.fsum(chosen))
            peaks[place] = math.log(chosen.max()) if request.subsets[number].peak else np.nan
    return masses, peaks


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_every_engine_sums_over_subsets(engine: str) -> None:
    model = tiny_model("llama", dtype=torch.float64)
    asked = requests()
    runner = resolve_engine(engine, adapt(model), batch_tokens=32)
    for request, values, plain in zip(
        asked,
        runner.run(asked, extras=frozenset({"rank", "entropy"})),
        runner.run([Request(one.ids, one.first_target) for one in asked], extras=frozenset()),
        strict=True,
    ):
        masses, peaks = brute_force(model, request)
        assert plain.masses is None and plain.peaks is None
        if request.subset_of is None:
            assert values.masses is None or np.isnan(values.masses).all()
            continue
        assert values.masses is not None and values.peaks is not None
        np.testing.assert_allclose(values.masses, masses, rtol=0, atol=1e-12)
        np.testing.assert_allclose(values.peaks, peaks, rtol=0, atol=1e-12)
        np.testing.assert_allclose(values.logprobs, plain.logprobs, rtol=0, atol=1e-12)


def test_masses_have_the_same_bits_in_any_company() -> None:
    adapter = adapt(tiny_model("llama"))
    asked = requests()
    together = resolve_engine("packed", adapter, batch_tokens=512).run(asked, extras=frozenset())
    for order, budget in ((range(len(asked)), 16), (range(len(asked) - 1, -1, -1), 64)):
        engine = resolve_engine("packed", adapter, batch_tokens=budget)
        for index in order:
            (alone,) = engine.run([asked[index]], extras=frozenset())
            if asked[index].subset_of is not None:
                assert alone.masses is not None and together[index].masses is not None
                assert alone.masses.tobytes() == together[index].masses.tobytes()


@pytest.mark.parametrize("words", [1, TILE_WORDS - 1, TILE_WORDS, TILE_WORDS + 1, 2 * TILE_WORDS + 7])
def test_subsets_across_tiles(words: int) -> None:
    generator = torch.Generator().manual_seed(words)
    hidden = torch.randn(3, 16, generator=generator, dtype=torch.float64)
    head = Head(torch.randn(words, 16, generator=generator, dtype=torch.float64) * 3, None, 1.0, None)
    some = np.unique([0, words // 2, words - 1])
    subsets = (Subset(np.arange(words)), Subset(np.array([words - 1])), Subset(some), Subset(some, peak=False))
    rows, targets = np.array([0, 0, 1, 2, 2, 2, 0]), np.array([0, words - 1, 0, 0, 0, 0, 0])
    numbers = np.array([0, 1, 2, -1, 2, 3, 3])
    asked = asked_of(subsets, numbers, torch.device("cpu"))
    logprobs = head.logits(hidden).log_softmax(-1)[rows].numpy()
    tolerance = 64 * 2.0**-52 * (float(head.logits(hidden).abs().max()) + math.log(words))
    tiled = tiled_values(hidden, head, rows, targets, extras=frozenset(), asked=asked)
    whole = target_values(hidden[rows], head, torch.from_numpy(targets), extras=frozenset(), asked=asked)
    for values in (tiled, whole):
        assert values.masses is not None and values.peaks is not None
        for place, number in enumerate(numbers.tolist()):
            if number < 0:
                assert math.isnan(values.masses[place]) and math.isnan(values.peaks[place])
                continue
            chosen = logprobs[place, subsets[number].ids]
            assert values.masses[place] == pytest.approx(np.logaddexp.reduce(chosen), abs=tolerance)
            assert np.isnan(values.peaks[place]) == (number == 3)
            assert number == 3 or values.peaks[place] == pytest.approx(chosen.max(), abs=tolerance)
    assert tiled.masses is not None and tiled.masses[1] == tiled.logprobs[1]  # of one word: that word's own bits
    assert tiled.masses[0] == pytest.approx(0.0, abs=tolerance)


def test_an_improbable_subset_is_as_exact_as_a_likely_one_and_one_ruled_out_has_mass_zero() -> None:
    bias = torch.full((TILE_WORDS + 4,), -500.0)
    bias[0], bias[-1] = 0.0, float("-inf")
    bias[7] = -501.0
    head = Head(torch.zeros(TILE_WORDS + 4, 1), bias, 1.0, None)
    subsets = (Subset(np.array([7, TILE_WORDS + 1])), Subset(np.array([TILE_WORDS + 3])))
    asked = asked_of(subsets, np.array([0, 1]), torch.device("cpu"))
    tiled = tiled_values(torch.ones(1, 1), head, np.array([0, 0]), np.array([7, 7]), extras=frozenset(), asked=asked)
    whole = target_values(torch.ones(2, 1), head, torch.tensor([7, 7]), extras=frozenset(), asked=asked)
    for values in (tiled, whole):
        assert values.masses is not None and values.peaks is not None
        exact = -500.0 + math.log1p(math.exp(-1.0))
        assert values.masses.tolist() == pytest.approx([exact, -math.inf], rel=2.0**-22)
        assert values.peaks.tolist() == [-500.0, -math.inf]


@pytest.mark.parametrize("depth", [20.0, 50.0, 60.0, 95.0, 500.0])
def test_a_mass_without_a_peak_is_exact_however_small_it_is(depth: float) -> None:
    size = 2 * TILE_WORDS + 4
    generator = torch.Generator().manual_seed(int(depth))
    bias = torch.randn(size, generator=generator) - depth
    bias[[5, TILE_WORDS + 2]] = 0.0
    ids = np.delete(np.arange(size), [5, TILE_WORDS + 2])
    head = Head(torch.zeros(size, 1), bias, 1.0, None)
    asked = asked_of((Subset(ids, peak=False),), np.array([0, -1, 0]), torch.device("cpu"))
    rows = np.array([0, 0, 1])
    tiled = tiled_values(torch.ones(2, 1), head, rows, np.zeros(3, np.int64), extras=frozenset(), asked=asked)
    whole = target_values(torch.ones(3, 1), head, torch.tensor([0, 0, 0]), extras=frozenset(), asked=asked)
    exact = float(bias[ids].double().logsumexp(0) - bias.double().logsumexp(0))
    for values in (tiled, whole):
        assert values.masses is not None and math.isnan(values.masses[1])
        assert values.masses[[0, 2]].tolist() == pytest.approx([exact, exact], rel=2.0**-22)


def test_a_subset_is_checked_and_shared() -> None:
    for ids in ([], [3, 3], [4, 2], [-1, 2]):
        with pytest.raises(ValueError, match="ascending and distinct"):
            Subset(np.array(ids, dtype=np.int64))
    with pytest.raises(ValueError, match="subset_of must have 2 entries, got 1"):
        Request(np.arange(3), 1, (ONE,), np.array([0]))
    table, places = common_subsets(
        [
            Request(np.arange(3), 1, (ONE, SMALL), np.array([1, -1])),
            Request(np.arange(2), 1),
            Request(np.arange(2), 1, (SMALL,), np.array([0])),
        ]
    )
    assert table == (ONE, SMALL) and [one.tolist() for one in places] == [[1, -1], [-1], [1]]


def test_a_sum_of_weights_shrinks_as_the_maximum_rises_from_tile_to_tile() -> None:
    size = 3 * TILE_WORDS
    bias = torch.randn(size, generator=torch.Generator().manual_seed(4)) + torch.arange(size) // TILE_WORDS * 3.0
    ids = np.arange(0, size, 2)
    head = Head(torch.zeros(size, 1), bias, 1.0, None)
    asked = asked_of((Subset(ids, peak=False),), np.array([0]), torch.device("cpu"))
    tiled = tiled_values(torch.ones(1, 1), head, np.array([0]), np.array([0]), extras=frozenset(), asked=asked)
    exact = float(bias[ids].double().logsumexp(0) - bias.double().logsumexp(0))
    assert tiled.masses is not None and tiled.masses[0] == pytest.approx(exact, rel=2.0**-20)
