"""Options of output that several commands take together: where records go, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from seqscore.cli import options
from seqscore.output import formats
from seqscore.output.formats import format_named, format_of, machine_formats, shown_ends

if TYPE_CHECKING:
    from seqscore.evaluation.data.kept_columns import KeepColumns

_OUTPUT = "Output"


def _file(names: Sequence[str]) -> Any:
    return typer.Option("--output", "-o", help=f"Write to this {shown_ends(names)} file.", rich_help_panel=_OUTPUT)


RecordFile: TypeAlias = Annotated[Path | None, _file(machine_formats())]
AnyFile: TypeAlias = Annotated[Path | None, _file(tuple(formats.FORMATS))]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Of records for programs, whatever their unit."""

    output: RecordFile = None
    output_format: options.RunFormat = None
    keep_columns: options.KeepColumns = None
    signature: options.SignaturePlace = "once"
    quote_formulas: options.QuoteFormulas = False

    @property
    def made(self) -> tuple[str, ...]:
        """The formats that the command makes, the usual one of standard output first."""
        return machine_formats()

    @property
    def format(self) -> str:
        """The format that is written."""
        return format_of(self.output, self.output_format, made=self.made)

    def kept(self) -> KeepColumns:
        """The columns of the input that go along, if not said all for programs and none for people."""
        from seqscore.evaluation.data.kept_columns import keep_columns

        usual = "none" if format_named(self.format).for_people else "all"
        return keep_columns(self.keep_columns or [usual])

    def writing(self, *, has_columns: bool, **more: Any) -> dict[str, Any]:
        """As writers take them, with ``more``. ``has_columns``: whether there may be columns of the input."""
        from seqscore.cli.session import say

        return {
            "signature": self.signature,
            "quote_formulas": self.quote_formulas,
            "columns": None if has_columns else (),
            "notify": say,
            **more,
        }


@dataclass(frozen=True, kw_only=True)
class RecordOptions(FileOptions):
    """Of records whose logarithms have a unit."""

    unit: options.LogUnit = "nats"

    def writing(self, *, has_columns: bool, **more: Any) -> dict[str, Any]:
        """With the unit."""
        return super().writing(has_columns=has_columns, unit=self.unit, **more)


@dataclass(frozen=True, kw_only=True)
class WordOptions(RecordOptions):
    """Of words, whose surprisals are mostly given in bits."""

    unit: options.LogUnit = "bits"


@dataclass(frozen=True, kw_only=True)
class ExportOptions(FileOptions):
    """Of the records of a run, whose unit is that of its task if it is not named."""

    unit: Annotated[
        Literal["nats", "bits"] | None,
        typer.Option(help="Unit of logarithms. Default: bits of criteria, else nats.", rich_help_panel=_OUTPUT),
    ] = None


@dataclass(frozen=True, kw_only=True)
class NextOptions(RecordOptions):
    """Of what may be a table, too."""

    output_format: options.RowFormat = None

    @property
    def made(self) -> tuple[str, ...]:
        """A table, and the formats for programs."""
        return ("table", *machine_formats())


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(NextOptions):
    """Of scores, in any format."""

    output: AnyFile = None

    @property
    def made(self) -> tuple[str, ...]:
        """All formats that there are."""
        return tuple(formats.FORMATS)
