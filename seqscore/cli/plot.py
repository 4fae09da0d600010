"""``seqscore plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqscore.cli import options


def plot(
    source: Annotated[
        Path, typer.Argument(help="Folder of a run, or a .jsonl, .csv, .tsv or .parquet file of score -o.")
    ],
    other: Annotated[Path | None, typer.Argument(help="Another run over the same data: a scatter of the two.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the figures.")] = Path("figures"),
    item: Annotated[
        list[str] | None, typer.Option(help="Draw the tokens of the row with this id; may be repeated.")
    ] = None,
    row: Annotated[
        list[int] | None,
        typer.Option(min=0, help="The same by the row's number, from 0, where ids are not one of a kind."),
    ] = None,
    picture: Annotated[Literal["png", "svg", "both"], typer.Option(help="Kind of picture.")] = "both",
    debug: options.Debug = False,
) -> int:
    """Figures of scores: perplexities, groups, margins, calibration, token frequencies, and the tokens of items."""
    from seqscore.cli.session import say
    from seqscore.evaluation.read.drawable import charts_of, rows_named
    from seqscore.output.plots.saving import picture_folder, run_figures, save_figures, text_figures

    charts = charts_of(source, other)
    rows = rows_named(source, item or [], numbers=row or [])
    picture_folder(out)
    written = save_figures(run_figures(charts, (str(source), str(other))), out, picture)
    for one in rows:
        written += save_figures(text_figures(one), out, picture)
    for path in written:
        say(f"wrote {path}")
    return 0
