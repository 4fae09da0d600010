"""The padded engine: requests of like length side by side, padded on the right, the head only where a target stands.

Padding on the right needs no masking in a model that reads from left to right (``adapt`` checks that it does): no
token of a text sees what follows it, and positions count from the left. So the attention mask is all ones. Masking the
padding would make rows without a single visible key, for which some attention implementations give NaN (measured:
Gemma 2 in float64), and would keep fast causal kernels from being used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from seqscore.engine.forward_passes import forward_passes
from seqscore.engine.head.by_rows import target_values
from seqscore.engine.head.masses import asked_of
from seqscore.plan.batches import PaddedBatch, padded_batches
from seqscore.plan.requests import Request, Values, common_subsets
from seqscore.policies import Extra

if TYPE_CHECKING:
    from torch import Tensor

    from seqscore.models.architecture.adapter import ModelAdapter


class PaddedEngine:
    """Runs any causal model: padding stands on the right, where no token of the text looks."""

    name: ClassVar[str] = "padded"
    shares_prefixes: ClassVar[bool] = False
    keeps_bits: ClassVar[bool] = False

    def __init__(self, adapter: ModelAdapter, *, batch_tokens: int) -> None:
        self._adapter = adapter
        self.batch_tokens = batch_tokens

    def run(self, requests: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """The values of each request's targets, in order."""
        results: dict[int, Values] = {}
        with forward_passes(self._adapter, batch_tokens=self.batch_tokens):
            for batch in self._plan(requests):
                chosen = [requests[i] for i in batch.indices]
                values = self._batch(batch, chosen, extras)
                parts = values.split([request.num_targets for request in chosen])
                results.update(zip(batch.indices, parts, strict=True))
        return [results[i] for i in range(len(requests))]

    def _plan(self, requests: Sequence[Request]) -> list[PaddedBatch]:
        return padded_batches(requests, batch_tokens=self.batch_tokens, split_at=self._adapter.rope_switch)

    def _batch(self, batch: PaddedBatch, requests: list[Request], extras: frozenset[Extra]) -> Values:
        import torch

        device = self._adapter.device
        ids = _padded_ids(batch, requests).to(device)
        rows, columns, targets = (
            torch.from_numpy(part).to(device) for part in (batch.rows, batch.columns, batch.targets)
        )
        states, head = self._adapter.at_targets(ids, rows, columns)
        subsets, numbers = common_subsets(requests)
        asked = asked_of(subsets, np.concatenate(numbers), device)
        return target_values(states, head, targets, extras=extras, asked=asked)


def _padded_ids(batch: PaddedBatch, requests: list[Request]) -> Tensor:
    """[b, width] int64. Padding is id 0, which no token of a text sees."""
    import torch

    ids = np.zeros((len(requests), batch.width), dtype=np.int64)
    for row, request in enumerate(requests):
        ids[row, : request.num_inputs] = request.inputs
    return torch.from_numpy(ids)
