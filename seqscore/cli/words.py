"""``seqscore words``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqscore.cli import options, reading
from seqscore.cli.option_groups import PairConventionOptions, RunningOptions, with_groups
from seqscore.output.formats import machine_format_of, machine_formats, shown_ends

_DATA, _WORDS, _OUTPUT = "Data", "Words", "Output"


def _segmentation(value: str) -> str:
    """The value, checked before a model is loaded."""
    from seqscore.text.segmentation import segmentation_of

    segmentation_of(value)
    return value


@with_groups
def words(
    *,
    data: Annotated[list[str], typer.Argument(help="Files, a folder, a dataset on the hub, or - for standard input.")],
    column: Annotated[
        str | None, typer.Option(help="Column of texts, or a path into one: doc.text.", rich_help_panel=_DATA)
    ] = None,
    context_column: Annotated[str | None, typer.Option(help="Column of contexts.", rich_help_panel=_DATA)] = None,
    delimiter: Annotated[
        str,
        typer.Option(help="Between context and text: '', white space, or auto.", rich_help_panel=_DATA),
    ] = "",
    rows: reading.RowOptions,
    segmentation: Annotated[
        str,
        typer.Option(
            "--words",
            metavar="space|unicode|REGEX",
            callback=_segmentation,
            help="What is a word: a run without white space, what Unicode calls one (Chinese, Thai, ...), a match.",
            rich_help_panel=_WORDS,
        ),
    ] = "space",
    correction: Annotated[
        Literal["auto", "none", "space", "punctuation"],
        typer.Option(
            help="What ends a word, for the corrected surprisal; auto: space, where model and words have it.",
            rich_help_panel=_WORDS,
        ),
    ] = "auto",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help=f"Write to this {shown_ends(machine_formats())} file.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    output_format: options.RunFormat = None,
    unit: options.LogUnit = "bits",
    keep_columns: options.KeepColumns = None,
    signature: options.SignaturePlace = "once",
    quote_formulas: options.QuoteFormulas = False,
    loading: RunningOptions,
    conventions: PairConventionOptions,
    debug: options.Debug = False,
) -> int:
    """A row a word: its surprisal, also corrected for where words end, with the columns of the data."""
    from seqscore.cli.session import progress, say
    from seqscore.evaluation.data.kept_columns import keep_columns as chosen_columns
    from seqscore.evaluation.data.texts import InputOptions, open_inputs
    from seqscore.evaluation.scored.tally import Tally
    from seqscore.evaluation.words.word_records import WORD_FIELDS, signature_of_row, word_records
    from seqscore.evaluation.words.word_rows import score_words, sources_of
    from seqscore.output.destination import refuse_overwriting
    from seqscore.output.record_writer import WriterOptions
    from seqscore.output.run_notes import tally_lines
    from seqscore.output.writers import open_records

    chosen = machine_format_of(output, output_format)
    kept = chosen_columns(keep_columns or ["all"])
    inputs = open_inputs(
        [],
        data,
        options=InputOptions(
            column=column, context_column=context_column, delimiter=delimiter, keep=kept, data=rows.data_options()
        ),
    )
    refuse_overwriting(output, data)
    tally = Tally()
    writer_options = WriterOptions(
        unit=unit,
        signature=signature,
        quote_formulas=quote_formulas,
        columns=() if kept == "none" else None,
        notify=say,
    )
    with (
        open_records(chosen, output, WORD_FIELDS, writer_options) as records,
        progress("scoring") as tracked,
    ):
        scorer, sources = loading.open_scorer(), sources_of(inputs)
        chosen_words = {"words": segmentation, "correction": correction}
        for row in tracked(score_words(scorer, sources, **chosen_words, **conventions.policies())):
            tally.add(row)
            for record in word_records(row, unit=unit):
                records.write(record, signature_of_row(row))
    for line in tally_lines(tally, noted=False):
        say(line)
    return 1 if tally.failed else 0
