"""Hidden states on their way through a head, in row counts at which it keeps a row's bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.head.by_words import TILE_WORDS, tiled_values
from seqscore.engine.head.masses import SubsetsAsked
from seqscore.engine.kept_trials import TriedModel
from seqscore.engine.row_counts import CANDIDATES, steady_products
from seqscore.plan.cuts import cut_rows
from seqscore.plan.requests import Values
from seqscore.policies import Extra

if TYPE_CHECKING:
    from torch import Tensor

    from seqscore.models.architecture.adapter import Head

IntArray = NDArray[np.int64]

_HEAD_ROWS = 256
_RANK_BYTES = 64 * 2**20
"""What the logits may take that ranks are counted in."""


def head_row_counts(head: Head, known: TriedModel) -> tuple[int, ...]:
    """How many rows may go through a head at once with as many threads as torch has now; tried where that is not
    known of its model."""
    candidates = [count for count in CANDIDATES if count <= _HEAD_ROWS]
    return known.counts("head", candidates, lambda: _tried(head, candidates))


def _tried(head: Head, candidates: Sequence[int]) -> tuple[int, ...]:
    import torch

    weight = head.weight
    like = weight[:0].to(torch.promote_types(weight.dtype, torch.float32))
    return steady_products(
        lambda rows: head.logits(rows, slice(0, TILE_WORDS)),
        weight.shape[1],
        like=like,
        candidates=candidates,
    ) or (max(candidates),)


def counts_for(extras: frozenset[Extra], head: Head, counts: Sequence[int]) -> Sequence[int]:
    """Those of the row counts whose logits fit in memory as a whole, where ``extras`` need that; the smallest one where
    none does."""
    if "rank" not in extras:
        return counts
    room = _RANK_BYTES // (4 * len(head.weight))
    return tuple(count for count in counts if count <= room) or (min(counts),)


class HeadQueue:
    """Hidden states that wait for the head until there are as many as it takes at once."""

    def __init__(self, head: Head, counts: Sequence[int], extras: frozenset[Extra], asked: SubsetsAsked | None) -> None:
        self._head = head
        self._asked = asked
        self._counts = counts
        self._extras = extras
        self._waiting: list[Tensor] = []
        self._rows: list[IntArray] = []
        self._targets: list[IntArray] = []
        self._subsets: list[IntArray] = []
        self._num_waiting = 0
        self._done: list[Values] = []

    def add(self, hidden: Tensor, rows: IntArray, targets: IntArray, subsets: IntArray) -> None:
        """Targets [p], the rows [p] of ``hidden`` that predict them, ascending, and the subsets [p] asked for there."""
        import torch

        if not len(rows):
            return
        distinct, places = np.unique(rows, return_inverse=True)
        self._waiting.append(hidden.index_select(0, torch.from_numpy(distinct).to(hidden.device)))
        self._rows.append(self._num_waiting + places)
        self._targets.append(targets)
        self._subsets.append(subsets)
        self._num_waiting += len(distinct)
        largest = max(self._counts)
        if self._num_waiting >= largest:
            self._run(self._num_waiting // largest * largest)

    def finish(self) -> Values:
        """The values of everything that was added, in order."""
        self._run(self._num_waiting)
        return Values.concatenate(self._done)

    def _run(self, count: int) -> None:
        """The first ``count`` waiting rows; the rest waits on."""
        import torch

        hidden = torch.cat(self._waiting)
        rows, targets, subsets = (np.concatenate(part) for part in (self._rows, self._targets, self._subsets))
        begin = 0
        for used, size in cut_rows(count, self._counts):
            first, last = np.searchsorted(rows, [begin, begin + used])
            filled = torch.nn.functional.pad(hidden[begin : begin + used], (0, 0, 0, size - used))
            values = tiled_values(
                filled,
                self._head,
                rows[first:last] - begin,
                targets[first:last],
                extras=self._extras,
                asked=None if self._asked is None else self._asked.at(subsets[first:last]),
            )
            self._done.append(values)
            begin += used
        rest = int(np.searchsorted(rows, count))
        self._waiting, self._num_waiting = [hidden[count:].clone()], self._num_waiting - count
        self._rows, self._targets, self._subsets = [rows[rest:] - count], [targets[rest:]], [subsets[rest:]]
