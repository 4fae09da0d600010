"""Requests as a prefix trie: every distinct prefix is one row, run once, whatever shares it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.requests import Request, Subset, common_subsets

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Edge:
    """Consecutive rows of one path: rows ``row .. row + length - 1`` stand at positions ``position ...``.

    What stands before them is the path of the edge before, up to ``position``.
    """

    row: int
    position: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Trie:
    """Requests as rows in depth-first order.

    Shape: ``tokens``, ``positions`` [num_rows], a row for every distinct prefix, by its last token. ``target_rows``,
    ``target_tokens``, ``target_subsets`` [num_targets]: the distinct (row, next token, place in ``subsets`` or -1) to
    be scored, by row. ``places``: where each request's targets stand among those, [request.num_targets] each.
    ``num_inputs``: positions without sharing.
    """

    tokens: IntArray
    positions: IntArray
    edges: tuple[Edge, ...]
    target_rows: IntArray
    target_tokens: IntArray
    target_subsets: IntArray
    subsets: tuple[Subset, ...]
    places: tuple[IntArray, ...]
    num_inputs: int

    @property
    def num_rows(self) -> int:
        """Distinct prefixes: positions that a model has to run."""
        return len(self.tokens)

    @property
    def longest(self) -> int:
        """Length of the longest path."""
        return int(self.positions.max()) + 1 if len(self.positions) else 0


def build_trie(requests: Sequence[Request], *, sharing: bool = True) -> Trie:
    """The trie of the requests' inputs; with ``sharing`` off, every request is a path of its own from the root.

    The requests are sorted, so that those that share a prefix are neighbours, and walked with the path of the request
    before. The rows do not depend on the order of the requests.
    """
    order = sorted(range(len(requests)), key=lambda i: (requests[i].ids.astype(">u8").tobytes(), i))
    walk = _Walk(max((request.num_inputs for request in requests), default=0))
    rows_of_targets: list[IntArray] = [_NOTHING] * len(requests)
    for i in order:
        request = requests[i]
        path = walk.extend(request.inputs, sharing=sharing)
        rows_of_targets[i] = path[request.first_target - 1 :].copy()
    rows = np.concatenate([_NOTHING, *rows_of_targets])
    tokens = np.concatenate([_NOTHING, *(request.targets for request in requests)])
    subsets, numbers = common_subsets(requests)
    first, places = _distinct(rows, tokens, np.concatenate([_NOTHING, *numbers]))
    bounds = np.cumsum([request.num_targets for request in requests])[:-1]
    return Trie(
        tokens=np.concatenate([_NOTHING, *walk.tokens]),
        positions=np.concatenate([_NOTHING, *walk.positions]),
        edges=tuple(walk.edges),
        target_rows=rows[first],
        target_tokens=tokens[first],
        target_subsets=np.concatenate([_NOTHING, *numbers])[first],
        subsets=subsets,
        places=tuple(np.split(places, bounds)) if requests else (),
        num_inputs=sum(request.num_inputs for request in requests),
    )


_NOTHING: IntArray = np.empty(0, np.int64)


class _Walk:
    """The path of the request before, by tokens and rows, and the rows made so far."""

    def __init__(self, longest: int) -> None:
        self.tokens: list[IntArray] = []
        self.positions: list[IntArray] = []
        self.edges: list[Edge] = []
        self._num_rows = 0
        self._path_tokens = _NOTHING
        self._path_rows = np.empty(longest, np.int64)

    def extend(self, inputs: IntArray, *, sharing: bool) -> IntArray:
        """The rows of these inputs (a view that the next call changes), new ones where the path parts."""
        common = _common_length(self._path_tokens, inputs) if sharing else 0
        new = len(inputs) - common
        if new:
            self.tokens.append(inputs[common:])
            self.positions.append(np.arange(common, len(inputs)))
            self.edges.append(Edge(self._num_rows, common, new))
            self._path_rows[common : len(inputs)] = np.arange(self._num_rows, self._num_rows + new)
            self._num_rows += new
        self._path_tokens = inputs
        return self._path_rows[: len(inputs)]


def _common_length(a: IntArray, b: IntArray) -> int:
    n = min(len(a), len(b))
    differ = np.flatnonzero(a[:n] != b[:n])
    return int(differ[0]) if len(differ) else n


def _distinct(*columns: IntArray) -> tuple[IntArray, IntArray]:
    """Where each distinct tuple of the columns first stands, ascending, and where each tuple is among those."""
    order = np.lexsort(columns[::-1])
    is_first = np.ones(len(order), bool)
    is_first[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
    places = np.empty(len(order), np.int64)
    places[order] = np.cumsum(is_first) - 1
    return order[is_first], places
