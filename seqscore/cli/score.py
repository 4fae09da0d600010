"""``seqscore score``."""

from __future__ import annotations

import warnings
from typing import Annotated

import typer

from seqscore.cli import options, reading
from seqscore.cli.option_groups import PairConventionOptions, RunningOptions, with_groups
from seqscore.cli.output_options import ScoreOptions
from seqscore.errors import JoinWarning, OptionError

_INPUT, _OUTPUT = "Input", "Output"


@with_groups
def score(
    *,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to score; - reads lines of standard input.")] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "-f",
            help="A file of texts or a table, a folder, a dataset on the hub; may be repeated.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Column of texts, or a path into one: doc.text.", rich_help_panel=_INPUT)
    ] = None,
    context_column: Annotated[str | None, typer.Option(help="Column of contexts.", rich_help_panel=_INPUT)] = None,
    context: Annotated[
        str | None,
        typer.Option("--context", "-c", help="Stands before every text and is not scored.", rich_help_panel=_INPUT),
    ] = None,
    delimiter: Annotated[
        str,
        typer.Option(
            help="Between context and text: '', white space, or auto (a space where they would touch).",
            rich_help_panel=_INPUT,
        ),
    ] = "",
    rows: reading.RowOptions,
    tokens: Annotated[bool, typer.Option("--tokens", "-t", help="Show every token.", rich_help_panel=_OUTPUT)] = False,
    rank: Annotated[bool, typer.Option("--rank", help="Add the rank of every token.", rich_help_panel=_OUTPUT)] = False,
    entropy: Annotated[
        bool, typer.Option("--entropy", help="Add the model's entropy at every token.", rich_help_panel=_OUTPUT)
    ] = False,
    top_k: Annotated[
        int,
        typer.Option(
            "--top-k", min=0, help="Add the so many most probable tokens at every token.", rich_help_panel=_OUTPUT
        ),
    ] = 0,
    written: ScoreOptions,
    loading: RunningOptions,
    conventions: PairConventionOptions,
    debug: options.Debug = False,
) -> int:
    """Log-likelihood, perplexity and bits per byte of texts.

    Texts come from the arguments, from files (a text a line, or a column of a table) or from standard input (-).
    """
    from seqscore.cli.hints import refuse_file_names
    from seqscore.cli.session import progress, say
    from seqscore.evaluation.data.texts import InputOptions, open_inputs
    from seqscore.evaluation.scored.row_stream import score_rows
    from seqscore.evaluation.scored.tally import Tally
    from seqscore.output.destination import refuse_overwriting
    from seqscore.output.run_notes import tally_lines
    from seqscore.output.writers import open_writer

    refuse_file_names(texts or [], "score")
    if top_k and not tokens:
        raise OptionError("--top-k shows what is most probable at every token; show the tokens with --tokens")
    chosen, kept = written.format, written.kept()
    inputs = open_inputs(
        texts or [],
        file or [],
        options=InputOptions(
            column=column,
            context_column=context_column,
            context=context,
            delimiter=delimiter,
            keep=kept,
            data=rows.data_options(),
        ),
    )
    refuse_overwriting(written.output, file or [])
    tally = Tally()
    if chosen == "table":  # which has a note at the row itself
        warnings.simplefilter("ignore", JoinWarning)
    with (
        open_writer(
            chosen,
            written.output,
            tokens=tokens,
            lists_top=top_k > 0,
            **written.writing(has_columns=kept != "none" and bool(file or "-" in (texts or []))),
        ) as writer,
        progress("scoring") as tracked,
    ):
        scorer = loading.open_scorer()
        extras = [name for name, asked in (("rank", rank), ("entropy", entropy)) if asked]
        scored = score_rows(scorer, inputs, extras=extras, top_k=top_k, **conventions.policies())
        for row in tracked(scored, scorer=scorer):
            writer.write(row)
            tally.add(row)
    for line in tally_lines(tally, noted=chosen == "table"):
        say(line)
    return 1 if tally.failed else 0
