"""``seqscore compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqscore.cli import options


def compare(
    run_a: Annotated[Path, typer.Argument(help="Folder of a run.")],
    run_b: Annotated[Path, typer.Argument(help="Folder of another run over the same data.")],
    level: Annotated[float, typer.Option(help="Of the confidence intervals.")] = 0.95,
    resamples: Annotated[int, typer.Option(help="Of bootstrap and randomisation.")] = 1999,
    seed: Annotated[int, typer.Option(help="Of bootstrap and randomisation.")] = 0,
    largest: Annotated[int, typer.Option(min=0, max=10_000_000, help="Rows to show that differ most.")] = 10,
    output_format: Annotated[Literal["table", "json"], typer.Option("--format", help="Of the result.")] = "table",
    debug: options.Debug = False,
) -> int:
    """Is the difference of two runs more than chance? Paired tests over stored scores."""
    from seqscore.evaluation.read.compare import compare_runs
    from seqscore.output.evaluations import print_comparison, write_comparison_json

    found = compare_runs(run_a, run_b, level=level, resamples=resamples, seed=seed, largest=largest)
    (print_comparison if output_format == "table" else write_comparison_json)(found)
    return 0
