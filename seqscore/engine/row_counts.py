"""Row counts at which a model's products give a row the same bits, whatever other rows stand beside it.

A matrix library chooses its way by the shape: with many threads it may split the inner dimension of a product, and the
sums then round otherwise. Which shapes change the way is not documented, so it is tried: every kind of linear layer of
the model runs the same rows at each row count, and only counts that give equal bits are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from seqscore.engine.kept_trials import tried
from seqscore.models.architecture.tuners import own_layer

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

CANDIDATES = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Row counts that are tried, the last of them is the one that all others must agree with."""

_LANES_BYTES = 128
"""Two vectors of 64 bytes: torch computes element by element in steps of so many bytes, and what is left over in
another way, which for some functions (sigmoid, SiLU) gives other bits."""


def steady_row_counts(trunk: nn.Module, candidates: Sequence[int] = CANDIDATES) -> tuple[int, ...]:
    """Those of ``candidates`` at which every linear layer of ``trunk`` gives the bits that it gives at the largest.

    Tried once with each number of threads (``engine.kept_trials``).
    """
    product = f"layers at {', '.join(map(str, candidates))} rows"
    return tried(trunk).counts(product, candidates, lambda: _tried(trunk, tuple(candidates)))


def pack_row_counts(trunk: nn.Module, *, largest: int) -> tuple[int, ...]:
    """The row counts of packs of at most ``largest`` rows, ascending; the smallest one that is steady where none fits.

    Beyond the candidates a budget of ``largest`` is met by doubling: 1,024, 2,048, ... Each of these must agree with
    the largest candidate, with which all steady counts agree already.
    """
    steady = steady_row_counts(trunk)
    usable = [count for count in steady if count <= largest] or [min(steady)]
    size = 2 * CANDIDATES[-1]
    while size <= largest:
        if CANDIDATES[-1] in steady_row_counts(trunk, (CANDIDATES[-1], size)):
            usable.append(size)
        size *= 2
    return tuple(usable)


def _tried(trunk: nn.Module, candidates: tuple[int, ...]) -> tuple[int, ...]:
    steady = candidates
    for product, like, inputs, outputs in _kinds(trunk):
        steady = steady_products(product, inputs, like=like, candidates=steady) if steady else ()
        steady = whole_vectors(steady, outputs, like.dtype)
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
        if _same(product(rows[:count].clone()), whole[:count]) and _same(product(rows[-count:].clone()), whole[-count:])
    )


def _same(a: Tensor, b: Tensor) -> bool:
    """Equal, or NaN in both: damaged weights are no matter of row counts."""
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


def _kinds(trunk: nn.Module) -> Iterator[tuple[Callable[[Tensor], Tensor], Tensor, int, int]]:
    """One product of each kind (class, shape, dtype and device): itself, a tensor like its rows, how wide these are
    before and behind it.

    Routers of experts multiply by a plain weight: any matrix that no layer of another kind holds is taken for one.
    A layer with adapters is tried whole. Quantised layers hold their weights in a shape and dtype of their own; what
    they say of their widths counts.
    """
    import torch
    from torch.nn.functional import linear
    from transformers.pytorch_utils import Conv1D

    dtype = next((p.dtype for p in trunk.parameters() if p.is_floating_point()), torch.get_default_dtype())
    seen: set[tuple[object, ...]] = set()
    for module in trunk.modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, torch.Tensor) or weight.dim() != 2 or isinstance(module, torch.nn.Embedding):
            continue
        is_plain = weight.is_floating_point()
        like = weight if is_plain else torch.empty(0, dtype=dtype, device=weight.device)
        outputs, inputs = weight.shape
        product: Callable[[Any], Any]
        if isinstance(module, torch.nn.Linear) or isinstance(own_layer(module), torch.nn.Linear | Conv1D):
            widths: Any = module
            product, inputs, outputs = module, widths.in_features, widths.out_features
        elif isinstance(module, Conv1D):
            product, inputs, outputs = module, weight.shape[0], weight.shape[1]
        elif is_plain:
            product = partial(linear, weight=weight)
        else:
            continue
        kind = (type(module), type(weight), inputs, outputs, weight.dtype, weight.device)
        if kind not in seen:
            seen.add(kind)
            yield product, like, int(inputs), int(outputs)
