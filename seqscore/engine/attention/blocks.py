"""The attention backend for every device and dtype: blocks of queries that stand at fixed absolute positions.

The index lists and masks of a pack are made once as tensors and used by all of its layers. A block's shape depends on
its absolute position alone, so what a query computes does not depend on what stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.attention.base import FULL, LayerForm
from seqscore.engine.attention.kernels import attend, merge, never_seen
from seqscore.engine.row_counts import pack_row_counts
from seqscore.plan.packs import BLOCK, LocalBlocks, Pack, SharedPrefix

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

IntArray = NDArray[np.int64]


class BlockBackend:
    """Runs any layer that packs offer, on any device."""

    name: ClassVar[str] = "blocks"
    pack_tokens: ClassVar[int] = 512
    """Larger packs are slower on a CPU: what passes from layer to layer no longer stays in its cache."""

    def keeps_bits(self, device: torch.device, dtype: torch.dtype) -> bool:
        """On a CPU in float32 and float64."""
        import torch

        return device.type == "cpu" and dtype in (torch.float32, torch.float64)

    def row_counts(self, trunk: nn.Module, *, largest: int) -> tuple[int, ...]:
        """Those that were tried on the model's own products (``engine.row_counts``)."""
        return pack_row_counts(trunk, largest=largest)

    def prepare(self, pack: Pack, form: LayerForm) -> BlockAttention:
        """The lists and masks of a pack for layers of one form."""
        return BlockAttention(pack, form)


class BlockAttention:
    """One pack's attention in one form."""

    def __init__(self, pack: Pack, form: LayerForm) -> None:
        self._local = _Part([_local_group(local, form) for local in pack.local], pack.local_places, form)
        self._prefix = _Part(
            [_prefix_group(prefix, form) for prefix in pack.prefixes], _filled_up(pack.prefix_places), form
        )
        self._prefix_rows = _tensor(_by_head(pack.prefix_rows, form), form) if pack.prefixes else None
        self._form = form

    def attend(
        self, query: Tensor, keys: Tensor, values: Tensor, *, scale: float, cap: float | None
    ) -> tuple[Tensor, Tensor]:
        """(out [T, H, d], lse [T, H]) of queries [T, H, d] over memories of keys and values [slots, G, d]."""
        size, heads, width = query.shape
        folded = query.reshape(size * self._form.key_heads, self._form.fold * width)
        out, lse = self._local.attend(folded, keys, values, scale=scale, cap=cap)
        if self._prefix_rows is not None:
            prefix = self._prefix.attend(folded, keys, values, scale=scale, cap=cap)
            self._merge(out, lse, *prefix)
        return out.view(size, heads, width), lse.view(size, heads)

    def _merge(self, out: Tensor, lse: Tensor, prefix: Tensor, prefix_lse: Tensor) -> None:
        """Add the part over the shared prefix to the rows that have one, in place."""
        rows = self._prefix_rows
        assert rows is not None
        filled = _tensor_filled_up(rows, len(prefix))
        shape = (len(prefix), self._form.fold, -1)
        merged, merged_lse = merge(
            out.index_select(0, filled).view(shape), lse.index_select(0, filled), prefix.view(shape), prefix_lse
        )
        out.index_copy_(0, rows, merged[: len(rows)].flatten(1))
        lse.index_copy_(0, rows, merged_lse[: len(rows)])


@dataclass(frozen=True, slots=True)
class _Group:
    """Blocks of queries that run side by side.

    Shape: ``rows`` [n, q]: rows of the pack. ``keys``: slots as a slice, the same for all, or [n, S]. ``mask``
    [n, 1, q * fold, S], or None where every key is seen.
    """

    rows: IntArray
    keys: slice | Tensor
    mask: Tensor | None

    def read(self, memory: Tensor) -> Tensor:
        """[n or 1, S, G, d] of a memory [slots, G, d]."""
        if isinstance(self.keys, slice):
            return memory[self.keys][None]
        return memory.index_select(0, self.keys.reshape(-1)).view(*self.keys.shape, *memory.shape[1:])


class _Part:
    """Some of the keys of a pack's queries: groups one after another, and the way back to ``places`` among them."""

    def __init__(self, groups: Sequence[_Group], places: IntArray, form: LayerForm) -> None:
        self._groups = groups
        self._form = form
        if groups:
            self._rows = _tensor(np.concatenate([_block_rows(group.rows, form.key_heads) for group in groups]), form)
            self._places = _tensor(_block_places(groups, places, form.key_heads), form)

    def attend(
        self, folded: Tensor, keys: Tensor, values: Tensor, *, scale: float, cap: float | None
    ) -> tuple[Tensor, Tensor]:
        """(out [places * G, fold * d], lse [places * G, fold]) of folded queries [T * G, fold * d]."""
        import torch

        taken = folded.index_select(0, self._rows)
        width = folded.shape[1] // self._form.fold
        outs, lses, begin = [], [], 0
        for group in self._groups:
            count = group.rows.size * self._form.key_heads
            query = taken[begin : begin + count].view(len(group.rows), self._form.key_heads, -1, width)
            out, lse = attend(query, group.read(keys), group.read(values), mask=group.mask, scale=scale, cap=cap)
            outs.append(out.reshape(count, -1))
            lses.append(lse.reshape(count, -1))
            begin += count
        out, lse = (parts[0] if len(parts) == 1 else torch.cat(parts) for parts in (outs, lses))
        return out.index_select(0, self._places), lse.index_select(0, self._places)


def _local_group(local: LocalBlocks, form: LayerForm) -> _Group:
    return _Group(
        rows=local.query_rows,
        keys=_tensor(local.key_slots, form),
        mask=_mask(local.query_positions, local.key_positions, form),
    )


def _prefix_group(prefix: SharedPrefix, form: LayerForm) -> _Group:
    """Keys that are behind every window are left out; how many is decided by the span alone, and one block stays."""
    span = len(prefix.key_slots)
    first = 0 if form.window == FULL else max(0, (span - form.window) // BLOCK * BLOCK)
    first = min(first, span - BLOCK)
    if prefix.stretch is not None:
        keys: slice | Tensor = slice(prefix.stretch.start + first, prefix.stretch.stop)
    else:
        keys = _tensor(prefix.key_slots[None, first:], form)
    mask = None if form.window == FULL else _mask(prefix.query_positions, np.arange(first, span)[None], form)
    return _Group(rows=prefix.query_rows, keys=keys, mask=mask)


def _mask(queries: IntArray, keys: IntArray, form: LayerForm) -> Tensor:
    """[n, 1, q * fold, S]: 0 where a query sees a key, by their positions [n, q] and [n or 1, S]; else very low."""
    import torch

    distance = queries[:, :, None] - keys[:, None, :]
    seen = distance >= 0 if form.window == FULL else (distance >= 0) & (distance < form.window)
    mask = torch.zeros(seen.shape, dtype=form.dtype, device=form.device)
    mask.masked_fill_(torch.from_numpy(~seen).to(form.device), never_seen(form.dtype))
    return mask.repeat_interleave(form.fold, 1)[:, None]


def _block_rows(rows: IntArray, key_heads: int) -> IntArray:
    """The rows [T * G] of a pack's folded queries that blocks [n, q] of its rows take: block, key head, query."""
    return (rows[:, None, :] * key_heads + np.arange(key_heads)[:, None]).reshape(-1)


def _block_places(groups: Sequence[_Group], places: IntArray, key_heads: int) -> IntArray:
    """Places among all queries of groups (block, query) as places among their folded rows (block, key head, query)."""
    sizes = np.array([group.rows.size for group in groups])
    ends = np.cumsum(sizes)
    number = np.searchsorted(ends, places, side="right")
    begin = (ends - sizes)[number]
    queries = np.array([group.rows.shape[1] for group in groups])[number]
    block, query = np.divmod(places - begin, queries)
    first: IntArray = (begin + block * queries) * key_heads + query
    return np.add(first[:, None], queries[:, None] * np.arange(key_heads), dtype=np.int64).reshape(-1)


def _by_head(rows: IntArray, form: LayerForm) -> IntArray:
    return (rows[:, None] * form.key_heads + np.arange(form.key_heads)).reshape(-1)


def _filled_up(places: IntArray) -> IntArray:
    """As many as a multiple of a block: what is computed element by element then takes the same way for all of them."""
    return np.concatenate([places, np.zeros(-len(places) % BLOCK, np.int64)])


def _tensor_filled_up(rows: Tensor, length: int) -> Tensor:
    import torch

    return torch.cat([rows, rows.new_zeros(length - len(rows))])


def _tensor(values: IntArray, form: LayerForm) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values)).to(form.device)
