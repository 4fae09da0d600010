"""The cached engine: prefixes that texts have in common run once, and the model goes on behind them.

What a model keeps of tokens that it has read (keys and values, or a recurrent state) is copied for each text that
begins with them. Which prefixes run by themselves is reckoned from counts of positions and passes (``plan.forks``);
all else runs as in the padded engine. Bits are promised as little as there: products of other shapes round differently.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from seqscore.engine.batch_values import values_of_batches
from seqscore.engine.forward_passes import forward_passes
from seqscore.models.architecture.caches import Continuing, Kept, go_on, read
from seqscore.plan.batches import Batch, padded_batches, sides_of
from seqscore.plan.forks import PassCosts
from seqscore.plan.prefixes import prefix_batches
from seqscore.plan.requests import Request, Values
from seqscore.plan.trie import Trie, build_trie
from seqscore.policies import Extra

if TYPE_CHECKING:
    from torch import Tensor

    from seqscore.models.architecture.adapter import Head, ModelAdapter

_PASS_COST, _STEP_COST = 24, 12
"""In positions, on a CPU in float32, between the sizes that did best with models of 18 to 26 million weights: of any
pass (as in ``plan.cuts``), and of one that goes on by single tokens."""
_LAUNCH_COST = 512
"""Elsewhere: an estimate, not measured. A device computes hundreds of positions while a pass is launched."""


class CachedEngine:
    """Runs models that can go on behind tokens that they have read.

    Args:
        adapter: the model.
        batch_tokens: positions that run at once, padding and the prefix of each text included.
        way: how the model goes on.
        pass_cost: what a pass costs beside its positions, counted in positions. None: by the device.
    """

    name: ClassVar[str] = "cached"
    keeps_bits: ClassVar[bool] = False

    def __init__(
        self, adapter: ModelAdapter, *, batch_tokens: int, way: Continuing, pass_cost: int | None = None
    ) -> None:
        self._adapter, self._way, self.batch_tokens = adapter, way, batch_tokens
        if pass_cost is None:
            on_cpu = _STEP_COST if way.stepwise else _PASS_COST
            pass_cost = on_cpu if adapter.device.type == "cpu" else _LAUNCH_COST
        self._costs = PassCosts(of_pass=pass_cost, stepwise=way.stepwise)

    def run(self, requests: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """The values of each request's targets, in order."""
        results: dict[int, Values] = {}
        with forward_passes(self._adapter, batch_tokens=self.batch_tokens):
            for indices, trie, batches in self._plan(requests):
                passes = _Passes(self._adapter, self._way)
                values = values_of_batches(trie, batches, passes.at_targets, self._adapter.device, extras)
                results.update(zip(indices, map(values.take, trie.places), strict=True))
        return [results[i] for i in range(len(requests))]

    def num_run(self, requests: Sequence[Request]) -> int:
        """Positions that it runs for these, padding not counted."""
        return sum(batch.num_run for _, _, batches in self._plan(requests) for batch in batches)

    def _plan(self, requests: Sequence[Request]) -> Iterator[tuple[list[int], Trie, list[Batch]]]:
        """Which requests run together, their prefix tree, and its batches.

        Where the rotary embedding changes beyond a length, a prefix on this side of it does not fit a longer text.
        """
        for is_long, indices in enumerate(sides_of(requests, self._adapter.rope_switch)):
            if not indices:
                continue
            trie = build_trie([requests[i] for i in indices])
            if is_long:
                yield indices, trie, padded_batches(trie, batch_tokens=self.batch_tokens)
            else:
                yield indices, trie, prefix_batches(trie, batch_tokens=self.batch_tokens, costs=self._costs)


class _Passes:
    """The forward passes of some batches in their order, with what the model keeps of the open prefixes."""

    def __init__(self, adapter: ModelAdapter, way: Continuing) -> None:
        self._adapter, self._way = adapter, way
        self._open: list[Kept | None] = []

    def at_targets(self, batch: Batch, ids: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Head | None]:
        """What stands at these places of a batch: see ``ModelAdapter.at_targets``."""
        del self._open[batch.depth :]
        if not batch.opens and not batch.depth:
            return self._adapter.at_targets(ids, rows, columns)
        states, kept = self._read(batch, ids)
        if batch.opens:
            self._open.append(kept)
        return states[rows, columns], self._adapter.head

    def _read(self, batch: Batch, ids: Tensor) -> tuple[Tensor, Kept]:
        if not batch.depth:
            return read(self._adapter, ids)
        before = self._open[-1]
        assert before is not None
        if batch.ends:
            self._open[-1] = None  # so that it is freed as soon as there are copies
        behind = before if batch.ends and len(ids) == 1 else before.copies(len(ids))
        del before
        return go_on(self._adapter, ids, behind, self._way)
