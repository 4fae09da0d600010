"""The options that the commands of all tasks have."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import typer

from seqscore.cli import options, reading
from seqscore.cli.option_groups import PairConventionOptions, RunningOptions, asking, parameters_of

_DATA, _RUN, _STATISTICS = "Data", "Run", "Statistics"


@dataclass(frozen=True, kw_only=True)
class RunChoices:
    """Of a run: its data and folder, what it stores, where it runs, its statistics."""

    data: Annotated[list[str], typer.Argument(help="Files, a folder, a dataset on the hub, or - for standard input.")]
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run.", rich_help_panel=_RUN)] = None
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            help="ROLE=COLUMN (or A,B or A.B), where the guess is wrong; may be repeated.",
            rich_help_panel=_DATA,
        ),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.", rich_help_panel=_RUN)
    ] = False
    keep: Annotated[
        Literal["scores", "tokens", "all"],
        typer.Option(help="Store sums alone, tokens too, or ranks and entropies too.", rich_help_panel=_RUN),
    ] = "tokens"
    keep_columns: Annotated[
        list[str] | None,
        typer.Option(
            help="The data's columns to store with a row: all (that are not scored), none or names with commas.",
            rich_help_panel=_RUN,
        ),
    ] = None
    part_rows: Annotated[int, typer.Option(min=1, help="Rows between two savings.", rich_help_panel=_RUN)] = 500
    output_format: Annotated[
        Literal["table", "json"], typer.Option("--format", help="Of the summary.", rich_help_panel=_RUN)
    ] = "table"
    ray: Annotated[
        str | None,
        typer.Option(help="Score on a Ray cluster: its address, or local to start one here.", rich_help_panel=_RUN),
    ] = None
    ray_workers: Annotated[
        int, typer.Option(min=1, help="Scorers on the cluster, one a process.", rich_help_panel=_RUN)
    ] = 1
    level: Annotated[float, typer.Option(help="Of the confidence intervals.", rich_help_panel=_STATISTICS)] = 0.95
    resamples: Annotated[int, typer.Option(help="Of a bootstrap.", rich_help_panel=_STATISTICS)] = 1000
    seed: Annotated[int, typer.Option(help="Of a bootstrap.", rich_help_panel=_STATISTICS)] = 0
    debug: options.Debug = False


@dataclass(frozen=True, kw_only=True)
class SharedOptions(RunChoices, reading.RowOptions, RunningOptions, PairConventionOptions):
    """The options that every task has."""

    def folder(self) -> Path:
        """Of the run.

        Raises:
            OptionError: none is named.
        """
        from seqscore.errors import OptionError

        if self.out is None:
            raise OptionError("no --out given; name a folder for the run (or --dry-run)")
        return self.out


def with_shared_options(
    command: Callable[[SharedOptions, SimpleNamespace], int],
    own: Sequence[inspect.Parameter],
    *,
    name: str,
    help: str,
) -> Callable[..., int]:
    """A function with the options of all tasks and its ``own``, for typer; it hands both on to ``command``."""
    shared = [one for group in SharedOptions.__bases__ for one in parameters_of(group)]
    asked = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*shared, *own)]

    def run(**values: Any) -> int:
        mine = {one.name: values.pop(one.name) for one in own}
        return command(SharedOptions(**values), SimpleNamespace(**mine))

    return asking(run, asked, name=name, help=help)
