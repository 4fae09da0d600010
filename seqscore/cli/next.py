"""``seqscore next``."""

from __future__ import annotations

from typing import Annotated

import typer

from seqscore.cli import options, reading
from seqscore.cli.option_groups import PairConventionOptions, RunningOptions, with_groups
from seqscore.cli.output_options import NextOptions
from seqscore.errors import OptionError

_INPUT, _OUTPUT = "Input", "Output"


def _named(words: list[str]) -> list[str]:
    """The words between the commas of every ``--words``; one that is empty is refused, not passed over."""
    found = [word for given in words for word in given.split(",")]
    if not all(word.strip() for word in found):
        raise OptionError(f"--words {','.join(words)!r} has an empty word; expected words with one comma between them")
    return found


@with_groups
def next_(
    *,
    contexts: Annotated[
        list[str] | None, typer.Argument(help="Contexts; - reads lines of standard input; '' is the start of a text.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", help="A file of contexts or a table; may be repeated.", rich_help_panel=_INPUT),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Column of contexts, or a path into one: doc.text.", rich_help_panel=_INPUT)
    ] = None,
    rows: reading.RowOptions,
    top: Annotated[int, typer.Option(min=1, help="How many tokens.", rich_help_panel=_OUTPUT)] = 10,
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--words",
            help="Words that may come next, with commas between them; may be repeated.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    target_begins: Annotated[
        str | None,
        typer.Option(
            "--target-begins",
            metavar="TEXT",
            help="Of a model with an encoder: contexts are sources, and the target begins so.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    written: NextOptions,
    loading: RunningOptions,
    conventions: PairConventionOptions,
    debug: options.Debug = False,
) -> int:
    """The most probable tokens behind a context, and how probable given words are there.

    A word may have several tokens; its corrected value counts that the word begins and ends there.
    """
    from seqscore.cli.hints import refuse_file_names
    from seqscore.cli.session import progress, say
    from seqscore.evaluation.data.texts import InputOptions, open_inputs
    from seqscore.evaluation.scored.next_rows import next_rows
    from seqscore.evaluation.scored.tally import Tally
    from seqscore.output.destination import refuse_overwriting
    from seqscore.output.next_writers import open_next_writer
    from seqscore.output.run_notes import tally_lines

    refuse_file_names(contexts or [], "next")
    named = _named(words or [])
    kept = written.kept()
    reads_files = bool(file) or "-" in (contexts or [])
    inputs = open_inputs(
        contexts or [], file or [], options=InputOptions(column=column, keep=kept, data=rows.data_options())
    )
    refuse_overwriting(written.output, file or [])
    tally = Tally()
    with (
        open_next_writer(
            written.format, written.output, **written.writing(has_columns=kept != "none" and reads_files)
        ) as write,
        progress("contexts") as tracked,
    ):
        scorer = loading.open_scorer()
        for row in tracked(
            next_rows(scorer, inputs, k=top, words=named, target_begins=target_begins, **conventions.policies())
        ):
            write(row)
            tally.count(row)
    for line in tally_lines(tally, noted=False):
        say(line)
    return 1 if tally.failed else 0
