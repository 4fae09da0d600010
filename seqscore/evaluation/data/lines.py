"""Bytes as lines of text: lazily, with limits, and with the place of every fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from seqscore.errors import InputError
from seqscore.evaluation.data.charsets import UTF8, as_utf8, splits_lines
from seqscore.evaluation.data.streams import READ_ERRORS, reason

_BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 20


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


def read_lines(
    stream: BinaryIO,
    name: str,
    *,
    limit: int,
    encoding: str = UTF8,
    passed_over: Callable[[bytes], None] = lambda piece: None,
) -> Iterator[Line]:
    r"""The lines of ``stream``: split at ``\n`` only, which a ``\r`` right before it belongs to.

    Nothing else ends a line, neither a lone ``\r`` nor a form feed nor U+2028. A byte order mark at the beginning is
    dropped. A line longer than ``limit`` bytes is passed over, piece by piece, so memory stays bounded. Lines of an
    encoding whose lines cannot be told by a byte come as UTF-8, which is what ``decoded`` takes them for.

    Raises:
        InputError: reading or decompressing fails, or the file is UTF-16 or UTF-32 and nobody said so.
    """
    if not splits_lines(encoding):
        stream, encoding = as_utf8(stream, encoding), UTF8
    number, offset = 0, 0
    while raw := _read(stream, limit + 2, name, number):
        number += 1
        start, length = offset, len(raw)
        if number == 1 and encoding == UTF8:
            refuse_wide(raw, name)
            if raw.startswith(_BOM):
                raw, start = raw[len(_BOM) :], len(_BOM)
        end = b"\r\n" if raw.endswith(b"\r\n") else b"\n" if raw.endswith(b"\n") else b""
        data: bytes | None = raw[: len(raw) - len(end)]
        if data is not None and len(data) > limit:
            data = None
            passed_over(raw)
            while raw and not raw.endswith(b"\n"):
                raw = _read(stream, _BLOCK, name, number)
                length += len(raw)
                passed_over(raw)
        offset += length
        yield Line(number, start, data, end)


def _read(stream: BinaryIO, size: int, name: str, number: int) -> bytes:
    try:
        return stream.readline(size)
    except READ_ERRORS as error:
        raise InputError(f"cannot read {name} after line {number}: {reason(error)}") from error


def refuse_wide(data: bytes, name: str) -> None:
    """Refuse what begins with the byte order mark of UTF-16 or UTF-32.

    Raises:
        InputError: it does; the message names the option.
    """
    for mark, found in (
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            raise InputError(f"{name} is {found.upper()}, not UTF-8; say so with --encoding {found} (encoding=)")


def texts_of(
    stream: BinaryIO, name: str, *, limit: int, encoding: str = UTF8, advice: str = ""
) -> Iterator[tuple[str, str | InputError]]:
    """Of each line of a stream: its place, for messages, and its text, or what is wrong with it.

    Raises:
        InputError: the stream cannot be read as a whole.
    """
    for line in read_lines(stream, name, limit=limit, encoding=encoding):
        where = f"{name}, line {line.number}"
        if line.data is None:
            yield where, InputError(f"{where} is longer than {limit:,} bytes, the limit for a line{advice}")
        else:
            yield where, decoded(line, name, encoding)


def read_whole(stream: BinaryIO, name: str, *, limit: int, encoding: str = UTF8) -> str:
    """Everything as one text, line ends and all; a byte order mark at the beginning is dropped.

    Raises:
        InputError: reading fails, it is longer than ``limit`` bytes, or it is not of this encoding.
    """
    if not splits_lines(encoding):
        stream, encoding = as_utf8(stream, encoding), UTF8
    try:
        data = stream.read(limit + len(_BOM) + 1)
    except READ_ERRORS as error:
        raise InputError(f"cannot read {name}: {reason(error)}") from error
    start = 0
    if encoding == UTF8:
        refuse_wide(data, name)
        start = len(_BOM) if data.startswith(_BOM) else 0
    if len(data) - start > limit:
        raise InputError(f"{name} is longer than {limit:,} bytes, the limit for one text; split it")
    text = decoded(Line(1, start, data[start:], b""), name, encoding)
    if isinstance(text, InputError):
        raise text
    return text


def decoded(line: Line, name: str, encoding: str = UTF8) -> str | InputError:
    """The text of a line's data, or the error that tells which byte does not fit the encoding."""
    assert line.data is not None
    try:
        return line.data.decode(encoding if splits_lines(encoding) else UTF8)
    except UnicodeDecodeError as error:
        number = line.number + line.data.count(b"\n", 0, error.start)
        return InputError(
            f"{name}, line {number} is not {encoding.upper()}: byte 0x{line.data[error.start]:02x} at offset "
            f"{line.offset + error.start} of the file; name its encoding with encoding= (--encoding), for instance "
            f"cp1252 or latin-1"
        )
