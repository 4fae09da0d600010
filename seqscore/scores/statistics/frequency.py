"""How often tokens occur, by rank: Zipf's law says that the r-th most frequent occurs about 1 / r times as often."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False, slots=True)
class RankFrequency:
    """Tokens by how often they occur, most frequent first; of equally frequent ones the smaller id first.

    Shape: ``token_ids`` and ``counts`` [distinct tokens], int64.
    """

    token_ids: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        """Tokens that were counted."""
        return int(self.counts.sum())

    @property
    def expected(self) -> NDArray[np.float64]:
        """What Zipf's law would have for the same total: total / (r H_n), H_n the sum of 1 / r over all ranks."""
        shares = 1.0 / np.arange(1, len(self.counts) + 1)
        return self.total * shares / shares.sum() if len(shares) else shares


def rank_frequency(texts: Iterable[ArrayLike]) -> RankFrequency:
    """Count the token ids of texts, one array of ids a text; memory grows with the number of distinct tokens."""
    found: dict[int, int] = {}
    for ids in texts:
        values, counts = np.unique(np.asarray(ids, np.int64), return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            found[value] = found.get(value, 0) + count
    ranked = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    return RankFrequency(
        np.array([token for token, _ in ranked], np.int64), np.array([count for _, count in ranked], np.int64)
    )
