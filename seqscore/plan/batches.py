"""Batches: paths of a prefix trie side by side, padded on the right; each behind a prefix that ran before, or behind
nothing.

A path is what a model reads of one or more requests: one whose inputs are another's, or its beginning, has no path of
its own, since no token sees what follows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.requests import Request
from seqscore.plan.trie import Trie

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Sequences that run side by side, padded on the right.

    ``prefix``: positions that all of them have before them, which ran before. ``depth``: how many prefixes are open
    where the batch runs; it continues the last of them. ``opens``: it is one sequence, and what the model keeps of it
    is the next open prefix. ``ends``: nothing more continues the prefix that it does.

    Shape: ``rows`` [b, width]: rows of the trie, -1 where padding stands.
    """

    rows: IntArray
    prefix: int = 0
    depth: int = 0
    opens: bool = False
    ends: bool = False

    @property
    def num_run(self) -> int:
        """Positions that run, padding not counted."""
        return int((self.rows >= 0).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """The paths of a trie from its root to its leaves, in depth-first order.

    Shape: ``lengths``, ``common``, ``first`` [paths]: positions of a path; how many of them the path before has too;
    the row of the first that is new, those of the others follow it.
    """

    lengths: IntArray
    common: IntArray
    first: IntArray

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self) -> Iterator[IntArray]:
        """The rows of each path, in order: a view that the next one changes."""
        path = np.empty(int(self.lengths.max(initial=0)), np.int64)
        for length, common, first in zip(self.lengths, self.common, self.first, strict=True):
            path[common:length] = np.arange(first, first + length - common)
            yield path[:length]


def paths_of(trie: Trie) -> Paths:
    """The paths of a trie. An edge that begins where the one before ends goes on with its path."""
    lengths: list[int] = []
    begun: list[tuple[int, int]] = []
    for edge in trie.edges:
        if lengths and edge.position == lengths[-1]:
            lengths[-1] += edge.length
        else:
            lengths.append(edge.position + edge.length)
            begun.append((edge.position, edge.row))
    common, first = np.array(begun, np.int64).reshape(-1, 2).T
    return Paths(np.array(lengths, np.int64), common, first)


def padded_batches(trie: Trie, *, batch_tokens: int) -> list[Batch]:
    """Batches that hold every path of the trie once, longest first, each at most ``batch_tokens`` positions, padding
    included.

    A path that is longer than the budget runs alone. Longest first, so that what does not fit shows at once.
    """
    rows = [path.copy() for path in paths_of(trie).rows()]
    return [Batch(side_by_side(chosen)) for chosen in like_lengths(rows, batch_tokens=batch_tokens)]


def like_lengths(rows: Sequence[IntArray], *, batch_tokens: int, prefix: int = 0) -> Iterator[list[IntArray]]:
    """Paths of like length together, longest first: as many as hold ``batch_tokens`` positions with padding and with
    the ``prefix`` that each of them has before it; one at least."""
    ordered = sorted(rows, key=len, reverse=True)
    while ordered:
        most = max(1, batch_tokens // (prefix + len(ordered[0])))
        yield ordered[:most]
        ordered = ordered[most:]


def side_by_side(rows: Sequence[IntArray]) -> IntArray:
    """[b, width] rows of these paths, -1 behind their ends."""
    filled = np.full((len(rows), max(map(len, rows))), -1, np.int64)
    for place, row in enumerate(rows):
        filled[place, : len(row)] = row
    return filled


class TargetsOnce:
    """Which targets of a trie the batches that ran predict. A row may run several times: the first counts."""

    def __init__(self, trie: Trie) -> None:
        self._trie = trie
        self._ran = np.zeros(trie.num_rows, bool)
        self._taken: list[IntArray] = []

    def take(self, batch: Batch) -> tuple[IntArray, IntArray, IntArray]:
        """[p] each: places in the batch, ``rows`` and ``columns``, that predict targets which no batch before did, and
        which targets of the trie these are."""
        rows, columns = np.nonzero(batch.rows >= 0)
        of_trie = batch.rows[rows, columns]
        first = np.searchsorted(self._trie.target_rows, of_trie)
        number = np.searchsorted(self._trie.target_rows, of_trie, side="right") - first
        again = np.ones(len(of_trie), bool)
        again[np.unique(of_trie, return_index=True)[1]] = False
        number[again | self._ran[of_trie]] = 0
        self._ran[of_trie] = True
        places = np.repeat(np.arange(len(rows)), number)
        targets = np.arange(len(places)) - np.repeat(np.cumsum(number) - number - first, number)
        self._taken.append(targets)
        return rows[places], columns[places], targets

    def order(self) -> IntArray:
        """Where the first target of the trie stands among those that were taken, then the next, ..."""
        return np.argsort(np.concatenate(self._taken), kind="stable")


def sides_of(requests: Sequence[Request], switch: int | None) -> list[list[int]]:
    """Which requests have at most ``switch`` positions, and which have more; all of them together where it is None."""
    if switch is None:
        return [list(range(len(requests)))]
    is_long = [request.num_inputs > switch for request in requests]
    return [[number for number, side in enumerate(is_long) if side == wanted] for wanted in (False, True)]
