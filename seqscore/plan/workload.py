"""How much work requests are, before any of it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seqscore.plan.requests import Request
from seqscore.plan.trie import build_trie


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """``num_targets``: tokens to be scored. ``num_inputs``: positions that a model would read if every item ran by
    itself. ``num_distinct``: those that are left where each distinct prefix runs once. ``num_run``: those that the
    engine at hand runs, padding not counted."""

    num_items: int = 0
    num_targets: int = 0
    num_inputs: int = 0
    num_distinct: int = 0
    num_run: int = 0

    def __add__(self, other: Workload) -> Workload:
        return Workload(
            num_items=self.num_items + other.num_items,
            num_targets=self.num_targets + other.num_targets,
            num_inputs=self.num_inputs + other.num_inputs,
            num_distinct=self.num_distinct + other.num_distinct,
            num_run=self.num_run + other.num_run,
        )


def workload_of(requests: Sequence[Request], *, num_items: int, shares_prefixes: bool) -> Workload:
    """The work of requests that are planned together, by an engine that runs a common prefix once or every time."""
    inputs, distinct = sum(request.num_inputs for request in requests), build_trie(requests).num_rows
    return Workload(
        num_items=num_items,
        num_targets=sum(request.num_targets for request in requests),
        num_inputs=inputs,
        num_distinct=distinct,
        num_run=distinct if shares_prefixes else inputs,
    )
