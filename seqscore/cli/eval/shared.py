"""The options that the commands of all tasks have."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import typer

from seqscore.cli import options, reading

_DATA, _RUN, _STATISTICS = "Data", "Run", "Statistics"


def _shared(
    data: Annotated[list[str], typer.Argument(help="Files, a folder, a dataset on the hub, or - for standard input.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run.", rich_help_panel=_RUN)] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            help="ROLE=COLUMN (or A,B or A.B), where the guess is wrong; may be repeated.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    id_column: reading.IdColumn = None,
    split: reading.Split = None,
    config: reading.Config = None,
    data_revision: reading.DataRevision = None,
    whole_file: reading.WholeFile = False,
    limit: reading.Limit = None,
    read_as: reading.ReadAs = None,
    encoding: reading.Encoding = "utf-8",
    field_separator: reading.FieldSeparator = None,
    quoting: reading.Quoting = "auto",
    empty_cells: reading.EmptyCells = "error",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.", rich_help_panel=_RUN)
    ] = False,
    keep: Annotated[
        Literal["scores", "tokens", "all"],
        typer.Option(help="Store sums alone, tokens too, or ranks and entropies too.", rich_help_panel=_RUN),
    ] = "tokens",
    keep_columns: Annotated[
        list[str] | None,
        typer.Option(
            help="The data's columns to store with a row: all (that are not scored), none or names with commas.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    part_rows: Annotated[int, typer.Option(min=1, help="Rows between two savings.", rich_help_panel=_RUN)] = 500,
    output_format: Annotated[
        Literal["table", "json"], typer.Option("--format", help="Of the summary.", rich_help_panel=_RUN)
    ] = "table",
    ray: Annotated[
        str | None,
        typer.Option(help="Score on a Ray cluster: its address, or local to start one here.", rich_help_panel=_RUN),
    ] = None,
    ray_workers: Annotated[
        int, typer.Option(min=1, help="Scorers on the cluster, one a process.", rich_help_panel=_RUN)
    ] = 1,
    level: Annotated[float, typer.Option(help="Of the confidence intervals.", rich_help_panel=_STATISTICS)] = 0.95,
    resamples: Annotated[int, typer.Option(help="Of a bootstrap.", rich_help_panel=_STATISTICS)] = 1000,
    seed: Annotated[int, typer.Option(help="Of a bootstrap.", rich_help_panel=_STATISTICS)] = 0,
    model: options.Model = "default",
    revision: options.Revision = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    engine: options.Engine = "auto",
    batch_tokens: options.BatchTokens = None,
    threads: options.Threads = None,
    max_length: options.MaxLength = None,
    allow_pickle: options.AllowPickle = False,
    trust_remote_code: options.TrustRemoteCode = False,
    bos: options.Bos = "auto",
    long: options.Long = "windows",
    boundary: options.Boundary = "auto",
    special_tokens: options.SpecialTokens = "literal",
    debug: options.Debug = False,
) -> None:
    """The options that every task has."""


def with_shared_options(
    command: Callable[[SimpleNamespace, SimpleNamespace], int],
    own: Sequence[inspect.Parameter],
    *,
    name: str,
    help: str,
) -> Callable[..., int]:
    """A function with the options of ``_shared`` and its ``own``, for typer; it hands both on to ``command``."""
    shared = inspect.signature(_shared, eval_str=True).parameters
    asked = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*shared.values(), *own)]

    def run(**values: Any) -> int:
        mine = {one.name: values.pop(one.name) for one in own}
        return command(SimpleNamespace(**values), SimpleNamespace(**mine))

    run.__name__, run.__doc__ = name, help
    run.__signature__ = inspect.Signature(asked, return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in asked}
    return run
