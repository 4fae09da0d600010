"""What the writer of a format is, and what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, get_args

from seqscore.errors import OptionError
from seqscore.evaluation.scored.scored_rows import FieldKind
from seqscore.output.destination import Output
from seqscore.output.naming import Names, Notify
from seqscore.scores.reductions import Unit, in_unit

SignaturePlace: TypeAlias = Literal["once", "rows", "none"]
"""Where the signature stands. ``once``: in the metadata of Parquet, in ``NAME.meta.json`` beside another file, behind
a table of a page or a paper, on standard error where the rows go to standard output; ``rows``: in every row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterOptions:
    """How rows are written.

    ``unit``: of all logarithms. ``tokens``: every token too, with ``lists_top`` the most probable ones at its place.
    ``signature``: where it stands. ``quote_formulas``: an apostrophe before text of CSV and TSV that a spreadsheet
    would compute. ``columns``: of the input, where their names are known beforehand. ``notify``: is told what is to
    be said to people.
    """

    unit: Unit = "nats"
    tokens: bool = False
    lists_top: bool = False
    signature: SignaturePlace = "once"
    quote_formulas: bool = False
    columns: tuple[str, ...] | None = None
    notify: Notify = field(default=lambda message: None)

    def __post_init__(self) -> None:
        in_unit(0.0, self.unit)
        if self.signature not in get_args(SignaturePlace):
            raise OptionError(
                f"signature={self.signature!r} is unknown; expected {', '.join(get_args(SignaturePlace))}"
            )


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a writer writes to: an open output, the fields of its records in order, the names that columns of the input
    get, and how rows are written."""

    output: Output
    fields: Mapping[str, FieldKind]
    names: Names
    options: WriterOptions


class RecordWriter(Protocol):
    """Writes records in one format. (One that asks for ``rows`` gets scored rows instead.)"""

    def write(self, record: Any, /) -> None:
        """Write one ``OutputRecord``."""

    def finish(self, about: Mapping[str, str]) -> None:
        """Write what is still to be written once all records are there; ``about``: what belongs to the whole file."""

    def discard(self) -> None:
        """Let go of everything: the output will not be completed."""
