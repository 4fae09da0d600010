"""``seqscore cite``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqscore.cli import options


def cite(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    debug: options.Debug = False,
) -> int:
    """The signature of a run: all that its numbers depend on, in one line, and its figures."""
    from seqscore.evaluation.run.run_folder import read_run
    from seqscore.evaluation.run.summary import run_signature
    from seqscore.output.evaluations import print_citation

    found = read_run(run)
    print_citation(str(run_signature(found)), found.summary)
    return 0
