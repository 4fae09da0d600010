"""Requests as a prefix trie: every distinct prefix is one row, run once, whatever shares it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.requests import Request

__all__ = ["Run", "Trie", "build_trie"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive rows of one path: rows ``row .. row + length - 1`` stand at positions ``position ...``.

    What stands before them is the path of the run before, up to ``position``.
    """

    row: int
    position: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Trie:
    """Requests as rows in depth-first order.

    Shape: ``tokens``, ``positions`` [num_rows], a row for every distinct prefix, by its last token. ``target_rows``,
    ``target_tokens`` [num_targets]: the distinct (row, next token) pairs to be scored, by row. ``slots``: for each
    request, the places of its targets among them, [request.num_targets]. ``num_inputs``: positions without sharing.
    """

    tokens: IntArray
    positions: IntArray
    runs: tuple[Run, ...]
    target_rows: IntArray
    target_tokens: IntArray
    slots: tuple[IntArray, ...]
    num_inputs: int


def build_trie(requests: Sequence[Request], *, shared: bool = True) -> Trie:
    """The trie of the requests' inputs; with ``shared`` off, every request is a branch of its own from the root.

    Sorted, so that what shares a prefix is neighbours, then walked with the path of the request before. The order of
    the requests does not matter to the rows.
    """
    order = sorted(range(len(requests)), key=lambda i: (requests[i].ids.astype(">u8").tobytes(), i))
    walk = _Walk()
    rows_of_targets: list[IntArray] = [np.empty(0, np.int64)] * len(requests)
    for i in order:
        request = requests[i]
        path = walk.extend(request.inputs, shared=shared)
        rows_of_targets[i] = path[request.first_target - 1 :].copy()
    rows = np.concatenate(rows_of_targets) if requests else np.empty(0, np.int64)
    tokens = np.concatenate([request.targets for request in requests]) if requests else rows
    target_rows, target_tokens, places = _distinct(rows, tokens)
    bounds = np.cumsum([request.num_targets for request in requests])[:-1]
    return Trie(
        tokens=np.concatenate(walk.tokens) if walk.tokens else rows,
        positions=np.concatenate(walk.positions) if walk.positions else rows,
        runs=tuple(walk.runs),
        target_rows=target_rows,
        target_tokens=target_tokens,
        slots=tuple(np.split(places, bounds)) if requests else (),
        num_inputs=sum(request.num_inputs for request in requests),
    )


class _Walk:
    """The path of the request before, by tokens and rows, and the rows made so far."""

    def __init__(self) -> None:
        self.tokens: list[IntArray] = []
        self.positions: list[IntArray] = []
        self.runs: list[Run] = []
        self._num_rows = 0
        self._path_tokens = np.empty(0, np.int64)
        self._path_rows = np.empty(0, np.int64)

    def extend(self, inputs: IntArray, *, shared: bool) -> IntArray:
        """The rows of these inputs, new ones where the path parts."""
        common = _common_length(self._path_tokens, inputs) if shared else 0
        new = len(inputs) - common
        rows = np.arange(self._num_rows, self._num_rows + new)
        if new:
            self.tokens.append(inputs[common:])
            self.positions.append(np.arange(common, len(inputs)))
            self.runs.append(Run(self._num_rows, common, new))
            self._num_rows += new
        self._path_tokens = inputs
        self._path_rows = np.concatenate([self._path_rows[:common], rows])
        return self._path_rows


def _common_length(a: IntArray, b: IntArray) -> int:
    n = min(len(a), len(b))
    differ = np.flatnonzero(a[:n] != b[:n])
    return int(differ[0]) if len(differ) else n


def _distinct(rows: IntArray, tokens: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """The distinct (row, token) pairs in order, and where each given pair stands among them."""
    pairs, places = np.unique(np.stack([rows, tokens]), axis=1, return_inverse=True)
    return pairs[0], pairs[1], places.reshape(-1)
