"""``seqscore export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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
    per: Annotated[
        Literal["item", "text", "region"] | None,
        typer.Option(
            help="What has a row: an item of the data, its texts side by side (default of pairs, choices, criteria), "
            "each text, or each region of a test suite.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    unit: Annotated[
        Literal["nats", "bits"] | None,
        typer.Option(help="Unit of logarithms. Default: bits of criteria, else nats.", rich_help_panel=_OUTPUT),
    ] = None,
    keep_columns: options.KeepColumns = None,
    signature: options.SignaturePlace = "once",
    quote_formulas: options.QuoteFormulas = False,
    debug: options.Debug = False,
) -> int:
    """The rows of a run as a flat table, with the columns of the data."""
    from seqscore.cli.session import say
    from seqscore.evaluation.data.kept_columns import keep_columns as chosen_columns
    from seqscore.evaluation.read.export import export_fields, exported, usual_layout
    from seqscore.evaluation.run.run_folder import read_run
    from seqscore.evaluation.run.summary import run_signature
    from seqscore.output.record_writer import WriterOptions
    from seqscore.output.writers import open_records

    chosen = machine_format_of(output, output_format)
    found = read_run(run)
    if found.summary is None:
        say(f"{run} is not complete: the rows that are there are exported")
    signed, keep = str(run_signature(found)), chosen_columns(keep_columns or ["all"])
    layout, taken = usual_layout(found, per, unit)
    writer_options = WriterOptions(
        unit=taken,
        signature=signature,
        quote_formulas=quote_formulas,
        columns=() if keep == "none" else None,
        notify=say,
    )
    with open_records(chosen, output, export_fields(found, per=layout), writer_options) as records:
        for record in exported(found, per=layout, keep=keep, unit=taken):
            records.write(record, signed)
    return 0
