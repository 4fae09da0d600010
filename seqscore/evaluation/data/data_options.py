"""How a dataset is read: the choices that a caller has, each with a name."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from seqscore.errors import OptionError, SeqscoreWarning
from seqscore.evaluation.data.charsets import UTF8, known_encoding
from seqscore.policies import whole_number

FileKind: TypeAlias = Literal["text", "json", "jsonl", "csv", "tsv", "parquet", "arrow", "conllu"]
"""What a file holds: lines of text, JSON, JSON Lines, separated values, Parquet, Arrow (Feather), CoNLL-U."""

Quoting: TypeAlias = Literal["auto", "standard", "none"]
"""Of quotation marks in CSV and TSV. ``standard``: they enclose fields. ``none``: they are text. ``auto``: standard,
but never so that whole rows become part of one field."""

EmptyCells: TypeAlias = Literal["error", "text"]
"""What an empty cell of CSV or TSV, or one that says ``NA``, is: a row without a text, or a text."""

Notify: TypeAlias = Callable[[str], None]
"""Takes what a caller should know and that does not stop the work."""

_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}


def warned(message: str) -> None:
    """Say ``message`` as a warning of this package."""
    warnings.warn(message, SeqscoreWarning, stacklevel=3)


def once(notify: Notify) -> Notify:
    """``notify``, which gets each message once; rows are read more than once."""
    said: set[str] = set()

    def say(message: str) -> None:
        if message not in said:
            said.add(message)
            notify(message)

    return say


@dataclass(slots=True)
class Counted:
    """Something that befell rows of a file, of which a reader is told once: where first, and how often."""

    first: str = ""
    count: int = 0

    def add(self, where: str) -> None:
        """It befell this row too."""
        self.first, self.count = self.first or where, self.count + 1

    @property
    def more(self) -> str:
        """Of how many besides the first there is to say."""
        return f" and {self.count - 1:,} more" if self.count > 1 else ""


def say_no_context(found: Counted, notify: Notify) -> None:
    """Say of how many rows the context is empty."""
    if found.count:
        notify(f"{found.first}{found.more}: the context is empty, so the text is scored without one")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """How a dataset is read.

    Args:
        config, split, revision: of a dataset that the datasets library loads.
        id_column: where ids stand; row numbers otherwise.
        limit: only so many rows from the beginning, over all sources.
        whole_file: a file of text is one row.
        read_as: the kind of all files, instead of what their names' ends say.
        encoding: of text, JSON and separated values.
        field_separator: of separated values: one character, or its name (tab, comma, semicolon, space, pipe).
        quoting, empty_cells: see there.
        max_line_bytes: the most that a line, a row of JSON or a value of a table may have, after decompression.
        max_file_bytes: the most that a file may have that must be held as a whole.
        notify: gets what a reader of the numbers should know; warnings by default.

    Raises:
        OptionError: a value that the option cannot have.
    """

    config: str | None = None
    split: str | None = None
    revision: str | None = None
    id_column: str | None = None
    limit: int | None = None
    whole_file: bool = False
    read_as: FileKind | None = None
    encoding: str = UTF8
    field_separator: str | None = None
    quoting: Quoting = "auto"
    empty_cells: EmptyCells = "error"
    max_line_bytes: int = 16 * 2**20
    max_file_bytes: int = 256 * 2**20
    notify: Notify = warned

    def __post_init__(self) -> None:
        if self.limit is not None:
            limit = whole_number("limit", self.limit)
            if limit < 1:
                raise OptionError(f"limit={limit} must be at least 1")
            object.__setattr__(self, "limit", limit)
        for name, values in (("read_as", FileKind), ("quoting", Quoting), ("empty_cells", EmptyCells)):
            value = getattr(self, name)
            if value is not None and value not in get_args(values):
                raise OptionError(f"{name}={value!r} is unknown; expected one of {', '.join(get_args(values))}")
        object.__setattr__(self, "encoding", known_encoding(self.encoding))
        if self.field_separator is not None:
            object.__setattr__(self, "field_separator", _separator(self.field_separator))

    @property
    def reading(self) -> dict[str, str]:
        """The choices that change what is read out of the same bytes, for a fingerprint; none by default."""
        found = {
            "read_as": self.read_as,
            "encoding": None if self.encoding == UTF8 else self.encoding,
            "field_separator": self.field_separator,
            "quoting": None if self.quoting == "auto" else self.quoting,
            "empty_cells": None if self.empty_cells == "error" else self.empty_cells,
        }
        return {name: value for name, value in found.items() if value is not None}


def _separator(given: str) -> str:
    found = _SEPARATORS.get(given, given)
    if len(found) != 1 or found in '\r\n"':
        raise OptionError(
            f"field_separator={given!r} must be one character, or one of {', '.join(_SEPARATORS)}; it cannot be a line "
            f"end or a quotation mark"
        )
    return found
