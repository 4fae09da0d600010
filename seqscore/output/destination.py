"""Where output goes: a file that appears whole or not at all, a device or pipe, or standard output."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from gzip import GzipFile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from seqscore.errors import OptionError
from seqscore.files import NewFile

_STANDARD_OUTPUT = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})


def is_standard_output(target: Path) -> bool:
    """Whether this is a name of the program's own standard output."""
    return str(target) in _STANDARD_OUTPUT


def refuse_overwriting(target: Path | None, sources: Sequence[str]) -> None:
    """Make sure that what is written does not replace what is read.

    Raises:
        OptionError: the target is one of the sources, or stands in a folder that is one, where the next run reads it.
    """
    if target is None:
        return
    for source in sources:
        path = Path(source)
        read = path.iterdir() if path.is_dir() else [path]
        if target.is_file() and any(one.is_file() and target.samefile(one) for one in read):
            raise OptionError(f"-o {target} is also the input and would be replaced; name another file")
        if path.is_dir() and target.parent.resolve() == path.resolve():
            raise OptionError(
                f"-o {target} is in the folder {source!r}, all files of which are read: the next run would read it as "
                f"data; name a file outside it"
            )


class Output:
    """A context manager around a binary ``stream`` into ``target``, or into standard output where that is None.

    A regular file is written under a temporary name beside it, flushed to the disk, and renamed at the end: whoever
    looks sees the old file or the whole new one. Where the block raises, the temporary file is removed and the old
    file stays. A device, a FIFO or another special file is written straight into. Standard output is never closed.

    What the block itself raises is passed on as it is; errors of opening, writing (inside ``errors()``) and completing
    become an OptionError that names the target. A closed pipe stays a BrokenPipeError. With ``gzip`` what is written is
    compressed, with no name and no time in it, so that the same rows are the same bytes.
    """

    stream: BinaryIO

    def __init__(self, target: Path | None, *, gzip: bool = False) -> None:
        # The program's own descriptor is written to, not the file behind it: that one may hold more, or another name.
        self.target = None if target is None or is_standard_output(target) else target
        self._new: NewFile | None = None
        self._compresses, self._raw = gzip, cast("BinaryIO | None", None)

    @property
    def is_file(self) -> bool:
        """Whether a regular file is written, which appears at the end."""
        return self._new is not None

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Errors of the operating system as one clear message about this output."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            name = "standard output" if self.target is None else repr(str(self.target))
            raise OptionError(f"cannot write {name}: {error.strerror or error}") from error

    def write(self, data: bytes) -> None:
        """Write ``data`` and hand it on at once (but for what is compressed, which would grow by that)."""
        with self.errors():
            self.stream.write(data)
            if self._raw is None:
                self.stream.flush()

    def __enter__(self) -> Self:
        with self.errors():
            if self.target is None:
                self.stream = _standard_output()
            elif _is_special(self.target):
                self.stream = cast(BinaryIO, self.target.open("wb"))
            else:
                self._open_beside(self.target.resolve())
            if self._compresses:
                self._raw = self.stream
                self.stream = cast(BinaryIO, GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with self.errors():
                    self._complete()
        finally:
            self._discard()

    def _open_beside(self, final: Path) -> None:
        if not final.parent.is_dir():
            raise OptionError(f"cannot write {str(self.target)!r}: there is no folder {str(final.parent)!r}")
        if final.is_file() and not os.access(final, os.W_OK):
            raise OptionError(f"cannot write {str(self.target)!r}: Permission denied")
        self._new = NewFile(final)
        self.stream = self._new.stream

    def _complete(self) -> None:
        if self._raw is not None:
            self.stream.close()
            self.stream = self._raw
        self.stream.flush()
        if self._new is not None:
            self._new.complete()

    def _discard(self) -> None:
        if self._raw is not None:
            with suppress(OSError, ValueError):
                self.stream.close()  # the compressor; the file below stays open
            self.stream = self._raw
        if self.target is not None:
            with suppress(OSError):
                self.stream.close()
        if self._new is not None:
            self._new.discard()


def _standard_output() -> BinaryIO:
    if sys.stdout is None:
        raise OptionError("cannot write standard output: it is closed")
    sys.stdout.flush()
    # Notebooks and tests put text streams without bytes below them in its place.
    buffer = getattr(sys.stdout, "buffer", None)
    return cast(BinaryIO, _BytesToText() if buffer is None else buffer)


class _BytesToText(io.RawIOBase):
    """Bytes of whole characters, written to whatever stands for standard output."""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        sys.stdout.write(data.decode("utf-8"))
        return len(data)

    def flush(self) -> None:
        if sys.stdout is not None:
            sys.stdout.flush()


def _is_special(target: Path) -> bool:
    """Whether the target exists and is no regular file. (A folder is one: opening it gives the right message.)"""
    try:
        return not stat.S_ISREG(target.stat().st_mode)
    except FileNotFoundError:
        return False
