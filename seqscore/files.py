"""A file whole or not at all, and numbers as strict JSON has them."""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self, cast
from uuid import uuid4

from seqscore.errors import NumericsError, OptionError


class NewFile:
    """What is written to ``stream`` becomes ``final`` with ``complete()``: whoever looks sees the old file or the whole
    new one. A block that is left without it leaves nothing behind, and the old file as it was.

    The file is written beside ``final``, flushed to the disk, renamed, and the folder flushed. Permissions are those of
    the file that is replaced, else what the umask says.

    Args:
        final: the name; its folder is there.
        beside: the temporary name in the same folder. Where one process at a time writes, a fixed one leaves no more
            than one file behind a process that is killed. A name of its own by default.

    Raises:
        OSError: it cannot be opened, in ``complete`` also written or renamed.
    """

    def __init__(self, final: Path, *, beside: Path | None = None) -> None:
        # A long name leaves no room for more characters: 255 bytes is the limit of most file systems.
        self._beside = final.with_name(f".seqscore-{uuid4().hex[:16]}.part") if beside is None else beside
        self._final = final
        self.stream = cast(BinaryIO, self._beside.open("wb"))
        try:
            self._beside.chmod(stat.S_IMODE(final.stat().st_mode))
        except FileNotFoundError:
            pass
        except OSError:
            self.discard()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def complete(self) -> None:
        """Put the file in its place, on the disk when this returns."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        self._beside.replace(self._final)
        sync(self._final.parent)

    def discard(self) -> None:
        """Remove what was not completed."""
        with suppress(OSError):  # of a disk that is full, which was told by then
            self.stream.close()
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes, *, beside: Path | None = None) -> None:
    """Write a file whole or not at all, see ``NewFile``.

    Raises:
        OSError: it cannot be written.
    """
    with NewFile(path, beside=beside) as new:
        new.stream.write(data)
        new.complete()


def sync(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, last through a loss of power, where the system can."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except (PermissionError, IsADirectoryError):  # Windows opens no folder
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # some file systems sync no folder
            raise
    finally:
        os.close(handle)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Errors of the operating system as one clear message about what was to be written."""
    try:
        yield
    except OSError as error:
        raise OptionError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def plain(value: Any, *, nan: Literal["error", "null", "text"] = "error") -> Any:
    """``value`` as strict JSON has it: infinities as text, "Infinity" or "-Infinity", tuples as lists, names as text.

    Args:
        value: mappings, lists, tuples and what they hold; what is no float stays as it is.
        nan: what becomes of NaN: refused, null, or the text "NaN".

    Raises:
        NumericsError: a number is NaN and ``nan`` is "error".
    """
    if isinstance(value, float) and not math.isfinite(value):
        if not math.isnan(value):
            return "Infinity" if value > 0 else "-Infinity"
        if nan == "error":
            raise NumericsError("a number to be written is NaN; a figure that is not defined must be null")
        return None if nan == "null" else "NaN"
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(one, nan=nan) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, nan=nan) for one in value]
    return value
