"""``seqscore export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqscore.cli import options
from seqscore.output.formats import machine_format_of, machine_formats, shown_ends

_OUTPUT = "Output"


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
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
    unit: options.LogUnit = "nats",
    keep_columns: options.KeepColumns = None,
    signature: options.SignaturePlace = "once",
    quote_formulas: options.QuoteFormulas = False,
    debug: options.Debug = False,
) -> int:
    """The rows of a run as a flat table: a row an item, with the columns of the data."""
    from seqscore.cli.session import say
    from seqscore.evaluation.data.kept_columns import keep_columns as chosen_columns
    from seqscore.evaluation.read.export import export_fields, exported
    from seqscore.evaluation.run.run_folder import read_run
    from seqscore.evaluation.run.summary import run_signature
    from seqscore.output.record_writer import WriterOptions
    from seqscore.output.writers import open_records

    chosen = machine_format_of(output, output_format)
    found = read_run(run)
    if found.summary is None:
        say(f"{run} is not complete: the rows that are there are exported")
    signed, keep = str(run_signature(found)), chosen_columns(keep_columns or ["all"])
    writer_options = WriterOptions(
        unit=unit,
        signature=signature,
        quote_formulas=quote_formulas,
        columns=() if keep == "none" else None,
        notify=say,
    )
    with open_records(chosen, output, export_fields(found), writer_options) as records:
        for record in exported(found, keep=keep, unit=unit):
            records.write(record, signed)
    return 0
