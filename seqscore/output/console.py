"""A rich console on an output: no markup, no colour without a terminal, a closed pipe told as one."""

from __future__ import annotations

import os
import sys
from typing import IO, BinaryIO, cast

from rich.console import Console

from seqscore.output.destination import Output

_PLAIN_WIDTH = 100
_WIDEST = 10_000
_SIMPLER = str.maketrans("–…␣×", "-~_x")  # where the encoding of a terminal lacks them


def console_on(output: Output) -> Console:
    """A console that writes to ``output``.

    On a terminal it has that terminal's width and colours. Elsewhere it has no colour (on standard output FORCE_COLOR
    can change that) and is as wide as the environment variable COLUMNS says, else 100. Strings are shown as they are:
    markup, emoji codes and highlighting are off.
    """
    encoding = "utf-8" if output.target is not None else (getattr(sys.stdout, "encoding", None) or "utf-8")
    on_terminal = output.stream.isatty()
    return _Console(
        file=cast("IO[str]", _TextStream(output.stream, encoding)),
        width=None if on_terminal else _plain_width(),
        force_terminal=None if output.target is None else on_terminal,
        force_jupyter=False,
        markup=False,
        highlight=False,
        emoji=False,
    )


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Pass on the BrokenPipeError; rich would end the whole program here."""
        raise


class _TextStream:
    """Text onto a binary stream that belongs to someone else; what its encoding lacks is shown as escapes."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream, self.encoding = stream, encoding

    def write(self, text: str) -> int:
        try:
            data = text.encode(self.encoding)
        except UnicodeEncodeError:
            data = text.translate(_SIMPLER).encode(self.encoding, "backslashreplace")
        self._stream.write(data)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def _plain_width() -> int:
    columns = os.environ.get("COLUMNS", "")
    return min(int(columns), _WIDEST) if columns.isdecimal() and int(columns) > 0 else _PLAIN_WIDTH
