"""How many rows run together: a count of rows cut into packs of the sizes that may be used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

_PACK_COST = 24
"""What a pack costs beside its rows, in rows: passes over the weights, calls. Measured, float32 on a CPU."""


def cut_rows(count: int, sizes: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(rows, size) of packs that together hold ``count`` rows, rows <= size, each size one of ``sizes``.

    Full packs of the largest size, then the cheapest way to hold the rest: one pack with some room left, or several
    small ones.
    """
    descending = tuple(sorted(sizes, reverse=True))
    largest = descending[0]
    full, rest = divmod(count, largest)
    return ((largest, largest),) * full + _cheapest(rest, descending)


@lru_cache(maxsize=4096)
def _cheapest(count: int, sizes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """The cover of ``count`` rows that costs least, larger packs first."""
    packs = []
    for size in sorted(_covers(sizes)[count], reverse=True):
        rows = min(size, count)
        packs.append((rows, size))
        count -= rows
    return tuple(packs)


@lru_cache(maxsize=16)
def _covers(sizes: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """For every number of rows below the largest size, the sizes that cost least; of equal ones the fewest."""
    best: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]
    for rows in range(1, sizes[0]):
        options = []
        for size in sizes:
            cost, number, chosen = best[max(0, rows - size)]
            options.append((cost + size + _PACK_COST, number + 1, (*chosen, size)))
        best.append(min(options, key=lambda option: option[:2]))
    return tuple(chosen for _, _, chosen in best)
