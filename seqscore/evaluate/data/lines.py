"""Bytes of a file or of standard input, as lines: lazily, with limits, and with the place of every fault."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from seqscore.errors import InputError

__all__ = [
    "STANDARD_INPUT",
    "Line",
    "decoded",
    "open_bytes",
    "read_lines",
    "read_whole",
    "source_name",
    "suffix_of",
    "text_lines",
]

STANDARD_INPUT = "-"

_OPENERS: dict[str, Callable[[str], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_NOT_READ = frozenset({".zst", ".zip", ".7z", ".lz4", ".br"})
_READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)
_BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """One line. ``number`` counts from 1; ``offset`` is the place of its first byte in the (decompressed) file.

    ``end`` is what ended it: ``\\n``, ``\\r\\n``, or nothing at the end of the file. ``data`` is None where the line
    is longer than the limit.
    """

    number: int
    offset: int
    data: bytes | None
    end: bytes


def source_name(source: str) -> str:
    """How messages call a source."""
    return "standard input" if source == STANDARD_INPUT else repr(source)


def suffix_of(source: str) -> str:
    """The suffix that tells the kind of a file, in lower case, without that of a compression."""
    path = Path(source)
    return Path(path.stem).suffix.lower() if path.suffix.lower() in _OPENERS else path.suffix.lower()


@contextmanager
def open_bytes(source: str) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed where its name ends in .gz, .bz2 or .xz, or of standard input.

    Raises:
        InputError: there is no such file, it is a folder, it may not be read, or its compression is not known here.
    """
    if source == STANDARD_INPUT:
        buffer = getattr(sys.stdin, "buffer", None)
        if buffer is None:
            raise InputError("cannot read standard input: it is closed")
        yield buffer
        return
    suffix = Path(source).suffix.lower()
    if suffix in _NOT_READ:
        raise InputError(f"cannot read {source!r}: {suffix} is not decompressed here (.gz, .bz2 and .xz are)")
    try:
        stream = cast(BinaryIO, _OPENERS.get(suffix, _open_plain)(source))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {source!r}: {getattr(error, 'strerror', None) or error}") from error
    with stream:
        yield stream


def _open_plain(source: str) -> Any:
    return Path(source).open("rb")


def read_lines(stream: BinaryIO, name: str, *, limit: int) -> Iterator[Line]:
    r"""The lines of ``stream``: split at ``\n`` only, which a ``\r`` right before it belongs to.

    Nothing else ends a line, neither a lone ``\r`` nor a form feed nor U+2028. A byte order mark at the beginning is
    dropped. Of a line longer than ``limit`` bytes the rest is passed over, so memory stays bounded.

    Raises:
        InputError: reading or decompressing fails, or the file is UTF-16 or UTF-32.
    """
    number, offset = 0, 0
    while raw := _read(stream, limit + 2, name, number):
        number += 1
        start, length = offset, len(raw)
        if number == 1:
            _refuse_utf16(raw, name)
            if raw.startswith(_BOM):
                raw, start = raw[len(_BOM) :], len(_BOM)
        end = b"\r\n" if raw.endswith(b"\r\n") else b"\n" if raw.endswith(b"\n") else b""
        data: bytes | None = raw[: len(raw) - len(end)]
        if data is not None and len(data) > limit:
            data = None
            while raw and not raw.endswith(b"\n"):
                raw = _read(stream, _CHUNK, name, number)
                length += len(raw)
        offset += length
        yield Line(number, start, data, end)


def _read(stream: BinaryIO, size: int, name: str, number: int) -> bytes:
    try:
        return stream.readline(size)
    except _READ_ERRORS as error:
        raise InputError(f"cannot read {name} after line {number}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _refuse_utf16(data: bytes, name: str) -> None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{name} is UTF-16 or UTF-32, not UTF-8; convert it first, for instance with iconv")


def text_lines(source: str, *, limit: int, advice: str = "") -> Iterator[tuple[str, str | InputError]]:
    """Of each line of a source: its place, for messages, and its text, or what is wrong with it.

    Raises:
        InputError: the source cannot be read as a whole.
    """
    name = source_name(source)
    with open_bytes(source) as stream:
        for line in read_lines(stream, name, limit=limit):
            where = f"{name}, line {line.number}"
            if line.data is None:
                yield where, InputError(f"{where} is longer than {limit:,} bytes, the limit for a line{advice}")
            else:
                yield where, decoded(line, name)


def read_whole(stream: BinaryIO, name: str, *, limit: int) -> str:
    """Everything as one text, line ends and all; a byte order mark at the beginning is dropped.

    Raises:
        InputError: reading fails, it is longer than ``limit`` bytes, or it is not UTF-8.
    """
    try:
        data = stream.read(limit + len(_BOM) + 1)
    except _READ_ERRORS as error:
        raise InputError(f"cannot read {name}: {_reason(error)}") from error
    _refuse_utf16(data, name)
    start = len(_BOM) if data.startswith(_BOM) else 0
    if len(data) - start > limit:
        raise InputError(f"{name} is longer than {limit:,} bytes, the limit for one text; split it")
    text = decoded(Line(1, start, data[start:], b""), name)
    if isinstance(text, InputError):
        raise text
    return text


def decoded(line: Line, name: str) -> str | InputError:
    """The text of a line's data, or the error that tells which byte is no UTF-8."""
    assert line.data is not None
    try:
        return line.data.decode("utf-8")
    except UnicodeDecodeError as error:
        number = line.number + line.data.count(b"\n", 0, error.start)
        return InputError(
            f"{name}, line {number} is not UTF-8: byte 0x{line.data[error.start]:02x} at offset "
            f"{line.offset + error.start} of the file; convert it to UTF-8 first, for instance with iconv"
        )
