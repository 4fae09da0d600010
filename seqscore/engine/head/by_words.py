"""Values of targets, a tile of the vocabulary after another: some words for all rows, with a running maximum and sum.

    log p(t) = z_t - m - log sum_v exp(z_v - m),    m = max_v z_v

A tile of logits [k, w] stays in the processor's cache while it is reduced, and [k, V] never exists (Milakov and
Gimelshein 2018 give the running form). The maximum, the flags and the target's logit come from the same tile.
``by_rows`` cuts the other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.head.masses import RunningMasses, SubsetsAsked, WeighedMasses
from seqscore.engine.head.top import RunningTop
from seqscore.plan.requests import Values
from seqscore.policies import Extra, top_k_of

if TYPE_CHECKING:
    from torch import Tensor

    from seqscore.models.architecture.adapter import Head

IntArray = NDArray[np.int64]

TILE_WORDS = 4096


def tiled_values(
    hidden: Tensor,
    head: Head,
    rows: IntArray,
    targets: IntArray,
    *,
    extras: frozenset[Extra],
    asked: SubsetsAsked | None = None,
) -> Values:
    """Values of targets [p], each predicted by the hidden state in ``rows`` [p] of ``hidden`` [k, D].

    Logits are float32 (float64 for a float64 model), sums over tiles float64. With ranks the logits of all k rows are
    kept until the end: k bounds the memory.
    """
    running = _Running(hidden, extras)
    where = _Targets(hidden, rows, targets)
    masses = None if asked is None else RunningMasses(hidden, rows, asked.with_peak(True))
    weighed = None if asked is None else WeighedMasses(hidden, rows, asked.with_peak(False), len(head.weight))
    top_k = top_k_of(extras)
    top = RunningTop(hidden, top_k) if top_k else None
    for begin, logits in _tiles(hidden, head):
        where.look_up(logits, begin)
        if masses is not None:
            masses.add(logits, begin)
        if top is not None:
            top.add(logits, begin)
        weights, shrink = running.add(logits)
        if weighed is not None:
            weighed.add(weights, shrink, begin)
    values = _values(running, where, extras)
    if top is not None:
        values = replace(values, **_most_probable(top, running, where))
    if masses is None or weighed is None:
        return values
    of_subsets, peaks = masses.values(running.maximum, running.total)
    of_weights, small = weighed.values(running.total)
    of_subsets = np.where(np.isnan(of_weights), of_subsets, of_weights)
    if small is not None:
        again = RunningMasses(hidden, rows, small)
        for begin, logits in _tiles(hidden, head):
            again.add(logits, begin)
        of_subsets = np.where(small.numbers < 0, of_subsets, again.values(running.maximum, running.total)[0])
    return replace(values, masses=of_subsets, peaks=peaks)


def _tiles(hidden: Tensor, head: Head) -> Iterator[tuple[int, Tensor]]:
    """The first word of each tile, and its logits [k, w]."""
    for begin in range(0, len(head.weight), TILE_WORDS):
        yield begin, head.logits(hidden, slice(begin, begin + TILE_WORDS))


class _Running:
    """Maximum, sum and more of rows of logits, tile after tile. Shape: [k] each."""

    def __init__(self, hidden: Tensor, extras: frozenset[Extra]) -> None:
        import torch

        dtype = torch.promote_types(hidden.dtype, torch.float32)
        self._entropy, self._rank = "entropy" in extras, "rank" in extras
        # Not -inf: where every word of a tile is ruled out, -inf - (-inf) would be NaN.
        self.maximum = torch.full((len(hidden),), torch.finfo(dtype).min, dtype=dtype, device=hidden.device)
        self.total = torch.zeros(len(hidden), dtype=torch.float64, device=hidden.device)
        self.weighted = torch.zeros_like(self.total)
        """sum_v exp(z_v - m) (z_v - m)"""
        # In how many tiles a row's maximum stands; two equal words of one tile are seen by ``_Targets.doubled``.
        self.tiles_at_maximum = torch.zeros(len(hidden), dtype=torch.int64, device=hidden.device)
        self.tiles: list[Tensor] = []

    def add(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """One more tile [k, w]; its memory is used up unless ranks are asked for.

        Its weights exp(z - m), and by what the sums of the tiles before it had to be multiplied, [k].
        """
        import torch

        highest = logits.amax(1)
        maximum = torch.maximum(self.maximum, highest)
        again = torch.where(highest == self.maximum, self.tiles_at_maximum + 1, self.tiles_at_maximum)
        self.tiles_at_maximum = torch.where(highest > self.maximum, 1, again)
        fall = (self.maximum - maximum).double()
        shrink = fall.exp()
        if self._rank:
            self.tiles.append(logits)
            shifted = logits - maximum[:, None]
        else:
            shifted = logits.sub_(maximum[:, None])
        weights = shifted.exp() if self._entropy else shifted.exp_()
        if self._entropy:
            # With fall = m_old - m_new: exp(z - m_new) = exp(z - m_old) exp(fall), and z - m_new = z - m_old + fall. So
            # the sum over the tiles before becomes exp(fall) (weighted + fall * total). The two ``where`` keep 0 * inf
            # away: words that are ruled out, and the first tile, before which the maximum is a stand-in.
            part = torch.where(weights > 0, weights * shifted, 0.0).sum(1).double()
            self.weighted = shrink * (self.weighted + torch.where(self.total > 0, fall * self.total, 0.0)) + part
        self.total = self.total * shrink + weights.sum(1)
        self.maximum = maximum
        return weights, shrink


class _Targets:
    """The targets' own logits, each picked from the tile that holds its word. Shape: [p] each."""

    def __init__(self, hidden: Tensor, rows: IntArray, targets: IntArray) -> None:
        import torch

        dtype = torch.promote_types(hidden.dtype, torch.float32)
        self._order = np.argsort(targets, kind="stable")
        self._sorted = targets[self._order]
        self._rows, self._targets = rows, targets
        self._device = hidden.device
        self.rows = torch.from_numpy(rows).to(hidden.device)
        self.logits = torch.empty(len(targets), dtype=dtype, device=hidden.device)
        self.doubled = torch.zeros(len(targets), dtype=torch.bool, device=hidden.device)
        """Another word of the same tile has the same logit."""

    def look_up(self, logits: Tensor, begin: int) -> None:
        """Take those that this tile [k, w] of words from ``begin`` on holds."""
        import torch

        first, last = np.searchsorted(self._sorted, [begin, begin + logits.shape[1]])
        if first == last:
            return
        chosen = self._order[first:last]
        rows, words, places = (
            torch.from_numpy(part).to(self._device)
            for part in (self._rows[chosen], self._targets[chosen] - begin, chosen)
        )
        picked = logits[rows, words]
        self.logits[places] = picked
        equal = logits.index_select(0, rows) == picked[:, None]
        equal[torch.arange(len(rows), device=self._device), words] = False
        self.doubled[places] = equal.any(1)


def _values(running: _Running, where: _Targets, extras: frozenset[Extra]) -> Values:
    maximum, total = running.maximum[where.rows], running.total[where.rows]
    greedy = where.logits == maximum
    ties = greedy & (where.doubled | (running.tiles_at_maximum[where.rows] > 1))
    entropies = total.log() - running.weighted[where.rows] / total if "entropy" in extras else None
    return Values(
        logprobs=(where.logits.double() - maximum.double() - total.log()).cpu().numpy(),
        greedy=greedy.cpu().numpy(),
        ties=ties.cpu().numpy(),
        ranks=_ranks(running, where) if "rank" in extras else None,
        entropies=None if entropies is None else entropies.cpu().numpy(),
    )


def _most_probable(top: RunningTop, running: _Running, where: _Targets) -> dict[str, NDArray[Any]]:
    """Ids and log-probabilities [p, k], in the order of operations of the targets' own values."""
    logprobs = top.values.double() - running.maximum.double()[:, None] - running.total.log()[:, None]
    return {
        "top_ids": top.words[where.rows].cpu().numpy(),
        "top_logprobs": logprobs[where.rows].cpu().numpy(),
    }


def _ranks(running: _Running, where: _Targets) -> IntArray:
    import torch

    ranks = torch.ones(len(where.rows), dtype=torch.int64, device=where.rows.device)
    for tile in running.tiles:
        ranks += (tile.index_select(0, where.rows) > where.logits[:, None]).sum(1)
    return ranks.cpu().numpy()
