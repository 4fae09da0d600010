"""What rows that are copied go by, of files and of tables: the buckets in their order, and where bytes are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class Sink(Protocol):
    """Something that bytes are written to."""

    def write(self, data: bytes, /) -> Any:
        """Write all of them."""


class Rows:
    """The buckets of the rows, one after the other; each is told once, however the files are cut."""

    def __init__(self, buckets: Iterator[str]) -> None:
        self._buckets = buckets
        self._next: str | None = None
        self.count = 0

    def peek(self) -> str | None:
        """The bucket of the next row; None where there is none."""
        if self._next is None:
            self._next = next(self._buckets, None)
        return self._next

    def take(self) -> str | None:
        """The same, and go on to the row behind it."""
        found, self._next = self.peek(), None
        self.count += found is not None
        return found
