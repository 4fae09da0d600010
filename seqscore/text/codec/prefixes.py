"""Which tokens of a vocabulary begin with some bytes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

_KEPT = 1024


class PrefixTable:
    """A vocabulary in the order of its tokens' bytes.

    Args:
        pieces: id -> bytes.
        numbers: the ids to be found.
        continues: whether a token is marked as one that continues a word; such tokens are a vocabulary of their own.
    """

    def __init__(self, pieces: Mapping[int, bytes], numbers: Iterable[int], continues: Callable[[int], bool]) -> None:
        self._continues = continues
        ordered = sorted((continues(number), pieces[number], number) for number in numbers)
        self._keys = [(marked, piece) for marked, piece, _ in ordered]
        self._ids = np.array([number for _, _, number in ordered], dtype=np.int64)
        self._found: dict[tuple[bool, bytes], NDArray[np.int64]] = {}

    def beginning_with(self, prefix: bytes, *, like: int) -> NDArray[np.int64]:
        """Ids, ascending, of the tokens that begin with ``prefix`` and are marked as ``like`` is. The same array again
        for the same prefix, as long as not very many others were asked for."""
        key = (self._continues(like), prefix)
        found = self._found.get(key)  # once: another thread may clear what is kept
        if found is None:
            if len(self._found) >= _KEPT:
                self._found.clear()
            first, last = bisect_left(self._keys, key), bisect_left(self._keys, (key[0], _behind(prefix)))
            found = np.sort(self._ids[first:last])
            found.flags.writeable = False
            self._found[key] = found
        return found


def _behind(prefix: bytes) -> bytes:
    """The least bytes that are greater than everything that begins with ``prefix``."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else b"\xff" * (len(prefix) + 1)
