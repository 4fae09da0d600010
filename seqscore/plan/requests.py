"""The unit of work that an engine is given: a stretch of tokens and which of them are targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """Some words of a vocabulary, whose probability as a whole is asked for; one object for all targets that share it.

    Shape: ``ids`` [m], int64, ascending and distinct, m >= 1.
    """

    ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.ids) or self.ids[0] < 0 or (np.diff(self.ids) <= 0).any():
            raise ValueError("the ids of a subset must be ascending and distinct, and one at least")


@dataclass(frozen=True, slots=True)
class Request:
    """Score ``ids[first_target:]``, each given everything before it: log p(ids[t] | ids[:t]) for t >= first_target.

    At some places also log sum_(v in S) p(v | ids[:t]) for one of ``subsets`` each, the one that ``subset_of`` names.

    Shape: ``ids`` [n], int64; 1 <= first_target < n. The last token is a target alone, so a model reads ``ids[:-1]``.
    ``subset_of`` [num_targets], int64, -1 where no subset is asked for; None: nowhere.
    """

    ids: NDArray[np.int64]
    first_target: int
    subsets: tuple[Subset, ...] = ()
    subset_of: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.first_target < len(self.ids):
            raise ValueError(f"first_target must be 1 to {len(self.ids) - 1}, got {self.first_target}")
        if self.subset_of is not None and len(self.subset_of) != self.num_targets:
            raise ValueError(f"subset_of must have {self.num_targets} entries, got {len(self.subset_of)}")

    @property
    def inputs(self) -> NDArray[np.int64]:
        """[n - 1]: what the model reads."""
        return self.ids[:-1]

    @property
    def targets(self) -> NDArray[np.int64]:
        """[num_targets]: what is scored."""
        return self.ids[self.first_target :]

    @property
    def num_inputs(self) -> int:
        """Positions that the model reads."""
        return len(self.ids) - 1

    @property
    def num_targets(self) -> int:
        """Positions that are scored."""
        return len(self.ids) - self.first_target


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
