"""One row with its columns, whatever it was read from: how a column is named, found and taken for a text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from seqscore.errors import InputError, NoTextError

Column: TypeAlias = str | tuple[str, ...]
"""The name of a column, a path into one (``doc.text``), or several columns that hold one list."""

FAULTS_OF_CELLS = frozenset("#VALUE! #NULL! #DIV/0! #NAME? #REF! #NUM!".split())
"""What spreadsheets write where a formula failed."""

EMPTY_CELLS = FAULTS_OF_CELLS | frozenset(
    ["", *"NA N/A n/a #N/A <NA> NaN nan -NaN -nan null NULL None".split(), "#N/A N/A", "#NA", "\\N"]
)
"""What tables of separated values write where there is no value (pandas, R, polars, spreadsheets, databases)."""


@dataclass(frozen=True, slots=True)
class Record:
    """All columns of one row.

    ``where`` names the row in messages; ``empty`` are the texts that stand for no value; ``problems`` says of columns
    whose value could not be had as it is why, which matters where one is asked for.
    """

    where: str
    values: Mapping[str, Any]
    empty: frozenset[str] = frozenset()
    problems: Mapping[str, str] = field(default_factory=dict)

    def at(self, column: Column) -> Any:
        """The value of a column; of several the list of theirs, without empty ones at its end.

        Raises:
            NoTextError: of several one is empty before one that is not, or has a word that may stand for nothing or
                for itself: ``None`` is a common last answer.
            InputError: there is no such column in this row.
        """
        if not isinstance(column, str):
            found = [self.at(one) for one in column]
            while found and self.is_missing(found[-1]) and not _is_word(found[-1]):
                found.pop()
            for name, value in zip(column, found, strict=False):
                if self.is_missing(value) and _is_word(value):
                    raise NoTextError(
                        f"{self.where}: column {name!r} is {value}, which may be a text or stand for none; say "
                        f"--empty-cells text (empty_cells='text') where it is a text, or leave the cell empty"
                    )
                if self.is_missing(value):
                    raise NoTextError(
                        f"{self.where}: column {name!r} is {_empty(value)}, and {column[len(found) - 1]!r} is not"
                    )
            return found
        problem = self.problems.get(column)
        if problem is not None:
            raise InputError(f"{self.where}: column {column!r} {problem}")
        try:
            return value_at(self.values, column)
        except KeyError:
            raise no_column(self.where, column, list(self.values)) from None

    def is_missing(self, value: Any) -> bool:
        """Whether a value is none: null, NaN, or what stands for an empty cell."""
        if isinstance(value, str):
            return value in self.empty
        return value is None or (isinstance(value, float) and math.isnan(value))

    def text(self, column: Column) -> str:
        """The text in a column.

        Raises:
            NoTextError: the row has none there.
            InputError: there is no such column, or it holds something else.
        """
        value = self.at(column)
        if self.is_missing(value):
            raise NoTextError(f"{self.where}: column {column!r} is {_empty(value)}; the row has no text there")
        if isinstance(value, bytes):  # a table may hold texts without saying that they are
            value = _decoded(value)
        if not isinstance(value, str):
            raise InputError(f"{self.where}: column {column!r} is {kind_of_value(value)}; expected text")
        return value

    def numeric(self, column: Column) -> float:
        """The number in a column; of a text format what its cell spells.

        Raises:
            InputError: the row has none there, or one that is not finite, or there is no such column.
        """
        value = self.at(column)
        if self.is_missing(value):
            raise InputError(f"{self.where}: column {column!r} is {_empty(value)}; the row has no number there")
        found = _number(value)
        if found is None:
            shown = f"{value!r:.40}" if isinstance(value, str | int | float) else kind_of_value(value)
            raise InputError(f"{self.where}: column {column!r} is {shown}; expected a finite number, such as 3.5")
        return found

    def context(self, column: Column) -> str | None:
        """The text in a column that stands before another one; None where there is truly nothing. A word that may
        stand for nothing (``NA``) is an error as in any text: it may as well be the context.

        Raises:
            NoTextError: the cell has such a word.
            InputError: there is no such column, or it holds something else.
        """
        value = self.at(column)
        return None if self.is_missing(value) and not _is_word(value) else self.text(column)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def value_at(values: Mapping[str, Any], name: str) -> Any:
    """The value of a column of exactly that name; else what lies at the path ``a.b.0`` into mappings and lists; None
    where one of these is null.

    Raises:
        KeyError: there is neither.
    """
    if name in values:
        return values[name]
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        first, rest = ".".join(parts[:count]), ".".join(parts[count:])
        inner = values.get(first)
        if inner is None and first in values:
            return None
        if isinstance(inner, Mapping):
            return value_at(inner, rest)
        if isinstance(inner, list | tuple):
            return value_at({str(place): one for place, one in enumerate(inner)}, rest)
    raise KeyError(name)


def has_column(columns: Sequence[str], name: str) -> bool:
    """Whether there is a column of this name, or one that a path of this name may lead into."""
    parts = name.split(".")
    return any(".".join(parts[:count]) in columns for count in range(1, len(parts) + 1))


def no_column(where: str, name: str, columns: Sequence[str]) -> InputError:
    """The error that names the columns there are, and what may be meant."""
    listed = ", ".join(map(repr, columns[:20])) or "none"
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    hint = column_hint(name, columns)
    return InputError(f"{where} has no column {name!r}; its columns are {listed}{more}{hint and '; ' + hint}")


def column_hint(name: str | None, columns: Sequence[str]) -> str:
    """What may be wrong where the column ``name`` (or any that is known) is not among ``columns``; may be empty."""
    if len(columns) == 1:
        for separator, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (",", "commas")):
            if separator in columns[0]:
                given = "tab" if separator == "\t" else f"'{separator}'"
                return f"its header is parted by {called}: --field-separator {given} (field_separator=)"
    if name is None:
        spaced = next((one for one in columns if one != one.strip()), None)
        return (
            "" if spaced is None else f"the name {spaced!r} has white space around it: name it so, or mend the header"
        )
    alike = [one for one in columns if one.strip().casefold() == name.strip().casefold()]
    return (
        f"the name {alike[0]!r} differs by white space or case alone: name it so, or mend the header" if alike else ""
    )


def check_distinct(name: str, columns: Sequence[str]) -> None:
    """Refuse a table with two columns of one name, of which a row could keep one only.

    Raises:
        InputError: it has; the message names the column.
    """
    if len(set(columns)) == len(columns):
        return
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            raise InputError(f"{name} has {columns.count(column)} columns named {column!r}; rename all but one")
        seen.add(column)


def kind_of_value(value: object) -> str:
    """What a value is, for messages."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float | Decimal):
        return "a number"
    kinds = {
        type(None): "null",
        str: "a text",
        list: "a list",
        tuple: "a list",
        bytes: "bytes that are no UTF-8",
        dict: "an object",
    }
    return kinds.get(type(value), f"a value of type {type(value).__name__}")


def _number(value: object) -> float | None:
    """A finite number; whole ones stay whole."""
    if isinstance(value, bool):
        return None
    try:
        found = float_of(value) if isinstance(value, str) else float(value) if isinstance(value, Decimal) else value
        return found if isinstance(found, int | float) and math.isfinite(found) else None
    except (ValueError, OverflowError):
        return None


def float_of(text: str) -> float:
    """The number that a text of the data is, in the way of all text formats: ``1_0`` is one in Python alone.

    Raises:
        ValueError: it is none.
    """
    if "_" in text:
        raise ValueError(f"{text!r} is no number")
    return float(text)


def _decoded(value: bytes) -> str | bytes:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def _empty(value: object) -> str:
    if value in FAULTS_OF_CELLS:
        return f"{value}, an error of the spreadsheet"
    return "null" if value is None else "empty" if value == "" else str(value)
