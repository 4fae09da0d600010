"""Tiled values against the plain computation over whole rows of logits, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seqscore.engine.head.by_rows import target_values
from seqscore.engine.head.by_words import TILE_WORDS, tiled_values
from seqscore.models.architecture.adapter import Head
from seqscore.plan.requests import Values

ALL = frozenset({"rank", "entropy"})


def head_of(weight: torch.Tensor, **more: float | None) -> Head:
    return Head(weight, None, float(more.get("scale") or 1.0), more.get("soft_cap"))


def tiled(hidden: torch.Tensor, head: Head, rows: list[int], targets: list[int]) -> Values:
    return tiled_values(hidden, head, np.array(rows), np.array(targets), extras=ALL)


@pytest.mark.parametrize("words", [1, 15, TILE_WORDS - 1, TILE_WORDS, TILE_WORDS + 1, 2 * TILE_WORDS + 7])
@pytest.mark.parametrize("settings", [{}, {"soft_cap": 5.0}, {"scale": 0.25}])
def test_tiles_give_what_whole_rows_give(words: int, settings: dict[str, float]) -> None:
    generator = torch.Generator().manual_seed(words)
    hidden = torch.randn(5, 16, generator=generator, dtype=torch.float64)
    head = head_of(torch.randn(words, 16, generator=generator, dtype=torch.float64) * 3, **settings)
    rows, targets = [0, 0, 1, 3, 4], [0, words - 1, words // 2, words - 1, 0]
    got = tiled(hidden, head, rows, targets)
    logits = head.logits(hidden)[rows]
    logprobs = logits.log_softmax(-1)
    wanted = logprobs[range(5), targets]
    tolerance = 64 * 2.0**-52 * float(logits.abs().max() + math.log(words))  # one sum of exponentials, one logarithm
    np.testing.assert_allclose(got.logprobs, wanted.numpy(), rtol=0, atol=tolerance)
    entropy = -(logprobs.exp() * logprobs).sum(-1)
    assert got.entropies is not None and got.ranks is not None
    np.testing.assert_allclose(got.entropies, entropy.numpy(), rtol=0, atol=64 * tolerance)
    greater = (logits > logits[range(5), targets][:, None]).sum(-1) + 1
    assert got.ranks.tolist() == greater.tolist()
    assert got.greedy.tolist() == (greater == 1).tolist()


@pytest.mark.parametrize("other", [1, TILE_WORDS - 1, TILE_WORDS, 2 * TILE_WORDS])
def test_a_tie_is_seen_within_a_tile_and_across_tiles(other: int) -> None:
    weight = torch.zeros(2 * TILE_WORDS + 1, 1)
    weight[0] = weight[other] = 1.0
    weight[3] = 0.5
    values = tiled(torch.ones(1, 1), head_of(weight), [0, 0, 0], [0, other, 3])
    assert values.greedy.tolist() == [True, True, False]
    assert values.ties.tolist() == [True, True, False]
    weight[other] = 0.25
    values = tiled(torch.ones(1, 1), head_of(weight), [0], [0])
    assert values.greedy.tolist() == [True] and values.ties.tolist() == [False]


def test_words_that_are_ruled_out_and_logits_that_overflow() -> None:
    bias = torch.full((TILE_WORDS + 2,), float("-inf"))
    bias[-2:] = 0.0
    head = Head(torch.zeros(TILE_WORDS + 2, 1), bias, 1.0, None)
    values = tiled(torch.ones(1, 1), head, [0, 0], [TILE_WORDS, 0])
    assert values.logprobs.tolist() == pytest.approx([-math.log(2), -math.inf])
    assert values.entropies is not None and values.entropies.tolist() == pytest.approx([math.log(2)] * 2)
    assert values.ranks is not None and values.ranks.tolist() == [1, 3]
    bias[5] = float("inf")
    assert math.isnan(tiled(torch.ones(1, 1), head, [0], [TILE_WORDS]).logprobs[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_softmax_is_taken_in_float32_or_better(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 8, generator=generator).to(dtype)
    head = head_of(torch.randn(TILE_WORDS + 100, 8, generator=generator).to(dtype))
    exact = (hidden.double() @ head.weight.double().T).log_softmax(-1)[range(3), [0, 50, TILE_WORDS]]
    values = tiled(hidden, head, [0, 1, 2], [0, 50, TILE_WORDS])
    np.testing.assert_allclose(values.logprobs, exact.numpy(), rtol=0, atol=2.0**-20)
    plain = target_values(hidden, head, torch.tensor([0, 50, TILE_WORDS]), extras=ALL)
    np.testing.assert_allclose(plain.logprobs, exact.numpy(), rtol=0, atol=2.0**-18)
