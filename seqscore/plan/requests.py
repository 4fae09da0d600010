"""The unit of work that an engine is given: a stretch of tokens and which of them are targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """Score ``ids[first_target:]``, each given everything before it: log p(ids[t] | ids[:t]) for t >= first_target.

    Shape: ``ids`` [n], int64; 1 <= first_target < n. The last token is a target alone, so a model reads ``ids[:-1]``.
    """

    ids: NDArray[np.int64]
    first_target: int

    def __post_init__(self) -> None:
        if not 1 <= self.first_target < len(self.ids):
            raise ValueError(f"first_target must be 1 to {len(self.ids) - 1}, got {self.first_target}")

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
