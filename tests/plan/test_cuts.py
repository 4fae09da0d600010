"""Counts of rows cut into packs: all rows, allowed sizes, the least cost, and each plan made once."""

from __future__ import annotations

from functools import cache

import pytest

from seqscore.plan import cuts
from seqscore.plan.cuts import cut_rows

SIZES = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)


def cost(packs: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    return sum(size + cuts._PACK_COST for _, size in packs), len(packs)


@cache
def cheapest(count: int, sizes: tuple[int, ...]) -> tuple[int, int]:
    """The least (cost, packs) by the definition: some first pack, and the least for the rest."""
    if count <= 0:
        return 0, 0
    options = (cheapest(count - size, sizes) for size in sizes)
    return min((rest + size + cuts._PACK_COST, number + 1) for size, (rest, number) in zip(sizes, options, strict=True))


@pytest.mark.parametrize("sizes", [SIZES, (16,), (15, 31), (16, 512), (512, 16, 48)])
def test_all_rows_in_allowed_sizes_at_the_least_cost(sizes: tuple[int, ...]) -> None:
    for count in range(2 * max(sizes) + 2):
        packs = cut_rows(count, sizes)
        assert sum(rows for rows, _ in packs) == count
        assert all(0 < rows <= size and size in sizes for rows, size in packs)
        full, rest = divmod(count, max(sizes))
        assert packs[:full] == ((max(sizes), max(sizes)),) * full
        assert cost(packs[full:]) == cheapest(rest, sizes)


def test_a_count_is_planned_once() -> None:
    """A large mixture of experts asks 6,144 times a pack."""
    cuts._cheapest.cache_clear()
    cuts._covers.cache_clear()
    for _ in range(3):
        for count in range(1, 600):
            cut_rows(count, list(SIZES))
    assert cuts._covers.cache_info().misses == 1 and cuts._cheapest.cache_info().misses == 512
