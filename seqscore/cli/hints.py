"""What a caller probably meant, where a command line reads as something else."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path


def refuse_file_names(texts: Sequence[str], command: str) -> None:
    """Make sure that no text is the name of a file that is there, whose contents were meant.

    Raises:
        OptionError: one is.
    """
    from seqscore.errors import OptionError

    for text in texts:
        if text != "-" and _is_file(text):
            quoted = shlex.quote(text)
            raise OptionError(
                f"{text!r} is a file that is there; to score what it holds: seqscore {command} --file {quoted} "
                f"(to score these {len(text)} characters themselves: printf %s {quoted} | seqscore {command} -)"
            )


def _is_file(text: str) -> bool:
    try:
        path = Path(text)
        return path.is_file() or (text.endswith("/") and path.is_dir())
    except (OSError, ValueError):  # too long, or no name at all
        return False


def dash_hint(given: Sequence[str]) -> str:
    """What to say where an unknown option is probably a text that begins with a dash; empty where it is none."""
    for argument in given:
        if argument == "--":
            return ""
        if argument.startswith("-") and not re.fullmatch(r"-|-[A-Za-z]|--[A-Za-z][\w-]*(=.*)?", argument, re.DOTALL):
            return f"; a text that begins with - stands behind --: seqscore {given[0]} -- {shlex.quote(argument)}"
    return ""
