"""What whole texts come to, without the values of their tokens one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Totals:
    """Of n texts, all of whose tokens are scored, the sums that their scores would have.

    Shape: ``log_likelihoods`` [n] float64, nats, each rounded once; ``num_scored``, ``num_unknown``, ``num_bytes`` [n]
    int64: tokens, unknown ones among them, and UTF-8 bytes that they stand for. ``start_token``: what stands in front
    of each.
    """

    log_likelihoods: NDArray[np.float64]
    num_scored: NDArray[np.int64]
    num_unknown: NDArray[np.int64]
    num_bytes: NDArray[np.int64]
    start_token: int | None

    def __len__(self) -> int:
        return len(self.log_likelihoods)
