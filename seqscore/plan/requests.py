"""The unit of work that a model is given, a stretch of tokens and which of them are targets, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """Some words of a vocabulary, whose probability as a whole is asked for; one object for all targets that share it.

    ``peak``: whether that of the most probable one is asked for as well; without it a large subset costs less.

    Shape: ``ids`` [m], int64, ascending and distinct, m >= 1.
    """

    ids: NDArray[np.int64]
    peak: bool = True

    def __post_init__(self) -> None:
        if not len(self.ids) or self.ids[0] < 0 or (np.diff(self.ids) <= 0).any():
            raise ValueError("the ids of a subset must be ascending and distinct, and one at least")


@dataclass(frozen=True, slots=True)
class Request:
    """Score ``ids[first_target:]``, each given everything before it: log p(ids[t] | ids[:t]) for t >= first_target.

    At some places also log sum_(v in S) p(v | ids[:t]) for one of ``subsets`` each, the one that ``subset_of`` names.

    Shape: ``ids`` [n], int64; 1 <= first_target < n. The last token is a target alone, so a model reads ``ids[:-1]``.
    ``subset_of`` [num_targets], int64, -1 where no subset is asked for; None: nowhere. ``source`` [m], int64: what an
    encoder reads, given which every target is scored. ``num_behind``: how many of the last ids are no targets, for a
    model that sees both sides of a target, and reads all of ``ids`` but the target itself. ``hidden`` [num_targets, 2]:
    for such a model the stretch of ``ids``, its end exclusive, that is not read to score each target, which stands in
    it; None: the target alone.
    """

    ids: NDArray[np.int64]
    first_target: int
    subsets: tuple[Subset, ...] = ()
    subset_of: NDArray[np.int64] | None = None
    source: NDArray[np.int64] | tuple[()] = ()
    num_behind: int = 0
    hidden: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.first_target < len(self.ids) - self.num_behind or self.num_behind < 0:
            last = len(self.ids) - self.num_behind - 1
            raise ValueError(f"first_target must be 1 to {last}, got {self.first_target}")
        if self.subset_of is not None and len(self.subset_of) != self.num_targets:
            raise ValueError(f"subset_of must have {self.num_targets} entries, got {len(self.subset_of)}")

        if self.hidden is not None:
            self._check_hidden(self.hidden)

    def _check_hidden(self, hidden: NDArray[np.int64]) -> None:
        targets = np.arange(self.num_targets) + self.first_target
        fits = hidden.shape == (len(targets), 2)
        if fits:
            begins, ends = hidden[:, 0], hidden[:, 1]
            fits = bool(((begins >= 1) & (begins <= targets) & (ends > targets) & (ends <= len(self.ids))).all())
        if not fits:
            raise ValueError("hidden must name a stretch of ids around each target")

    @property
    def inputs(self) -> NDArray[np.int64]:
        """[n - 1]: what the model reads."""
        return self.ids[:-1]

    @property
    def targets(self) -> NDArray[np.int64]:
        """[num_targets]: what is scored."""
        return self.ids[self.first_target : len(self.ids) - self.num_behind]

    @property
    def num_inputs(self) -> int:
        """Positions that the model reads."""
        return len(self.ids) - 1

    @property
    def num_targets(self) -> int:
        """Positions that are scored."""
        return len(self.ids) - self.first_target - self.num_behind


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Values:
    """What a model says about targets, those of one request or of several one after another.

    Shape: [num_targets] each. ``logprobs`` float64, nats, computed as target_logit - logsumexp in float32 or better;
    NaN: the forward pass gave NaN. What follows may be None where the model does not give it, or nobody asked:
    ``greedy``: the target's logit is the maximum; ``ties``: it is, and another logit equals it; ``ranks``: int64, 1 +
    number of strictly greater logits; ``entropies``: float64, nats; ``masses``: where a request names a subset S of the
    vocabulary, log sum_(v in S) p(v), float64, nats, NaN elsewhere; ``peaks``: likewise log max_(v in S) p(v), where
    the subset asks for it; ``top_ids``, ``top_logprobs`` [num_targets, k]: int64, and float64, nats, the most probable
    words at each place, in order, of equally probable ones the first; a model that gives fewer, or no ids, has NaN and
    -1 there.
    """

    logprobs: NDArray[np.float64]
    greedy: NDArray[np.bool_] | None = None
    ties: NDArray[np.bool_] | None = None
    ranks: NDArray[np.int64] | None = None
    entropies: NDArray[np.float64] | None = None
    masses: NDArray[np.float64] | None = None
    peaks: NDArray[np.float64] | None = None
    top_ids: NDArray[np.int64] | None = None
    top_logprobs: NDArray[np.float64] | None = None

    def given(self) -> dict[str, NDArray[Any]]:
        """Name and array of what is there."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: array for name, array in named if array is not None}

    def take(self, places: NDArray[np.int64] | slice) -> Values:
        """The values of some targets; of a slice without a copy."""
        return Values(**{name: array[places] for name, array in self.given().items()})

    def split(self, counts: Sequence[int]) -> list[Values]:
        """The reverse of ``concatenate``: the first ``counts[0]`` targets, the next ``counts[1]``, ..."""
        bounds = np.cumsum([0, *counts]).tolist()
        return [self.take(slice(begin, end)) for begin, end in pairwise(bounds)]

    @staticmethod
    def concatenate(parts: Sequence[Values]) -> Values:
        """The values of the parts, one at least, one after another; all of them give the same."""
        names = parts[0].given()
        return Values(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def common_subsets(requests: Sequence[Request]) -> tuple[tuple[Subset, ...], list[NDArray[np.int64]]]:
    """One table of the requests' subsets, and for each request the place of each target's subset there, -1: none."""
    numbers: dict[Subset, int] = {}
    places: list[NDArray[np.int64]] = []
    for request in requests:
        if request.subset_of is None:
            places.append(np.full(request.num_targets, -1, np.int64))
            continue
        own = [numbers.setdefault(subset, len(numbers)) for subset in request.subsets]
        places.append(np.array([*own, -1], np.int64)[request.subset_of])
    return tuple(numbers), places
