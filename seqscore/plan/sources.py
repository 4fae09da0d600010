"""What a model with an encoder runs: each source once, each decoded stretch once, side by side where widths agree.

Only requests of equal width stand in one batch, and a width follows from a row's own length: so what is computed of a
row is the same whatever runs beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.requests import Request

IntArray = NDArray[np.int64]

_STEP = 64
"""Beyond 512 positions widths are multiples of it."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedRow:
    """A stretch that a decoder reads given one source: ``ids`` [n], and the ``requests`` that it answers, by number.

    Each of these reads the first of ``ids``, as many as it has inputs.
    """

    ids: IntArray
    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SourceGroup:
    """A source [m], as requests name it, and what is decoded given it."""

    source: IntArray
    rows: tuple[DecodedRow, ...]


def by_source(requests: Sequence[Request]) -> list[SourceGroup]:
    """The distinct sources in the order of their first requests. Inputs that another request's inputs of the same
    source begin with are not run by themselves: a decoder reads from left to right, so their values are in its row."""
    sources: dict[bytes, tuple[IntArray, list[int]]] = {}
    for number, request in enumerate(requests):
        source = np.asarray(request.source, np.int64)
        sources.setdefault(source.tobytes(), (source, []))[1].append(number)
    return [SourceGroup(source, tuple(_rows(requests, numbers))) for source, numbers in sources.values()]


def _rows(requests: Sequence[Request], numbers: Sequence[int]) -> list[DecodedRow]:
    """In lexicographic order what begins with some ids stands right behind them: from the end on, the row that was
    found last is the only one that may hold the next."""
    ordered = sorted(numbers, key=lambda number: requests[number].inputs.astype(">i8").tobytes(), reverse=True)
    found: list[tuple[IntArray, list[int]]] = []
    for number in ordered:
        ids = requests[number].inputs
        if found and np.array_equal(found[-1][0][: len(ids)], ids):
            found[-1][1].append(number)
        else:
            found.append((ids, [number]))
    return [DecodedRow(ids, tuple(sorted(answered))) for ids, answered in found]


def width_of(length: int, limit: int | None) -> int:
    """How wide a row of so many positions runs: 16, 32, 48, 64, 96, 128, 192, ... 512, then multiples of 64; at most
    ``limit``."""
    width = -(-length // _STEP) * _STEP if length > 512 else next(size for size in _small_widths() if size >= length)
    return width if limit is None else max(length, min(width, limit))


def _small_widths() -> Iterator[int]:
    """16, 32, 48, 64, 96, 128, 192, ...: a power of two, and one and a half of it from 48 on."""
    yield 16
    for power in count(5):
        yield 2**power
        yield 3 * 2 ** (power - 1)


def equal_widths(widths: Sequence[int], largest: Callable[[int], int]) -> Iterator[tuple[int, list[int]]]:
    """Batches of places whose widths agree, widest first: the width, and as many places as a power of two, at most
    ``largest(width)``, 1 at least."""
    of_width: dict[int, list[int]] = {}
    for place, width in enumerate(widths):
        of_width.setdefault(width, []).append(place)
    for width in sorted(of_width, reverse=True):
        places, most = of_width[width], max(1, largest(width))
        while places:
            size = 1 << (min(most, len(places)).bit_length() - 1)
            yield width, places[:size]
            places = places[size:]
