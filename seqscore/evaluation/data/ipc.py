"""How many bytes the compressed buffers of an Arrow file say that they come to, before any is decompressed.

The layout is that of the Arrow columnar format: a message has a FlatBuffer with the place of every buffer of its body,
and a compressed buffer begins with its uncompressed length, 8 bytes, -1 where it is stored as it is.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_TYPE, _HEADER = 1, 2  # fields of a message
_DATA = 1  # of a batch of a dictionary
_BUFFERS, _COMPRESSION = 2, 3  # of a batch of rows


def largest_batch(stream: BinaryIO, *, is_file: bool) -> tuple[int, int]:
    """Of the batch that comes to most: its bytes when decompressed, 0 where none is compressed, and as it is stored.

    ``is_file``: the messages stand behind a magic word, as in a file, and not at the beginning, as in a stream.
    """
    import pyarrow as pa

    stream.seek(8 if is_file else 0)
    found = (0, 0)
    messages = pa.ipc.MessageReader.open_stream(stream)
    while (message := _next(messages)) is not None:
        found = max(found, (_uncompressed(message), 0 if message.body is None else message.body.size))
    return found


def _next(messages: Any) -> Any:
    try:
        return messages.read_next_message()
    except StopIteration:
        return None


def _uncompressed(message: Any) -> int:
    table = _Table(message.metadata.to_pybytes(), None)
    kind, header = table.byte(_TYPE), table.table(_HEADER)
    if kind == _DICTIONARY_BATCH and header is not None:
        header = header.table(_DATA)
    elif kind != _RECORD_BATCH:
        return 0
    if header is None or header.table(_COMPRESSION) is None or message.body is None:
        return 0
    body, total = memoryview(message.body), 0
    for offset, length in header.pairs(_BUFFERS):
        if length >= 8 and 0 <= offset <= len(body) - 8:
            total += max(0, struct.unpack_from("<q", body, offset)[0])
    return total


class _Table:
    """A table of a FlatBuffer: values at places that another table, the vtable, tells."""

    def __init__(self, data: bytes, at: int | None) -> None:
        self._data = data
        self._at = struct.unpack_from("<I", data)[0] if at is None else at
        self._names = self._at - struct.unpack_from("<i", data, self._at)[0]

    def _place(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot >= struct.unpack_from("<H", self._data, self._names)[0]:
            return None
        offset = struct.unpack_from("<H", self._data, self._names + slot)[0]
        return self._at + offset if offset else None

    def _reference(self, field: int) -> int | None:
        place = self._place(field)
        return None if place is None else place + int(struct.unpack_from("<I", self._data, place)[0])

    def byte(self, field: int) -> int:
        """A number of one byte; 0 where it is left out."""
        place = self._place(field)
        return 0 if place is None else self._data[place]

    def table(self, field: int) -> _Table | None:
        """A table within this one."""
        place = self._reference(field)
        return None if place is None else _Table(self._data, place)

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of pairs of numbers of eight bytes."""
        place = self._reference(field)
        if place is None:
            return []
        count = struct.unpack_from("<I", self._data, place)[0]
        return [struct.unpack_from("<qq", self._data, place + 4 + 16 * one) for one in range(count)]
