"""Logits to target log-probabilities, without ever holding [targets, V] as a whole.

target_logprob = target_logit - logsumexp(logits)
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.base import Extra, TargetValues

if TYPE_CHECKING:
    from torch import Tensor

    from seqscore.models.adapter import Head

__all__ = ["split_targets", "target_values"]

_TILE_BYTES = 32 * 2**20


def target_values(states: Tensor, head: Head | None, targets: Tensor, *, extras: frozenset[Extra]) -> TargetValues:
    """Values of targets [p] whose hidden states [p, D] (with ``head``) or logits [p, V] (without) are ``states``.

    Everything is computed in float32 or better, in tiles of rows that stay small whatever the vocabulary.
    """
    tiles = [
        logits_values(logits, tile_targets, extras=extras) for logits, tile_targets in _tiles(states, head, targets)
    ]
    return concatenate(tiles)


def _tiles(states: Tensor, head: Head | None, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    vocabulary = states.shape[-1] if head is None else head.weight.shape[0]
    rows = max(1, _TILE_BYTES // (vocabulary * 4))
    for begin in range(0, len(targets), rows):
        part = states[begin : begin + rows]
        yield (part if head is None else head.logits(part)), targets[begin : begin + rows]


def logits_values(logits: Tensor, targets: Tensor, *, extras: frozenset[Extra]) -> TargetValues:
    """Values of targets [p] given their logits [p, V] in float32 or float64."""
    target_logit = logits.gather(1, targets[:, None])
    logsumexp = logits.logsumexp(1)
    logsumexp = logsumexp.masked_fill(logsumexp == float("inf"), float("nan"))  # an overflow is no distribution
    maximum = logits.amax(1)
    greedy = target_logit[:, 0] == maximum
    ties = greedy & ((logits == maximum[:, None]).sum(1) > 1)
    ranks = (logits > target_logit).sum(1) + 1 if "rank" in extras else None
    entropies = _entropy(logits, logsumexp) if "entropy" in extras else None
    return TargetValues(
        logprobs=(target_logit[:, 0] - logsumexp).double().cpu().numpy(),
        greedy=greedy.cpu().numpy(),
        ties=ties.cpu().numpy(),
        ranks=None if ranks is None else ranks.cpu().numpy(),
        entropies=None if entropies is None else entropies.double().cpu().numpy(),
    )


def _entropy(logits: Tensor, logsumexp: Tensor) -> Tensor:
    """H = -sum_v p_v log p_v, [p], nats; a word of probability zero adds nothing."""
    logprobs = logits - logsumexp[:, None]
    probabilities = logprobs.exp()
    return -(probabilities * logprobs.where(probabilities > 0, 0.0)).sum(1)


def concatenate(parts: list[TargetValues]) -> TargetValues:
    """Values of the parts, one after another."""
    ranks = [part.ranks for part in parts if part.ranks is not None]
    entropies = [part.entropies for part in parts if part.entropies is not None]
    return TargetValues(
        logprobs=np.concatenate([part.logprobs for part in parts]),
        greedy=np.concatenate([part.greedy for part in parts]),
        ties=np.concatenate([part.ties for part in parts]),
        ranks=np.concatenate(ranks) if ranks else None,
        entropies=np.concatenate(entropies) if entropies else None,
    )


def take(values: TargetValues, places: NDArray[np.int64]) -> TargetValues:
    """The values at some places."""
    return TargetValues(
        logprobs=values.logprobs[places],
        greedy=values.greedy[places],
        ties=values.ties[places],
        ranks=None if values.ranks is None else values.ranks[places],
        entropies=None if values.entropies is None else values.entropies[places],
    )


def split_targets(values: TargetValues, counts: list[int]) -> list[TargetValues]:
    """The reverse of ``concatenate``: the first ``counts[0]`` targets, the next ``counts[1]``, ..."""
    bounds = np.cumsum([0, *counts]).tolist()
    return [
        TargetValues(
            logprobs=values.logprobs[begin:end],
            greedy=values.greedy[begin:end],
            ties=values.ties[begin:end],
            ranks=None if values.ranks is None else values.ranks[begin:end],
            entropies=None if values.entropies is None else values.entropies[begin:end],
        )
        for begin, end in pairwise(bounds)
    ]
