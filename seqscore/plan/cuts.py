"""How many rows run together: a count of rows cut into packs of the sizes that may be used."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["cut_rows"]

_PACK_COST = 24
"""What a pack costs beside its rows, in rows: passes over the weights, calls. Measured, float32 on a CPU."""


def cut_rows(count: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """(rows, size) of packs that together hold ``count`` rows, rows <= size, each size one of ``sizes``.

    Full packs of the largest size, then the cheapest way to hold the rest: one pack with some room left, or several
    small ones.
    """
    largest = max(sizes)
    full, rest = divmod(count, largest)
    return [(largest, largest)] * full + _cheapest(rest, sorted(sizes, reverse=True))


def _cheapest(count: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """The cover of ``count`` rows that costs least; of equal ones the one with the fewest packs, larger packs first."""
    best: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]
    for rows in range(1, count + 1):
        options = []
        for size in sizes:
            cost, number, chosen = best[max(0, rows - size)]
            options.append((cost + size + _PACK_COST, number + 1, (*chosen, size)))
        best.append(min(options, key=lambda option: option[:2]))
    packs = []
    for size in sorted(best[count][2], reverse=True):
        rows = min(size, count)
        packs.append((rows, size))
        count -= rows
    return packs
