"""The probability of a subset of the vocabulary as a whole, next to that of a target.

    mass(S) = log sum_(v in S) p(v) = logsumexp_(v in S) z_v - logsumexp_v z_v,    peak(S) = log max_(v in S) p(v)

Each pair of a row and a subset has a running maximum of its own: a subset of probability 1e-60 has a mass as exact as
that of a likely one. Where no peak is asked for, the subset may be half of the vocabulary: its mass is then a sum over
the weights that the log-sum-exp has anyway, and only a mass too small for these is computed as the others are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.requests import Subset

if TYPE_CHECKING:
    import torch
    from torch import Tensor

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SubsetsAsked:
    """Which subset is asked for at each of p targets.

    Shape: ``numbers`` [p], int64: a place in ``subsets`` and ``tensors`` (their ids on the device), -1 for none.
    """

    subsets: tuple[Subset, ...]
    tensors: tuple[Tensor, ...]
    numbers: IntArray

    def part(self, rows: slice) -> SubsetsAsked:
        """Of some of the targets."""
        return SubsetsAsked(self.subsets, self.tensors, self.numbers[rows])

    def at(self, numbers: IntArray) -> SubsetsAsked:
        """The same subsets, asked for at other targets."""
        return SubsetsAsked(self.subsets, self.tensors, numbers)

    def groups(self) -> Iterator[tuple[int, IntArray]]:
        """Each subset that is asked for, and the targets that ask for it."""
        for number in np.unique(self.numbers[self.numbers >= 0]).tolist():
            yield number, np.flatnonzero(self.numbers == number)

    def with_peak(self, peak: bool) -> SubsetsAsked:
        """Of the subsets whose peak is asked for, or of the others."""
        wanted = np.array([one.peak is peak for one in self.subsets] + [False])[self.numbers]
        return self.at(np.where(wanted, self.numbers, -1))

    def mask(self, number: int, vocabulary: int, dtype: torch.dtype) -> Tensor:
        """[V]: 1 at the words of a subset, else 0."""
        import torch

        ids = self.tensors[number]
        return torch.zeros(vocabulary, dtype=dtype, device=ids.device).index_fill_(0, ids, 1.0)


def asked_of(subsets: tuple[Subset, ...], numbers: IntArray, device: torch.device) -> SubsetsAsked | None:
    """What is asked for of a run; None where it is nothing."""
    import torch

    if not subsets:
        return None
    return SubsetsAsked(subsets, tuple(torch.tensor(one.ids, device=device) for one in subsets), numbers)


def masses_of_rows(logits: Tensor, logsumexp: Tensor, asked: SubsetsAsked) -> tuple[FloatArray, FloatArray]:
    """[p] masses and peaks of logits [p, V] whose logsumexp [p] is known; NaN where no subset is asked for."""
    import torch

    masses, peaks = (np.full(len(logits), np.nan) for _ in range(2))
    for number, places in asked.groups():
        rows = torch.from_numpy(places).to(logits.device)
        if asked.subsets[number].peak:
            part = logits[rows[:, None], asked.tensors[number]]
            peaks[places] = (part.amax(1) - logsumexp[rows]).double().cpu().numpy()
        else:  # of many words a copy of all of them takes less time than of these
            part = logits.index_select(0, rows) + asked.mask(number, logits.shape[1], logits.dtype).log_()
        masses[places] = (part.logsumexp(1) - logsumexp[rows]).double().cpu().numpy()
    return masses, peaks


class RunningMasses:
    """Sums over subsets of rows of logits, tile after tile over the vocabulary.

    Args:
        hidden: [k, D], of the rows; only its dtype and device are used.
        rows: [p], for each target the row that predicts it.
        asked: which subset each target asks for.
    """

    def __init__(self, hidden: Tensor, rows: IntArray, asked: SubsetsAsked) -> None:
        self._asked = asked
        self._groups = [_Group(hidden, rows, number, places) for number, places in asked.groups()]

    def add(self, logits: Tensor, begin: int) -> None:
        """One more tile [k, w], of the words from ``begin`` on."""
        for group in self._groups:
            ids = self._asked.subsets[group.number].ids
            first, last = np.searchsorted(ids, [begin, begin + logits.shape[1]])
            if first < last:
                group.add(logits[group.rows[:, None], self._asked.tensors[group.number][first:last] - begin])

    def values(self, maximum: Tensor, total: Tensor) -> tuple[FloatArray, FloatArray]:
        """[p] masses and peaks, given the maximum [k] and sum_v exp(z_v - maximum) [k] over the whole vocabulary."""
        masses, peaks = (np.full(len(self._asked.numbers), np.nan) for _ in range(2))
        for group in self._groups:
            # In the order of operations of the targets' own values, so that a subset of one word has its very bits.
            peak = group.maximum.double() - maximum[group.rows].double() - total[group.rows].log()
            mass = peak + group.total.log()
            # Where every word of the subset is ruled out the maximum is a stand-in for -inf.
            peaks[group.places] = peak.where(group.total > 0, float("-inf")).cpu().numpy()[group.inverse]
            masses[group.places] = mass.cpu().numpy()[group.inverse]
        return masses, peaks


class WeighedMasses:
    """Sums over subsets of the weights exp(z - m) of rows of logits, m their running maximum, tile after tile.

    Args:
        hidden: [k, D], of the rows; only its dtype and device are used.
        rows: [p], for each target the row that predicts it.
        asked: which subset each target asks for.
        vocabulary: V.
    """

    _LEAST = 1e-24
    """Of a smaller sum too much is below what a float32 weight can hold."""

    def __init__(self, hidden: Tensor, rows: IntArray, asked: SubsetsAsked, vocabulary: int) -> None:
        import torch

        dtype = torch.promote_types(hidden.dtype, torch.float32)
        self._asked = asked
        self._spare: Tensor | None = None
        self._groups = [_Group(hidden, rows, number, places) for number, places in asked.groups()]
        self._masks = [asked.mask(group.number, vocabulary, dtype) for group in self._groups]

    def add(self, weights: Tensor, shrink: Tensor, begin: int) -> None:
        """One more tile of weights [k, w], of the words from ``begin`` on; those before shrink by ``shrink`` [k]."""
        for group, mask in zip(self._groups, self._masks, strict=True):
            own = mask[begin : begin + weights.shape[1]]
            if 2 * len(group.rows) > len(weights):  # to copy most of the rows takes longer than to sum up all of them
                part = self._product(weights, own).sum(1)[group.rows]
            else:
                part = self._product(weights.index_select(0, group.rows), own).sum(1)
            group.total = group.total * shrink[group.rows] + part

    def _product(self, weights: Tensor, mask: Tensor) -> Tensor:
        """weights * mask, in memory that is taken once."""
        import torch

        if self._spare is None or self._spare.numel() < weights.numel():
            self._spare = torch.empty(weights.numel(), dtype=weights.dtype, device=weights.device)
        return torch.mul(weights, mask, out=self._spare[: weights.numel()].view(weights.shape))

    def values(self, total: Tensor) -> tuple[FloatArray, SubsetsAsked | None]:
        """[p] masses, given sum_v exp(z_v - m) [k]; and what is too small to be had so, None where nothing is."""
        masses, small = np.full(len(self._asked.numbers), np.nan), np.full(len(self._asked.numbers), -1, np.int64)
        for group in self._groups:
            found = (group.total.log() - total[group.rows].log()).cpu().numpy()[group.inverse]
            masses[group.places] = np.minimum(found, 0.0)
            is_small = (group.total < self._LEAST).cpu().numpy()[group.inverse]
            small[group.places[is_small]] = group.number
        return masses, self._asked.at(small) if (small >= 0).any() else None


class _Group:
    """The rows at which one subset is asked for, each once. Shape: [rows]; ``places``, ``inverse``: its targets."""

    def __init__(self, hidden: Tensor, rows: IntArray, number: int, places: IntArray) -> None:
        import torch

        distinct, self.inverse = np.unique(rows[places], return_inverse=True)
        self.number, self.places = number, places
        self.rows = torch.from_numpy(distinct).to(hidden.device)
        dtype = torch.promote_types(hidden.dtype, torch.float32)
        self.maximum = torch.full((len(distinct),), torch.finfo(dtype).min, dtype=dtype, device=hidden.device)
        self.total = torch.zeros(len(distinct), dtype=torch.float64, device=hidden.device)

    def add(self, logits: Tensor) -> None:
        """Those of one more tile, [rows, words of the subset in it]."""
        import torch

        maximum = torch.maximum(self.maximum, logits.amax(1))
        fall = (self.maximum - maximum).double()
        self.total = self.total * fall.exp() + logits.sub_(maximum[:, None]).exp_().sum(1)
        self.maximum = maximum
