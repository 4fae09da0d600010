"""``seqscore export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqscore.cli import options
from seqscore.cli.option_groups import with_groups
from seqscore.cli.output_options import ExportOptions

_OUTPUT = "Output"


@with_groups
def export(
    *,
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    per: Annotated[
        Literal["item", "text", "region"] | None,
        typer.Option(
            help="What has a row: an item of the data, its texts side by side (default of pairs, choices, criteria), "
            "each text, or each region of a test suite.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    written: ExportOptions,
    debug: options.Debug = False,
) -> int:
    """The rows of a run as a flat table, with the columns of the data."""
    from seqscore.cli.session import say
    from seqscore.evaluation.read.export import export_fields, exported, usual_layout
    from seqscore.evaluation.run.run_folder import read_run
    from seqscore.evaluation.run.summary import run_signature
    from seqscore.output.record_writer import WriterOptions
    from seqscore.output.writers import open_records

    chosen, keep = written.format, written.kept()
    found = read_run(run)
    if found.summary is None:
        say(f"{run} is not complete: the rows that are there are exported")
    signed = str(run_signature(found))
    layout, taken = usual_layout(found, per, written.unit)
    writer_options = WriterOptions(**written.writing(has_columns=keep != "none", unit=taken))
    with open_records(chosen, written.output, export_fields(found, per=layout), writer_options) as records:
        for record in exported(found, per=layout, keep=keep, unit=taken):
            records.write(record, signed)
    return 0
