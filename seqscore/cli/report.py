"""``seqscore report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqscore.cli import options


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    other: Annotated[Path | None, typer.Argument(help="Another run over the same data, to be compared.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
    rows: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="At most so many rows can be opened on the page.")
    ] = 20_000,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    debug: options.Debug = False,
) -> int:
    """One page of a run, or of two: summary, figures, and every item with its tokens. It loads nothing."""
    from seqscore.cli.session import say
    from seqscore.evaluation.read.reports import report_of_runs
    from seqscore.output.report.page import write_report

    found = report_of_runs((run,) if other is None else (run, other), limit=rows)
    shown = write_report(found, output, title=title)
    left = "" if shown == found.num_rows else f"; rows on it: the first {shown:,} of {found.num_rows:,}"
    say(f"wrote {output}{left}")
    return 0
