"""The engine of a masked model: a row of a forward pass for each target, only masked places through the head.

Rows of one width run side by side, and a row's width follows from its own length (``seqscore.plan.masks``), as many as
leave its bits alone: so a text's bits do not depend on what is scored beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.forward_passes import forward_passes
from seqscore.engine.head.by_rows import logits_values
from seqscore.engine.row_counts import CANDIDATES, pack_row_counts, steady_products, whole_vectors
from seqscore.models.architecture.adapter import ModelAdapter
from seqscore.models.architecture.masked_head import MaskedHead
from seqscore.models.architecture.probes import forward_inputs
from seqscore.plan.cuts import cut_rows
from seqscore.plan.masks import MaskedRows, masked_rows
from seqscore.plan.requests import Request, Values
from seqscore.plan.sources import width_of
from seqscore.policies import Extra

if TYPE_CHECKING:
    from torch import Tensor, nn

IntArray = NDArray[np.int64]

_TILE_BYTES = 32 * 2**20
"""What the logits may take that exist at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedReading:
    """How a masked model reads.

    ``mask``: stands in the place of what it does not see. ``padding``: stands where no token does; ``pads``: whether
    that changes nothing. ``limit``: positions that it reads at most; None: no limit.
    """

    mask: int
    padding: int
    pads: bool
    limit: int | None


class MaskOneEngine:
    """Runs a masked model.

    Args:
        adapter: the model.
        head: what it does behind its trunk; None where it must run whole.
        reading: how it reads.
        batch_tokens: positions that run at once, padding included, or one row.

    ``under_way``: while it runs, how many rows are done, and how many there are.
    """

    name: ClassVar[str] = "mask-one"

    def __init__(
        self, adapter: ModelAdapter, head: MaskedHead | None, reading: MaskedReading, *, batch_tokens: int
    ) -> None:
        self._adapter, self._head, self._reading, self.batch_tokens = adapter, head, reading, batch_tokens
        self._head_counts: dict[int, tuple[int, ...]] = {}
        self.under_way: tuple[int, int] | None = None

    def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """log p of each target given all other tokens of its request that are not masked with it."""
        found, order = [], []
        with forward_passes(self._adapter, batch_tokens=self.batch_tokens):
            for rows, logits in self._passes(asked):
                found.append(logits_values(logits, _on_device(rows.targets, logits), extras=extras))
                order.append(rows.order)
        if not found:
            return []
        values = Values.concatenate(found).take(np.argsort(np.concatenate(order)))
        return values.split([one.num_targets for one in asked])

    def logits(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """[targets, V], each with its own token masked."""
        if not requests:
            return np.empty((0, self._adapter.vocabulary))
        found, order = [], []
        with forward_passes(self._adapter, batch_tokens=self.batch_tokens):
            for rows, logits in self._passes(requests):
                found.append(logits.double().cpu().numpy())
                order.append(rows.order)
        in_order: NDArray[np.float64] = np.concatenate(found)[np.argsort(np.concatenate(order))]
        return in_order

    @property
    def lays_rows(self) -> bool:
        """Whether rows are laid so that their bits may not depend on what stands beside them."""
        import torch

        exact = self._adapter.dtype in (torch.float32, torch.float64)
        return self._adapter.device.type == "cpu" and exact and self._head is not None and self._reading.pads

    def _passes(self, requests: Sequence[Request]) -> Iterator[tuple[MaskedRows, Tensor]]:
        """Rows with the logits of their targets [p, V] in float32 or float64, a tile at a time."""
        done, total = 0, sum(one.num_targets for one in requests)
        try:
            for rows in masked_rows(requests, width_of=self._width_of, sizes=self._sizes):
                self.under_way = done, total
                yield from self._whole(rows) if self._head is None else self._behind_trunk(rows, self._head)
                done += len(rows.owners)
        finally:
            self.under_way = None

    def _whole(self, rows: MaskedRows) -> Iterator[tuple[MaskedRows, Tensor]]:
        """The model's own logits, which it gives of every place."""
        size = max(1, _TILE_BYTES // (4 * self._adapter.vocabulary * rows.width))
        for begin in range(0, len(rows.owners), size):
            part = rows.part(slice(begin, begin + size))
            yield part, self._widened(self._at_places(self._adapter.model, part))

    def _behind_trunk(self, rows: MaskedRows, head: MaskedHead) -> Iterator[tuple[MaskedRows, Tensor]]:
        import torch

        states, begin = self._at_places(head.trunk, rows), 0
        for used, size in cut_rows(len(states), self._head_rows(head)):
            filled = torch.nn.functional.pad(states[begin : begin + used], (0, 0, 0, size - used))
            yield rows.part(slice(begin, begin + used)), self._widened(head.logits(filled)[:used])
            begin += used

    def _at_places(self, module: nn.Module, rows: MaskedRows) -> Tensor:
        """What a module gives at the target of each row, [b, D] or [b, V]."""
        import torch

        device = self._adapter.device
        ids, seen = rows.masked(self._reading.mask, self._reading.padding)
        inputs = forward_inputs(module, torch.from_numpy(ids).to(device))
        if "attention_mask" in inputs:
            inputs["attention_mask"] = torch.from_numpy(seen).to(device)
        given: Tensor = module(**inputs)[0]
        return given[torch.arange(len(ids), device=device), torch.from_numpy(rows.places).to(device)]

    def _width_of(self, length: int) -> int:
        return width_of(length, self._reading.limit) if self._reading.pads else length

    def _sizes(self, width: int, count: int) -> list[int]:
        """As many rows at once as the budget holds; where bits are kept, a power of two of them at which the trunk's
        products give a row the bits that it has alone."""
        if not self.lays_rows:
            most = max(1, self.batch_tokens // width)
            return [min(most, count - begin) for begin in range(0, count, most)]
        assert self._head is not None
        steady = set(pack_row_counts(self._head.trunk, largest=max(self.batch_tokens, width)))
        most = 1
        while 2 * most * width <= self.batch_tokens and width in steady and 2 * most * width in steady:
            most *= 2
        sizes = [most] * (count // most)
        return sizes + [1 << bit for bit in range(most.bit_length() - 2, -1, -1) if count % most >> bit & 1]

    def _head_rows(self, head: MaskedHead) -> tuple[int, ...]:
        """How many rows may go through the head at once, tried with as many threads as torch has now."""
        import torch

        threads = torch.get_num_threads()
        if threads not in self._head_counts:
            most = max(CANDIDATES[0], _TILE_BYTES // (4 * self._adapter.vocabulary))
            candidates = tuple(count for count in CANDIDATES if count <= most)
            like = torch.empty(0, dtype=self._adapter.dtype, device=self._adapter.device)
            width = self._width_of_states(head)
            steady = steady_products(head.logits, width, like=like, candidates=candidates)
            self._head_counts[threads] = whole_vectors(steady, width, like.dtype) or (candidates[-1],)
        return self._head_counts[threads]

    def _width_of_states(self, head: MaskedHead) -> int:
        import torch

        ids = torch.zeros((1, 1), dtype=torch.int64, device=self._adapter.device)
        return int(head.trunk(**forward_inputs(head.trunk, ids))[0].shape[-1])

    def _widened(self, logits: Tensor) -> Tensor:
        import torch

        return logits.to(torch.promote_types(self._adapter.dtype, torch.float32))


def _on_device(array: IntArray, like: Tensor) -> Tensor:
    import torch

    return torch.from_numpy(array).to(like.device)
