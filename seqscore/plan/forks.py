"""The places where the paths of a trie part, and at which of them it pays to stop: to run the prefix up to there once,
before what follows it.

A prefix that runs by itself saves its positions for all paths but one, and costs two passes over the weights: its own,
and one for what follows it, which can no longer stand beside other texts. The choice is the one whose positions and
passes, these counted in positions, have the smallest sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.batches import IntArray, Paths


@dataclass(frozen=True, slots=True, kw_only=True)
class PassCosts:
    """``of_pass``: what a pass costs beside its positions, counted in positions. ``stepwise``: behind a prefix each
    position is a pass of its own."""

    of_pass: int
    stepwise: bool = False


class Forks:
    """The forks of some paths, found from neighbours' common lengths; fork 0 is the root, which all paths have.

    ``end`` and ``parent`` of each fork: positions before it, and the fork before it. ``first``: the first path that
    has it. ``order``: parents before children, as the paths come. ``of_path``: the last fork of each path. ``ends`` of
    each fork: those of the forks on the way to it, the root's and its own included.
    """

    def __init__(self, paths: Paths) -> None:
        self._lengths = paths.lengths
        self.end, self.parent, self.first = [0], [-1], [0]
        self.of_path = [0] * len(paths)
        way = [0]
        for path, common in enumerate(paths.common.tolist()):
            self.of_path[path] = self._part(path, common, way)
        self.order: list[int] = np.lexsort((self.end, self.first)).tolist()
        self.ends: dict[int, IntArray] = {0: np.zeros(1, np.int64)}
        for fork in self.order[1:]:
            self.ends[fork] = np.append(self.ends[self.parent[fork]], self.end[fork])

    def _part(self, path: int, common: int, way: list[int]) -> int:
        """The fork at which this path leaves the one before; ``way``: the forks on the way to it, kept up to date."""
        below = None
        while self.end[way[-1]] > common:
            below = way.pop()
        if self.end[way[-1]] < common:
            fork = len(self.end)
            self.end.append(common)
            self.parent.append(way[-1])
            self.first.append(path - 1 if below is None else self.first[below])
            if below is None:
                self.of_path[path - 1] = fork
            else:
                self.parent[below] = fork
            way.append(fork)
        return way[-1]

    def where_it_pays(self, costs: PassCosts, *, batch_tokens: int) -> dict[int, NDArray[np.bool_]]:
        """For each fork but the root, whether to run the prefix up to it: [forks before it on its way], for each of
        them that may be the last whose prefix runs."""
        return self._pays_stepwise(costs.of_pass, batch_tokens) if costs.stepwise else self._pays(costs.of_pass)

    def _pays(self, of_pass: int) -> dict[int, NDArray[np.bool_]]:
        """From the leaves up: what follows a fork costs least behind its own prefix, or behind one before it."""
        costs = self._of_paths()
        pays: dict[int, NDArray[np.bool_]] = {}
        for fork in reversed(self.order[1:]):
            follows = costs.pop(fork)
            behind_it = self.end[fork] - self.ends[fork][:-1] + 2 * of_pass + follows[-1]
            pays[fork] = behind_it < follows[:-1]
            costs[self.parent[fork]] += np.minimum(behind_it, follows[:-1])
        return pays

    def _of_paths(self) -> dict[int, IntArray]:
        """Of the paths whose last fork a fork is: their positions behind the prefix of each fork on the way."""
        costs = {fork: np.zeros_like(ends) for fork, ends in self.ends.items()}
        for fork, length in zip(self.of_path, self._lengths, strict=True):
            costs[fork] += length - self.ends[fork]
        return costs

    def _pays_stepwise(self, of_pass: int, batch_tokens: int) -> dict[int, NDArray[np.bool_]]:
        """The same where each position behind a prefix is a pass: no prefix runs behind another then."""
        number, total, longest, cheapest = (np.zeros(len(self.end), np.int64) for _ in range(4))
        for fork, length in zip(self.of_path, self._lengths.tolist(), strict=True):
            number[fork] += 1
            total[fork] += length
            cheapest[fork] += length
            longest[fork] = max(longest[fork], length)
        pays: dict[int, NDArray[np.bool_]] = {}
        for fork in reversed(self.order[1:]):
            end, parent = self.end[fork], self.parent[fork]
            batches = -(-number[fork] // max(1, batch_tokens // longest[fork]))
            steps = batches * (longest[fork] - end)
            behind_it = end + (1 + steps) * of_pass + total[fork] - number[fork] * end
            pays[fork] = np.zeros(len(self.ends[fork]) - 1, bool)
            pays[fork][0] = behind_it < cheapest[fork]
            number[parent] += number[fork]
            total[parent] += total[fork]
            longest[parent] = max(longest[parent], longest[fork])
            cheapest[parent] += min(behind_it, cheapest[fork])
        return pays
