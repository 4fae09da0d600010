"""Padded batches: requests of like length side by side, under a token budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.requests import Request


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """Requests that run side by side, padded on the right to ``width``.

    ``indices`` are positions in the list that was planned. ``rows``, ``columns`` [p] say where in the batch the
    outputs stand that predict ``targets`` [p], request after request.
    """

    indices: tuple[int, ...]
    width: int
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    targets: NDArray[np.int64]


def padded_batches(requests: Sequence[Request], *, batch_tokens: int, split_at: int | None = None) -> list[PaddedBatch]:
    """Batches that hold every request once, longest first, each at most ``batch_tokens`` positions, padding included.

    A request that is longer than the budget runs alone. Longest first, so that what does not fit shows at once.
    No batch holds requests of more than ``split_at`` positions beside others of at most so many.
    """
    order = sorted(range(len(requests)), key=lambda i: (-requests[i].num_inputs, i))
    batches: list[PaddedBatch] = []
    begin = 0
    while begin < len(order):
        width = requests[order[begin]].num_inputs
        end = min(len(order), begin + max(1, batch_tokens // width))
        if split_at is not None and width > split_at:
            while requests[order[end - 1]].num_inputs <= split_at:
                end -= 1
        batches.append(_batch(requests, tuple(order[begin:end]), width))
        begin = end
    return batches


def _batch(requests: Sequence[Request], indices: tuple[int, ...], width: int) -> PaddedBatch:
    chosen = [requests[i] for i in indices]
    return PaddedBatch(
        indices=indices,
        width=width,
        rows=np.repeat(np.arange(len(chosen)), [request.num_targets for request in chosen]),
        columns=np.concatenate([np.arange(request.first_target - 1, request.num_inputs) for request in chosen]),
        targets=np.concatenate([request.targets for request in chosen]),
    )
