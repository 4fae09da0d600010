"""Consecutive pieces of a stream, so that its length does not matter to memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["growing_chunks"]

T = TypeVar("T")


def growing_chunks(
    items: Iterable[T], *, weigh: Callable[[T], int], first: int = 16, largest: int = 1024, max_weight: int = 2**20
) -> Iterator[list[T]]:
    """Consecutive items in lists: ``first`` of them, then twice as many each time up to ``largest``.

    The first is small, so that the first results come soon; later ones give an engine much to plan with. A chunk ends
    early once its items weigh ``max_weight`` together, or where reading the next item fails: what was read is handed on
    before the error is. No item is read before the chunk it belongs to is asked for.
    """
    size, weight = first, 0
    chunk: list[T] = []
    iterator = iter(items)
    while True:
        try:
            item = next(iterator)
        except StopIteration:
            break
        except Exception:
            if chunk:
                yield chunk
            raise
        chunk.append(item)
        weight += weigh(item)
        if len(chunk) >= size or weight >= max_weight:
            yield chunk
            size, chunk, weight = min(largest, 2 * size), [], 0
    if chunk:
        yield chunk
