"""Rows of a dataset to what is scored for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from seqscore.errors import InputError, SeqscoreError
from seqscore.evaluation.data.data_options import Counted, say_no_context
from seqscore.evaluation.data.dataset import DataItem, DataRow, Dataset
from seqscore.evaluation.data.fields import Fields
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.data.records import Column
from seqscore.text.items import Chat, Context, Pair

NumberKind: TypeAlias = Literal["whole", "real"]
"""What a number of an item is: a count, of at least 0, or any finite number."""

LENGTHS: Mapping[str, NumberKind] = MappingProxyType({"num_chars": "whole", "num_bytes": "whole", "num_words": "whole"})
"""Numbers that every text has: characters, UTF-8 bytes and words (runs without white space) of it as the dataset has
it, without a delimiter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskItem:
    """Something to be scored for a row. ``role``: what it is there for. ``numbers``: what is stored beside its score,
    by the names that the task gives them; every one is a float64 exactly.

    Raises:
        InputError: a number is not finite, or is a whole number that a float64 cannot hold.
    """

    role: str
    item: str | Pair | Chat
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.numbers.items():
            if not is_exact(value):
                raise InputError(f"{name} is {value!r:.60}, which no float64 holds; expected a finite number")


_WHOLE = 2**53


def is_exact(value: float) -> bool:
    """Whether a number is finite, and the same as a float64."""
    if type(value) is int and abs(value) <= _WHOLE:
        return True
    try:
        return math.isfinite(value) and float(value) == value
    except OverflowError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """What a row of a dataset comes to. ``gold``: the place of the right one among its alternatives."""

    items: tuple[TaskItem, ...]
    group: str | None = None
    gold: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a run to be: its id, its number, what it was made from, and what is to be scored. ``used``: columns of
    its source that what is stored of it holds anyway."""

    id: str
    number: int
    source: Any
    row: TaskRow | SeqscoreError
    used: frozenset[str] = frozenset()


Stored: TypeAlias = Mapping[str, Any]
"""A row as the run folder holds it."""


def entries_of(
    dataset: Dataset, convert: Callable[[DataRow], TaskRow], *, context: Column | None = None
) -> Iterator[Entry]:
    """An entry for every row; one that cannot be converted carries its error. Rows whose ``context`` is empty are
    counted, which is said at the end."""
    alone = Counted()
    for row in map(shallow, dataset.rows()):
        found = _converted(row, convert)
        if context is not None and isinstance(row, DataRow) and _stands_alone(row, found, context):
            alone.add(row.where)
        yield Entry(str(row.id), row.number, _source(row), found)
    say_no_context(alone, dataset.options.notify)


def _stands_alone(row: DataRow, found: TaskRow | SeqscoreError, context: Column) -> bool:
    return isinstance(found, TaskRow) and bool(found.items) and row.context(context) is None


_MAX_DEPTH = 100  # what walks a value calls itself for each level, and Python stops that near 1,000


_FLAT, _NESTED = frozenset({str, int, float, bool, type(None)}), (Mapping, list)


def shallow(row: DataItem) -> DataItem:
    """The row, or a problem in its place where a value is nested deeper than anything that reads it can go."""
    if isinstance(row, Problem):
        return row
    level: list[Any] = [one for one in row.values.values() if type(one) not in _FLAT and isinstance(one, _NESTED)]
    if not level:
        return row
    for _ in range(_MAX_DEPTH):
        inner = (child for one in level for child in (one.values() if isinstance(one, Mapping) else one))
        level = [child for child in inner if isinstance(child, _NESTED)]
        if not level:
            return row
    deep = InputError(f"{row.where}: a value is nested more than {_MAX_DEPTH} levels deep")
    return Problem(row.id, deep, row.number)


def _converted(row: DataItem, convert: Callable[[DataRow], TaskRow]) -> TaskRow | SeqscoreError:
    if isinstance(row, Problem):
        return row.error
    try:
        return convert(row)
    except InputError as error:
        return error


def _source(row: DataItem) -> Any:
    return row.error.message if isinstance(row, Problem) else row.values


def joined(context: Context, text: str, delimiter: str) -> Pair:
    """The pair of a context and a text behind it, parted by the delimiter, which is scored with the text."""
    return Pair(context, text, delimiter=delimiter)


def item_of(role: str, item: Any, text: str, **numbers: float) -> TaskItem:
    """An item whose lengths are those of ``text``, with other ``numbers`` of the task."""
    size = len(text.encode("utf-8", "surrogatepass"))
    lengths = {"num_chars": len(text), "num_bytes": size, "num_words": len(text.split())}
    return TaskItem(role=role, item=item, numbers={**lengths, **numbers})


def group_of(row: DataRow, fields: Fields) -> str | None:
    """The group that a row belongs to, as text; None where it names none. It costs no row its score."""
    if "group" not in fields:
        return None
    try:
        value = row.at(fields["group"])
    except InputError:
        return None
    return None if row.record.is_missing(value) else str(value)
