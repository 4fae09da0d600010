"""The k greatest logits of each row and their words, equal ones by the words' numbers.

So they are the same words whatever the tiles. Over tiles of the vocabulary a list of k words a row is kept up; [p, V]
never exists for them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def greatest(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Values and places [p, min(k, w)] of the greatest of logits [p, w], descending; of equal ones the first."""
    count = min(k, logits.shape[1])
    values, places = logits.topk(min(count + 1, logits.shape[1]), dim=1)
    tied = (values[:, 1:] == values[:, :-1]).any(1).nonzero()[:, 0]
    values, places = values[:, :count], places[:, :count]
    if len(tied):  # of which torch promises no order
        values[tied], places[tied] = _in_order(logits[tied], count)
    return values, places


def _in_order(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The same by stable sorts, of few of the logits: the k greatest stand in the k groups of neighbours of which the
    maxima are greatest, of equal ones the first groups."""
    import torch

    rows, width = logits.shape
    size = math.isqrt(width // k)
    count = width // size
    if count <= k:
        return _first(logits, k)
    grouped = logits[:, : count * size].view(rows, count, size)
    groups = _first(grouped.amax(2), k)[1].sort(dim=1).values
    inside = groups[:, :, None] * size + torch.arange(size, device=logits.device)
    rest = torch.arange(count * size, width, device=logits.device).expand(rows, -1)  # fewer than a group
    places = torch.cat([inside.view(rows, -1), rest], dim=1)
    values, chosen = _first(logits.gather(1, places), k)
    return values, places.gather(1, chosen)


def _first(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k greatest in order, of equal ones the first."""
    ordered, places = values.sort(dim=1, descending=True, stable=True)
    return ordered[:, :k], places[:, :k]


class RunningTop:
    """The k greatest logits of rows and their words, tile after tile. Shape: ``values``, ``words`` [rows, k]."""

    def __init__(self, hidden: Tensor, k: int) -> None:
        import torch

        dtype = torch.promote_types(hidden.dtype, torch.float32)
        self._k = k
        self.values = torch.empty((len(hidden), 0), dtype=dtype, device=hidden.device)
        self.words = torch.empty((len(hidden), 0), dtype=torch.int64, device=hidden.device)

    def add(self, logits: Tensor, begin: int) -> None:
        """One more tile [rows, w], of the words from ``begin`` on, which are behind all words before."""
        import torch

        values, places = greatest(logits, self._k)
        # Both lists are in order, and of equal logits those of earlier tiles stand first: a stable sort keeps them so.
        values, words = torch.cat([self.values, values], dim=1), torch.cat([self.words, places + begin], dim=1)
        self.values, chosen = _first(values, self._k)
        self.words = words.gather(1, chosen)
