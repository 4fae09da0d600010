"""``seqscore plot``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seqscore.cli import options
from seqscore.cli.option_groups import with_groups
from seqscore.cli.word_options import names

if TYPE_CHECKING:
    from seqscore.evaluation.read.word_cells import WordChartOptions

_WORDS = "By word or region"


@dataclass(frozen=True, kw_only=True)
class WordPictureOptions:
    """What a picture of a file of words, or of a run with regions, shows."""

    by: Annotated[
        list[str] | None, typer.Option(help="Columns, with commas: a line for each value.", rich_help_panel=_WORDS)
    ] = None
    facet: Annotated[
        list[str] | None, typer.Option(help="Columns, with commas: a panel for each value.", rich_help_panel=_WORDS)
    ] = None
    at: Annotated[
        str | None,
        typer.Option(help="Column to align by: region where there is one, or position.", rich_help_panel=_WORDS),
    ] = None
    value: Annotated[str | None, typer.Option(help="Column that is drawn: surprisal.", rich_help_panel=_WORDS)] = None
    interval: Annotated[
        Literal["t", "bootstrap"] | None,
        typer.Option(help="Of a mean over texts: Student's t, or a bootstrap over texts.", rich_help_panel=_WORDS),
    ] = None
    level: Annotated[float | None, typer.Option(help="Confidence of the interval: 0.95.", rich_help_panel=_WORDS)] = (
        None
    )

    def word_chart_options(self) -> WordChartOptions | None:
        """As the library takes them; None where there is none."""
        from seqscore.evaluation.read.word_cells import WordChartOptions

        given: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        given = {name: value for name, value in given.items() if value is not None}
        for name in {"by", "facet"} & set(given):
            given[name] = names(given[name])
        return WordChartOptions(**given) if given else None


@with_groups
def plot(
    *,
    source: Annotated[
        Path, typer.Argument(help="Folder of a run, or a .jsonl, .csv, .tsv or .parquet file of score -o or words -o.")
    ],
    other: Annotated[Path | None, typer.Argument(help="Another run over the same data: a scatter of the two.")] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the figures, or .png or .svg file for one.")
    ] = Path("figures"),
    item: Annotated[
        list[str] | None, typer.Option(help="Draw the tokens of the row with this id; may be repeated.")
    ] = None,
    row: Annotated[
        list[int] | None,
        typer.Option(min=0, help="The same by the row's number, from 0, where ids are not one of a kind."),
    ] = None,
    picture: Annotated[Literal["png", "svg", "both"], typer.Option(help="Kind of picture.")] = "both",
    words: WordPictureOptions,
    debug: options.Debug = False,
) -> int:
    """Figures of scores: perplexities, groups, margins, calibration, token frequencies, tokens of items; by word."""
    from seqscore.cli.session import say
    from seqscore.evaluation.read.drawable import charts_of, rows_named
    from seqscore.output.plots.saving import picture_folder, run_figures, save_figures, text_figures

    charts = charts_of(source, other, words=words.word_chart_options())
    rows = rows_named(source, item or [], numbers=row or [])
    picture_folder(out)
    drawn = (run_figures(charts, (str(source), str(other))), *map(text_figures, rows))
    for path in save_figures(chain.from_iterable(drawn), out, picture):
        say(f"wrote {path}")
    return 0
