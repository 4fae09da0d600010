"""The command line: parse, one library call, write. Nothing is computed here.

| module | what it is for |
|---|---|
| ``app`` | the commands, and how a failure becomes one line and an exit status |
| ``score``, ``eval/``, ``compare``, ``report``, ``plot``, ``export``, ``explain``, ``verify``, ``cite`` | a command |
| ``session`` | what commands do alike: load the scorer, say things, show progress |
| ``options``, ``option_groups`` | options that commands share, one by one and together |
| ``reading`` | options that say how data are read |
| ``hints`` | what a caller probably meant |
| ``once`` | an option that is given twice is refused |
| ``pulse`` | signs of life where no bar can be shown |
| ``environment`` | what must be set before torch is loaded |
"""

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
