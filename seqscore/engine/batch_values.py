"""The values of a prefix trie's targets from batches of its paths; each target once, wherever its row runs first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seqscore.engine.head.by_rows import target_values
from seqscore.engine.head.masses import asked_of
from seqscore.plan.batches import Batch, TargetsOnce
from seqscore.plan.requests import Values
from seqscore.plan.trie import Trie
from seqscore.policies import Extra

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from seqscore.models.architecture.adapter import Head

AtTargets: TypeAlias = "Callable[[Batch, Tensor, Tensor, Tensor], tuple[Tensor, Head | None]]"
"""Of a batch, its ids [b, width], and places ``rows`` and ``columns`` [p] in it: see ``ModelAdapter.at_targets``."""


def values_of_batches(
    trie: Trie, batches: Sequence[Batch], at_targets: AtTargets, device: torch.device, extras: frozenset[Extra]
) -> Values:
    """The values of the targets of a trie, in their order.

    Args:
        trie: requests as a tree, one target at least.
        batches: they hold all of its rows, in the order in which they run.
        at_targets: runs a batch.
        device: where the model is.
        extras: what is asked for besides log-probabilities.

    Returns:
        Values of all targets of the trie.

    Raises:
        ModelError: the model gives another shape than when it was looked at.

    Example:
        >>> import numpy as np, torch
        >>> from seqscore.plan.batches import padded_batches
        >>> from seqscore.plan.requests import Request
        >>> from seqscore.plan.trie import build_trie
        >>> trie = build_trie([Request(np.array([5, 3, 1]), 1)])
        >>> uniform = lambda batch, ids, rows, columns: (torch.zeros(len(rows), 8), None)
        >>> batches = padded_batches(trie, batch_tokens=4)
        >>> values_of_batches(trie, batches, uniform, torch.device("cpu"), frozenset()).logprobs.round(4).tolist()
        [-2.0794, -2.0794]
    """
    parts, taken = [], TargetsOnce(trie)
    subsets = asked_of(trie.subsets, trie.target_subsets, device)
    for batch in batches:
        rows, columns, targets = taken.take(batch)
        states, head = at_targets(batch, _ids(trie, batch, device), _to(rows, device), _to(columns, device))
        if len(targets):
            words = _to(trie.target_tokens[targets], device)
            asked = None if subsets is None else subsets.at(trie.target_subsets[targets])
            parts.append(target_values(states, head, words, extras=extras, asked=asked))
    return Values.concatenate(parts).take(taken.order())


def _ids(trie: Trie, batch: Batch, device: torch.device) -> Tensor:
    """[b, width] int64. Padding is id 0, which no token of a text sees."""
    return _to(np.where(batch.rows >= 0, trie.tokens[batch.rows], 0), device)


def _to(array: np.ndarray[tuple[int, ...], np.dtype[np.int64]], device: torch.device) -> Tensor:
    import torch

    return torch.from_numpy(array).to(device)
