"""``seqscore words``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from seqscore.cli import options, reading
from seqscore.cli.option_groups import PairConventionOptions, RunningOptions, with_groups
from seqscore.cli.output_options import WordOptions
from seqscore.cli.word_options import WordTableChoices, WordTextChoices

_DATA, _WORDS = "Data", "Words"


def _segmentation(value: str) -> str:
    """The value, checked before a model is loaded."""
    from seqscore.text.segmentation import segmentation_of

    segmentation_of(value)
    return value


@with_groups
def words(
    *,
    data: Annotated[list[str], typer.Argument(help="Files, a folder, a dataset on the hub, or - for standard input.")],
    texts: WordTextChoices,
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
    beside: WordTableChoices,
    written: WordOptions,
    loading: RunningOptions,
    conventions: PairConventionOptions,
    debug: options.Debug = False,
) -> int:
    """A row a word: its surprisal, also corrected for where words end, with the columns of the data."""
    from seqscore.cli.session import progress, say
    from seqscore.evaluation.data.dataset import open_dataset
    from seqscore.evaluation.scored.tally import Tally
    from seqscore.evaluation.words.word_job import word_job
    from seqscore.output.destination import refuse_overwriting
    from seqscore.output.record_writer import WriterOptions
    from seqscore.output.run_notes import tally_lines
    from seqscore.output.writers import open_records

    chosen, kept = written.format, written.kept()
    text_options = texts.text_options()
    refuse_overwriting(written.output, [*data, *beside.sources])
    dataset, tally = open_dataset(data, options=rows.data_options()), Tally()
    table_options = beside.table_options(unit=written.unit, keep_columns=kept)
    with word_job(dataset, text_options, table_options) as job:
        writer_options = WriterOptions(**written.writing(has_columns=kept != "none" or job.adds_columns))
        with (
            open_records(chosen, written.output, job.fields, writer_options) as records,
            progress("scoring") as tracked,
        ):
            scorer = loading.open_scorer()
            found = job.rows(scorer, words=segmentation, correction=correction, **conventions.policies())
            for text, made in tracked(found, scorer=scorer):
                tally.add(text)
                for record in made:
                    records.write(record, job.signature)
        if job.join_line is not None:
            say(job.join_line)
    for line in tally_lines(tally, noted=False):
        say(line)
    return 1 if tally.failed else 0
