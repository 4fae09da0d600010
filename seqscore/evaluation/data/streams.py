"""The bytes of a source: a file, decompressed by its name's end, or standard input; and how they begin."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from seqscore.errors import InputError

STANDARD_INPUT = "-"

READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, UnicodeDecodeError)
"""What reading, decompressing and recoding raise."""

_LOOK = 1 << 16


def source_name(source: str) -> str:
    """How messages call a source."""
    return "standard input" if source == STANDARD_INPUT else repr(source)


def reason(error: BaseException) -> str:
    """Why reading failed, in the words of the system or the library."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def suffix_of(source: str) -> str:
    """The end of a name that tells the kind of a file, in lower case, without that of a compression."""
    path = Path(source)
    return Path(path.stem).suffix.lower() if is_compressed(source) else path.suffix.lower()


def is_compressed(source: str) -> bool:
    """Whether the name ends as that of a compressed file that is read here."""
    return Path(source).suffix.lower() in _OPENERS


def is_stream(source: str) -> bool:
    """Whether the source is standard input, a pipe or a device: something that can be read only once."""
    if source == STANDARD_INPUT:
        return True
    try:
        return not stat.S_ISREG(Path(source).stat().st_mode)
    except (OSError, ValueError):
        return False  # opening it gives the message


@contextmanager
def open_bytes(source: str) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed where its name ends in .gz, .bz2, .xz or .zst, or of standard input.

    Raises:
        InputError: there is no such file, it is a folder, or it may not be read.
    """
    if source == STANDARD_INPUT:
        buffer = getattr(sys.stdin, "buffer", None)
        if buffer is None:
            raise InputError("cannot read standard input: it is closed")
        yield buffer
        return
    try:
        stream = cast(BinaryIO, _OPENERS.get(Path(source).suffix.lower(), _open_plain)(source))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {source!r}: {reason(error)}") from error
    with stream:
        yield stream


def beginning(stream: BinaryIO) -> bytes:
    """What comes next, without taking it: a block at most, nothing where the stream cannot be looked at."""
    peek = getattr(stream, "peek", None)
    try:
        return b"" if peek is None else bytes(peek(_LOOK)[:_LOOK])
    except READ_ERRORS:
        return b""  # reading it gives the message


def _open_plain(source: str) -> Any:
    return Path(source).open("rb", buffering=_LOOK)


def _open_zstd(source: str) -> Any:
    import pyarrow as pa

    return io.BufferedReader(_Blocks(pa.CompressedInputStream(pa.PythonFile(Path(source).open("rb")), "zstd")), _LOOK)


class _Blocks(io.RawIOBase):
    """A stream of Arrow as Python's own: it has lines and can be looked ahead into once it is buffered."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """As many bytes as there are; OSError where they cannot be decompressed."""
        import pyarrow as pa

        try:
            data = self._stream.read(len(target))
        except pa.ArrowException as error:
            raise OSError(str(error)) from error
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """The file too."""
        self._stream.close()
        super().close()


_OPENERS: dict[str, Callable[[str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstd,
}
