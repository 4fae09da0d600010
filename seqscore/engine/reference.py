"""The reference engine: one sequence a forward pass, the model's own logits, nothing clever.

It is what the other engines are tested against and what benchmarks start from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from seqscore.engine.forward_passes import forward_passes
from seqscore.engine.head.by_rows import target_values
from seqscore.engine.head.masses import asked_of
from seqscore.plan.requests import Request, Values, common_subsets
from seqscore.policies import Extra

if TYPE_CHECKING:
    from seqscore.models.architecture.adapter import ModelAdapter


class ReferenceEngine:
    """log p(x_t | x_<t) from model(x_<n).logits, request after request."""

    name: ClassVar[str] = "reference"
    keeps_bits: ClassVar[bool] = False
    batch_tokens: ClassVar[int | None] = None

    def __init__(self, adapter: ModelAdapter) -> None:
        self._adapter = adapter

    def run(self, requests: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """The values of each request's targets, in order."""
        with forward_passes(self._adapter):
            return [self._one(request, extras) for request in requests]

    def num_run(self, requests: Sequence[Request]) -> int:
        """All positions of all requests."""
        return sum(request.num_inputs for request in requests)

    def _one(self, request: Request, extras: frozenset[Extra]) -> Values:
        import torch

        ids = torch.tensor(request.ids, device=self._adapter.device)
        logits = self._adapter.logits(ids[None, :-1])[0, request.first_target - 1 :]
        subsets, (numbers,) = common_subsets([request])
        asked = asked_of(subsets, numbers, ids.device)
        return target_values(logits, None, ids[request.first_target :], extras=extras, asked=asked)
