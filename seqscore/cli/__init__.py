"""The command line: parse, one library call, write. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns the exit status: 0, 1 for an error, 2 for a wrong call, 130 after Ctrl-C, 141 for a closed pipe.
    """
    try:
        from seqscore.cli.environment import bound_spinning

        bound_spinning()
        from seqscore.cli.app import run

        return run(arguments)
    except KeyboardInterrupt:
        return 130
