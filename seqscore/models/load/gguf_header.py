"""The header of a GGUF file, walked with bounds of its own before a reader builds it element by element.

The reader of the package gguf makes an object of every element that a header announces: 113 bytes that announce 2**40
take all memory. Here every count is held against the bytes that are left, and against what models in use have.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

from seqscore.errors import ModelError

_STRING, _ARRAY = 8, 9
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of each type of value but text and arrays, by the numbers that stand for them."""

_MOST_ENTRIES, _MOST_TENSORS, _MOST_ELEMENTS, _MOST_DIMENSIONS = 1 << 16, 1 << 20, 1 << 22, 8


def check_header(path: Path) -> None:
    """Walk entries and tensor descriptions of a GGUF file, of either byte order.

    Raises:
        ModelError: an array, text or tensor is larger than the file can hold, or than any model needs.
    """
    with path.open("rb") as file:
        if path.stat().st_size < 24:
            raise ModelError(f"{path} is not a whole GGUF file (it has {path.stat().st_size} bytes): fetch it again")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                _Walk(data, "<" if _is_little(data) else ">").header()
            except _TooMuch as error:
                raise ModelError(f"{path} is not a whole GGUF file ({error}): fetch it again") from error


class _TooMuch(Exception):
    pass


def _is_little(data: mmap.mmap) -> bool:
    """The version, a small number, stands behind the magic; the wrong way round it is a large one."""
    return 0 < int.from_bytes(data[4:8], "little") < 1 << 16


@dataclass(slots=True)
class _Walk:
    """A place in the file, from which numbers are read on."""

    data: mmap.mmap
    order: str
    place: int = 8
    elements: int = 0

    def header(self) -> None:
        tensors, entries = self._number("Q"), self._number("Q")
        self._bound(tensors, 24, _MOST_TENSORS, "tensors")
        self._bound(entries, 13, _MOST_ENTRIES, "entries")
        for _ in range(entries):
            self._skip(self._number("Q"), 1)
            self._value(self._number("I"))
        for _ in range(tensors):
            self._tensor()

    def _value(self, kind: int) -> None:
        if kind == _ARRAY:
            self._array()
        elif kind == _STRING:
            self._skip(self._number("Q"), 1)
        else:
            self._skip(1, self._width(kind))

    def _array(self) -> None:
        kind, count = self._number("I"), self._number("Q")
        width = 8 if kind == _STRING else self._width(kind)
        self._bound(count, width, _MOST_ELEMENTS - self.elements, "elements of arrays")
        self.elements += count
        if kind != _STRING:
            self._skip(count, width)
            return
        for _ in range(count):
            self._skip(self._number("Q"), 1)

    def _tensor(self) -> None:
        self._skip(self._number("Q"), 1)
        dimensions = self._number("I")
        self._bound(dimensions, 8, _MOST_DIMENSIONS, "dimensions")
        size = prod(self._number("Q") for _ in range(dimensions))
        self._skip(1, 12)
        if size > 8 * len(self.data):  # less than a bit a weight
            raise _TooMuch(f"a tensor of {size:,} weights in {len(self.data):,} bytes")

    def _width(self, kind: int) -> int:
        if kind not in _WIDTHS:
            raise _TooMuch(f"a value of unknown type {kind}")
        return _WIDTHS[kind]

    def _number(self, letter: str) -> int:
        layout = struct.Struct(self.order + letter)
        begin = self.place
        self._skip(1, layout.size)
        return int(layout.unpack_from(self.data, begin)[0])

    def _skip(self, count: int, width: int) -> None:
        self._bound(count, width, count, "bytes")
        self.place += count * width

    def _bound(self, count: int, width: int, most: int, what: str) -> None:
        left = len(self.data) - self.place
        if count * width > left:
            raise _TooMuch(f"{count * width:,} bytes of {what} are announced where {left:,} are left")
        if count > most:
            raise _TooMuch(f"{count:,} {what} are announced, more than any model has")
