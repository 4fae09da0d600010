"""Row counts at which a model's products give a row the same bits, whatever other rows stand beside it.

A matrix library chooses its way by the shape: with many threads it may split the inner dimension of a product, and the
sums then round otherwise. Which shapes change the way is not documented, so it is tried: every kind of linear layer of
the model runs the same rows at each row count, and only counts that give equal bits are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["CANDIDATES", "steady_products", "steady_row_counts"]

CANDIDATES = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Row counts that are tried, the last of them is the one that all others must agree with."""

_LANES_BYTES = 128
"""Two vectors of 64 bytes: torch computes element by element in steps of so many bytes, and what is left over in
another way, which for some functions (sigmoid, SiLU) gives other bits."""


def steady_row_counts(trunk: nn.Module, candidates: Sequence[int] = CANDIDATES) -> tuple[int, ...]:
    """Those of ``candidates`` at which every linear layer of ``trunk`` gives the bits that it gives at the largest."""
    steady = set(candidates)
    for layer, weight, width in _kinds(trunk):
        steady &= set(steady_products(layer, width, like=weight, candidates=sorted(steady)))
        lanes = _LANES_BYTES // weight.element_size()
        outputs = weight.numel() // width
        steady = {count for count in steady if count * outputs % lanes == 0}
    return tuple(sorted(steady or {max(candidates)}))


def steady_products(
    product: Callable[[Tensor], Tensor], width: int, *, like: Tensor, candidates: Sequence[int]
) -> tuple[int, ...]:
    """Those of ``candidates`` at which ``product`` of rows [n, width] gives the bits that it gives at the largest.

    Rows are tried from the front and from the back of the largest, so that their place is tried too.
    """
    import torch

    rows = torch.empty(max(candidates), width, dtype=like.dtype, device=like.device)
    rows.normal_(generator=torch.Generator(like.device).manual_seed(0))
    whole = product(rows)
    return tuple(
        count
        for count in candidates
        if torch.equal(product(rows[:count].clone()), whole[:count])
        and torch.equal(product(rows[-count:].clone()), whole[-count:])
    )


def _kinds(trunk: nn.Module) -> Iterator[tuple[Callable[[Tensor], Tensor], Tensor, int]]:
    """One linear layer of each kind (class, shape, dtype and device) with its weight and the width of its input."""
    import torch
    from transformers.pytorch_utils import Conv1D

    seen: set[tuple[type, torch.Size, torch.dtype, torch.device]] = set()
    for module in trunk.modules():
        if isinstance(module, (torch.nn.Linear, Conv1D)):
            weight: Tensor = module.weight
            kind = (type(module), weight.shape, weight.dtype, weight.device)
            if kind not in seen:
                seen.add(kind)
                yield module, weight, int(weight.shape[1 if isinstance(module, torch.nn.Linear) else 0])
