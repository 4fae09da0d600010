"""How much work requests are, before any of it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seqscore.plan.requests import Request
from seqscore.plan.trie import build_trie


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """``num_targets``: tokens to be scored. ``num_inputs``: positions that a model would read if every item ran by
    itself. ``num_distinct``: those that are left where each distinct prefix runs once. ``num_run``: those that the
    engine at hand runs, padding not counted. None: the model alone knows, once it has cut the texts."""

    num_items: int = 0
    num_targets: int | None = 0
    num_inputs: int | None = 0
    num_distinct: int | None = 0
    num_run: int | None = 0

    def __add__(self, other: Workload) -> Workload:
        return Workload(
            num_items=self.num_items + other.num_items,
            num_targets=_sum(self.num_targets, other.num_targets),
            num_inputs=_sum(self.num_inputs, other.num_inputs),
            num_distinct=_sum(self.num_distinct, other.num_distinct),
            num_run=_sum(self.num_run, other.num_run),
        )


UNKNOWN = Workload(num_targets=None, num_inputs=None, num_distinct=None, num_run=None)
"""Of requests that are texts, which a model cuts into tokens itself."""


def workload_of(requests: Sequence[Request], *, num_run: int) -> Workload:
    """The work of requests that are planned together and read to the left alone, for which an engine runs so many
    positions; ``num_items`` is left to who knows it."""
    return Workload(
        num_targets=sum(request.num_targets for request in requests),
        num_inputs=sum(request.num_inputs for request in requests),
        num_distinct=build_trie(requests).num_rows,
        num_run=num_run,
    )


def workload_of_each(requests: Sequence[Request], positions: Callable[[Request], int]) -> Workload:
    """The work of requests that have nothing in common, each of which takes so many positions."""
    inputs = sum(map(positions, requests))
    targets = sum(request.num_targets for request in requests)
    return Workload(num_targets=targets, num_inputs=inputs, num_distinct=inputs, num_run=inputs)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
