"""What every task is made of: rows to items, and stored items to measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, TypeAlias

from seqscore.errors import InputError
from seqscore.evaluate.data.data_options import Counted, say_no_context
from seqscore.evaluate.data.dataset import DataItem, DataProblem, DataRow, Dataset
from seqscore.evaluate.data.records import Column
from seqscore.scores.statistics.intervals import Figure
from seqscore.text.items import Chat, Context, Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskItem:
    """Something to be scored for a row. ``role``: what it is there for. Characters, bytes and words are those of the
    text as the dataset has it, without a delimiter."""

    role: str
    item: str | Pair | Chat
    num_chars: int = 0
    num_bytes: int = 0
    num_words: int = 0
    weight: float | None = None
    first_pass: float | None = None
    word_errors: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """What a row of a dataset comes to."""

    items: tuple[TaskItem, ...]
    group: str | None = None
    gold: int | None = None
    reference_words: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a run to be: its id, its number, what it was made from, and what is to be scored. ``used``: columns of
    its source that what is stored of it holds anyway."""

    id: str
    number: int
    source: Any
    row: TaskRow | InputError
    used: frozenset[str] = frozenset()


Stored: TypeAlias = Mapping[str, Any]
"""A row as the run folder holds it."""

RowValues: TypeAlias = Mapping[str, tuple[float, float]]
"""Measure -> (total, count) of one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure that rows add up to: exp(-sum totals / sum counts) or sum totals / sum counts, see ``Figure``.

    ``method``: of its interval. ``better``: which way is up. ``by_group``: also shown for every group. ``use``: a
    ``figure`` of the task, one of a ``sweep`` over a setting (without an interval), or a ``hidden`` part of others.
    ``left_out``: why a scored row may have no part in it.
    """

    name: str
    figure: Figure
    unit: str
    method: Literal["wilson", "bootstrap"] = "bootstrap"
    better: Literal["higher", "lower"] = "lower"
    by_group: bool = False
    use: Literal["figure", "sweep", "hidden"] = "figure"
    left_out: str = ""


class Task(Protocol):
    """A task: named, with settings that its numbers depend on."""

    @property
    def name(self) -> str:
        """Of the task, as the command line calls it."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the numbers depend on besides model and data; goes into the fingerprint."""
        ...

    @property
    def needs_start_token(self) -> str:
        """What of it needs a token in front of a text, and how to do without; empty where nothing does."""
        ...

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """The rows to be scored, lazily and in order."""
        ...

    def measures(self) -> Sequence[Measure]:
        """What the rows add up to."""
        ...

    def values(self, row: Stored) -> RowValues:
        """What a scored row adds to each measure that it has a part in."""
        ...


def entries_of(
    dataset: Dataset, convert: Callable[[DataRow], TaskRow], *, context: Column | None = None
) -> Iterator[Entry]:
    """An entry for every row; one that cannot be converted carries its error. Rows whose ``context`` is empty are
    counted, which is said at the end."""
    alone = Counted()
    for row in map(_shallow, dataset.rows()):
        found = _converted(row, convert)
        if context is not None and isinstance(row, DataRow) and _stands_alone(row, found, context):
            alone.add(row.where)
        yield Entry(str(row.id), row.number, _source(row), found)
    say_no_context(alone, dataset.options.notify)


def _stands_alone(row: DataRow, found: TaskRow | InputError, context: Column) -> bool:
    return isinstance(found, TaskRow) and row.context(context) is None


_MAX_DEPTH = 100  # what walks a value calls itself for each level, and Python stops that near 1,000


def _shallow(row: DataItem) -> DataItem:
    """The row, or a problem in its place where a value is nested deeper than anything that reads it can go."""
    if isinstance(row, DataProblem):
        return row
    level: list[Any] = [one for one in row.values.values() if isinstance(one, Mapping | list)]
    for _ in range(_MAX_DEPTH):
        inner = (child for one in level for child in (one.values() if isinstance(one, Mapping) else one))
        level = [child for child in inner if isinstance(child, Mapping | list)]
        if not level:
            return row
    return DataProblem(
        row.id, row.number, InputError(f"{row.where}: a value is nested more than {_MAX_DEPTH} levels deep")
    )


def _converted(row: DataItem, convert: Callable[[DataRow], TaskRow]) -> TaskRow | InputError:
    if isinstance(row, DataProblem):
        return row.error
    try:
        return convert(row)
    except InputError as error:
        return error


def _source(row: DataItem) -> Any:
    return row.error.message if isinstance(row, DataProblem) else row.values


def settings_of(task: Any) -> dict[str, Any]:
    """The settings of a task that is a dataclass: its name, the columns of its fields, and every other value."""
    values = {one.name: getattr(task, one.name) for one in fields(task) if one.name != "fields"}
    return {"task": task.name, "fields": dict(task.fields.columns), **values}


def joined(context: Context, text: str, delimiter: str) -> Pair:
    """The pair of a context and a text behind it, parted by the delimiter, which is scored with the text."""
    return Pair(context, text, delimiter=delimiter)
