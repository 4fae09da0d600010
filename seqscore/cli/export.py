"""``seqscore export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqscore.cli import options

_OUTPUT = "Output"


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write to this .csv, .tsv, .jsonl (these also with .gz) or .parquet file.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    output_format: Annotated[
        Literal["jsonl", "csv", "tsv", "parquet"] | None,
        typer.Option("--format", help="Default: by the end of the name after -o, else jsonl.", rich_help_panel=_OUTPUT),
    ] = None,
    unit: options.LogUnit = "nats",
    keep_columns: options.KeepColumns = None,
    signature: options.SignaturePlace = "once",
    quote_formulas: options.QuoteFormulas = False,
    debug: options.Debug = False,
) -> int:
    """The rows of a run as a flat table: a row an item, with the columns of the data."""
    from seqscore.cli.session import say
    from seqscore.errors import OptionError
    from seqscore.evaluate.data.kept_columns import keep_columns as chosen_columns
    from seqscore.evaluate.read.export import export_fields, exported
    from seqscore.evaluate.run.run_folder import read_run
    from seqscore.evaluate.run.summary import run_signature
    from seqscore.output.formats import MACHINE_FORMATS, format_of
    from seqscore.output.writers import WriterOptions, open_records

    chosen = format_of(output, output_format) if output is not None else output_format or "jsonl"
    if chosen not in MACHINE_FORMATS:
        raise OptionError(f"a run is not exported as {chosen}; expected one of {', '.join(MACHINE_FORMATS)}")
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
