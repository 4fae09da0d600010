"""Consecutive pieces of a stream, so that its length does not matter to memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar, get_args

T = TypeVar("T")

ChunkPolicy: TypeAlias = Literal["growing", "full", "whole"]
"""How a stream is cut into the pieces that an engine plans at once.

``growing``: small pieces first, for somebody who waits for the first result. ``full``: as large as memory allows from
the start, each ending between items that share no beginning. ``whole``: all in one piece.
"""

CHUNK_POLICIES: tuple[ChunkPolicy, ...] = get_args(ChunkPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLimits:
    """``first``: how many items the first chunk may have; later ones twice as many each time, up to ``largest``.
    ``max_weight``: what the items of a chunk may weigh together."""

    first: int = 16
    largest: int = 1024
    max_weight: int = 2**20

    @property
    def grows(self) -> bool:
        """Whether the first chunk is smaller than the largest, since somebody waits for it."""
        return self.first < self.largest


GROWING = ChunkLimits()
FULL = ChunkLimits(first=1024, max_weight=2**22)


def chunks_of(
    items: Iterable[T],
    *,
    weigh: Callable[[T], int],
    count: Callable[[T], int] = lambda _: 1,
    belongs: Callable[[T, T], bool] = lambda previous, item: False,
    limits: ChunkLimits = GROWING,
) -> Iterator[list[T]]:
    """Consecutive items in lists, each as long as ``limits`` allow.

    A chunk ends where it is full, or where reading the next item fails: what was read is handed on before the error
    is. While chunks grow, no item is read before the chunk it belongs to is asked for. Chunks of full size go on for
    as long as the next item ``belongs`` to the one before it, up to twice the limits.

    Args:
        weigh: what an item adds to the weight of its chunk.
        count: how many items it counts for.
        belongs: whether the second of two neighbours should be planned together with the first.
    """
    reader = _Reader(items)
    size = limits.first
    while True:
        filling = _Filling(size, limits.max_weight)
        chunk: list[T] = []
        while reader.has_next() if filling.has_room(1) else _goes_on(chunk, reader, filling, belongs, limits):
            item = reader.next()
            chunk.append(item)
            filling.add(count(item), weigh(item))
        if not chunk:
            break
        yield chunk
        size = min(limits.largest, 2 * size)
    if reader.error is not None:
        raise reader.error


def _goes_on(
    chunk: list[T], reader: _Reader[T], filling: _Filling, belongs: Callable[[T, T], bool], limits: ChunkLimits
) -> bool:
    """Whether a full chunk takes the next item all the same."""
    if limits.grows or not filling.has_room(2) or not reader.has_next():
        return False
    return belongs(chunk[-1], reader.peek())


@dataclass(slots=True)
class _Filling:
    """How full a chunk is."""

    size: int
    max_weight: int
    total: int = 0
    weight: int = 0

    def has_room(self, times: int) -> bool:
        """Under ``times`` its limits."""
        return self.total < times * self.size and self.weight < times * self.max_weight

    def add(self, total: int, weight: int) -> None:
        """One item more."""
        self.total, self.weight = self.total + total, self.weight + weight


class _Reader(Generic[T]):
    """Items with a look at the next one; an error of the iterable is kept until what was read before it is used up."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._ahead: list[T] = []
        self._ended = False
        self.error: Exception | None = None

    def has_next(self) -> bool:
        """Whether there is a next item; reads it."""
        if not self._ahead and not self._ended:
            try:
                self._ahead.append(next(self._items))
            except StopIteration:
                self._ended = True
            except Exception as error:  # noqa: BLE001 - raised again, in its place
                self._ended, self.error = True, error
        return bool(self._ahead)

    def peek(self) -> T:
        """The next item, which stays."""
        return self._ahead[0]

    def next(self) -> T:
        """The next item."""
        return self._ahead.pop()
