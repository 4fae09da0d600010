"""Row counts at which a model's products give a row the same bits, whatever other rows stand beside it.

A matrix library chooses its way by the shape: with many threads it may split the inner dimension of a product, and the
sums then round otherwise. Which shapes change the way is not documented, so it is tried: every kind of linear layer of
the model runs the same rows at each row count, and only counts that give equal bits are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["CANDIDATES", "steady_products", "steady_row_counts", "whole_vectors"]

CANDIDATES = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Row counts that are tried, the last of them is the one that all others must agree with."""

_LANES_BYTES = 128
"""Two vectors of 64 bytes: torch computes element by element in steps of so many bytes, and what is left over in
another way, which for some functions (sigmoid, SiLU) gives other bits."""


def steady_row_counts(trunk: nn.Module, candidates: Sequence[int] = CANDIDATES) -> tuple[int, ...]:
    """Those of ``candidates`` at which every linear layer of ``trunk`` gives the bits that it gives at the largest."""
    steady = tuple(candidates)
    for product, weight, width in _kinds(trunk):
        steady = steady_products(product, width, like=weight, candidates=steady) if steady else ()
        steady = whole_vectors(steady, weight.numel() // width, weight.dtype)
    return tuple(sorted(steady)) or (max(candidates),)


def whole_vectors(counts: Sequence[int], numbers: int, dtype: torch.dtype) -> tuple[int, ...]:
    """Those of ``counts`` at which rows of so many numbers fill whole vectors of the processor."""
    lanes = _LANES_BYTES // dtype.itemsize
    return tuple(count for count in counts if count * numbers % lanes == 0)


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
    """One product of each kind (class, shape, dtype and device) with its weight and the width of its input.

    Routers of experts multiply by a plain weight: any matrix that no layer of another kind holds is taken for one.
    """
    import torch
    from torch.nn.functional import linear
    from transformers.pytorch_utils import Conv1D

    seen: set[tuple[type, torch.Size, torch.dtype, torch.device]] = set()
    for module in trunk.modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, torch.Tensor) or weight.dim() != 2 or isinstance(module, torch.nn.Embedding):
            continue
        kind = (type(module), weight.shape, weight.dtype, weight.device)
        if kind in seen:
            continue
        seen.add(kind)
        if isinstance(module, (torch.nn.Linear, Conv1D)):
            yield module, weight, int(weight.shape[1 if isinstance(module, torch.nn.Linear) else 0])
        else:
            yield partial(linear, weight=weight), weight, int(weight.shape[1])
