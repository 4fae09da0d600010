"""The padded engine: texts of like length side by side, padded on the right, the head only where a target stands.

What is read once serves all who ask: equal inputs, and one that is the beginning of another, run once.

Padding on the right needs no masking in a model that reads from left to right (``adapt`` checks that it does): no
token of a text sees what follows it, and positions count from the left. So the attention mask is all ones. Masking the
padding would make rows without a single visible key, for which some attention implementations give NaN (measured:
Gemma 2 in float64), and would keep fast causal kernels from being used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from seqscore.engine.batch_values import values_of_batches
from seqscore.engine.forward_passes import forward_passes
from seqscore.plan.batches import Batch, padded_batches, sides_of
from seqscore.plan.requests import Request, Values
from seqscore.plan.trie import Trie, build_trie
from seqscore.policies import Extra

if TYPE_CHECKING:
    from torch import Tensor

    from seqscore.models.architecture.adapter import Head, ModelAdapter


class PaddedEngine:
    """Runs any causal model: padding stands on the right, where no token of the text looks."""

    name: ClassVar[str] = "padded"
    keeps_bits: ClassVar[bool] = False

    def __init__(self, adapter: ModelAdapter, *, batch_tokens: int) -> None:
        self._adapter = adapter
        self.batch_tokens = batch_tokens

    def run(self, requests: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """The values of each request's targets, in order."""
        results: dict[int, Values] = {}
        with forward_passes(self._adapter, batch_tokens=self.batch_tokens):
            for indices, trie, batches in self._plan(requests):
                values = values_of_batches(trie, batches, self._at_targets, self._adapter.device, extras)
                results.update(zip(indices, map(values.take, trie.places), strict=True))
        return [results[i] for i in range(len(requests))]

    def num_run(self, requests: Sequence[Request]) -> int:
        """Positions that it runs for these, padding not counted."""
        return sum(batch.num_run for _, _, batches in self._plan(requests) for batch in batches)

    def _plan(self, requests: Sequence[Request]) -> Iterator[tuple[list[int], Trie, list[Batch]]]:
        """Which requests run together, their prefix tree, and its batches."""
        for indices in sides_of(requests, self._adapter.rope_switch):
            if indices:
                trie = build_trie([requests[i] for i in indices])
                yield indices, trie, padded_batches(trie, batch_tokens=self.batch_tokens)

    def _at_targets(self, batch: Batch, ids: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Head | None]:
        return self._adapter.at_targets(ids, rows, columns)
