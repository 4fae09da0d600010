"""Rows of a dataset to items of a test suite: conditions, each a text in regions.

An item is a row (a suite in SyntaxGym's JSON), or the rows that name it: a row a condition, with a column a region or
with spans of one text, or a row a region. Rows are gathered by item, wherever in the data they stand; an item comes in
the place of its first row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from seqscore.errors import InputError
from seqscore.evaluation.data.column_names import CONDITION, CONDITIONS, CONTENT, ITEM, REGION, SPANS, SUITE, TEXT
from seqscore.evaluation.data.dataset import DataItem, DataRow
from seqscore.evaluation.data.fields import Fields, Form, ranked
from seqscore.evaluation.data.json_text import parsed
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.data.records import kind_of_value
from seqscore.evaluation.tasks.regions import Region, sentence_of, spans_of

_SHARED = {"item": ranked(*ITEM), "condition": ranked(*CONDITION), "group": ranked(*SUITE)}

FORMS = (
    Form(
        required={"conditions": ranked(*CONDITIONS)},
        optional={
            "item": ranked(*ITEM),
            "group": ranked(*SUITE),
            "predictions": ranked("predictions"),
            "region_names": ranked("region_meta"),
            "metric": ranked("metric"),
        },
    ),
    Form(
        required={"regions": ()},
        optional={**_SHARED, "context": ()},
        lists=frozenset({"regions"}),
        series={"regions": "region|chunk"},
    ),
    Form(required={"text": (TEXT,), "spans": ranked(*SPANS)}, optional={**_SHARED, "context": ()}),
    Form(
        required={"item": ranked(*ITEM), "region": ranked(*REGION), "content": ranked(*CONTENT)},
        optional={"condition": ranked(*CONDITION), "group": ranked(*SUITE)},
    ),
)
"""The forms of rows, as a task's ``forms``."""

_MOST_ROWS = 1_000_000  # that are gathered, and so held


@dataclass(frozen=True, slots=True)
class Sentence:
    """A condition of an item: its text, the regions of it, and what stands before it."""

    text: str
    regions: tuple[Region, ...]
    context: str | None = None


@dataclass(slots=True)
class SuiteItem:
    """An item: its id and place in messages, the suite that it belongs to, its sentences by condition, the columns that
    it was made from, what its rows say of their suite, and what is wrong with it, if anything."""

    id: str
    where: str
    group: str | None
    sentences: dict[str, Sentence] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    row: DataRow | None = None
    error: InputError | None = None


Parts: TypeAlias = list[tuple[str, str]]


def suite_items(rows: Iterable[DataItem], fields: Fields, delimiter: str) -> Iterator[SuiteItem | Problem]:
    """The items of a dataset, in the order of their first rows; a row that cannot be read is a ``Problem``.

    Raises:
        InputError: more than a million rows have to be gathered.
    """
    if "conditions" in fields:
        for row in rows:
            yield row if isinstance(row, Problem) else _whole(row, fields, delimiter)
        return
    for found in _gathered(rows, fields) if "item" in fields else map(_alone, rows):
        yield found if isinstance(found, Problem) else _together(found, fields, delimiter)


def item_name(row: DataRow, fields: Fields) -> str:
    """What the row's item is called: what its column holds, else the row's own id."""
    if "item" not in fields:
        return str(row.id)
    value = row.at(fields["item"])
    if row.record.is_missing(value):
        raise InputError(f"{row.where}: column {fields['item']!r} is empty; expected the name of an item")
    return _plain(value)


def _plain(value: Any) -> str:
    """A name as text that can be stored; 1.0, which a table has of 1, is 1."""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _named(row: DataRow, fields: Fields, role: str) -> str | None:
    """What a column holds, as text; None where there is no such column, or nothing in it."""
    if role not in fields:
        return None
    value = row.at(fields[role])
    return None if row.record.is_missing(value) else _plain(value)


def _whole(row: DataRow, fields: Fields, delimiter: str) -> SuiteItem:
    """The item of a row that has all of its conditions."""
    found = SuiteItem(str(row.id), row.where, None, values=row.values, row=row)
    try:
        found.id, found.group = item_name(row, fields), _named(row, fields, "group")
        for name, parts in _conditions(row, fields):
            _add(found, name, Sentence(*sentence_of(parts, delimiter)))
    except InputError as error:
        found.error = error
    return found


def _conditions(row: DataRow, fields: Fields) -> Iterator[tuple[str, Parts]]:
    column = fields["conditions"]
    for condition in _objects(row.at(column), f"{row.where}: column {column!r}"):
        name = condition.get("condition_name")
        where = f"{row.where}: condition {name!r}"
        if not isinstance(name, str):
            raise InputError(f"{where}: condition_name must be a text")
        parts = []
        for region in _objects(condition.get("regions"), f"{where}: regions"):
            number, content = region.get("region_number"), region.get("content")
            if isinstance(number, bool) or not isinstance(number, int | str) or not isinstance(content, str):
                raise InputError(
                    f"{where}: a region must have a region_number and a content, got {number!r:.40} and {content!r:.40}"
                )
            parts.append((_plain(number), content))
        yield _plain(name), _distinct(parts, where)


def _objects(value: Any, where: str) -> list[Mapping[str, Any]]:
    """A list of objects; also written as an object of lists, as the datasets library has it."""
    if isinstance(value, Mapping) and value and all(isinstance(one, list) for one in value.values()):
        lengths = {len(one) for one in value.values()}
        if len(lengths) == 1:
            return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise InputError(f"{where} must be a list of objects, got {kind_of_value(value)}")
    return value


def _distinct(parts: Parts, where: str) -> Parts:
    labels = [label for label, _ in parts]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"{where} has region {label!r} twice; every region has a name of its own")
    return parts


def _add(item: SuiteItem, condition: str, sentence: Sentence) -> None:
    if condition in item.sentences:
        called = f" condition {condition!r}" if condition else " several rows and no column that names conditions"
        raise InputError(f"{item.where}: item {item.id!r} has{called}{' twice' if condition else ''}")
    item.sentences[condition] = sentence


def _alone(row: DataItem) -> list[DataRow] | Problem:
    return row if isinstance(row, Problem) else [row]


def _gathered(rows: Iterable[DataItem], fields: Fields) -> Iterator[list[DataRow] | Problem]:
    """All rows of every item, in the place of its first; a row that cannot be read, or names no item, as a problem."""
    waiting: dict[Any, list[DataRow]] = {}
    problems: dict[int, Problem] = {}
    for count, row in enumerate(rows):
        if count == _MOST_ROWS:
            raise InputError(f"more than {_MOST_ROWS:,} rows would have to be put together by item; split the data")
        if isinstance(row, Problem):
            problems[count], waiting[count] = row, []
            continue
        try:
            key = (_named(row, fields, "group"), item_name(row, fields))
        except InputError as error:
            problems[count], waiting[count] = Problem(row.id, error, row.number), []
            continue
        waiting.setdefault(key, []).append(row)
    yield from (together or problems[key] for key, together in waiting.items())


def _together(rows: list[DataRow], fields: Fields, delimiter: str) -> SuiteItem:
    """The item of rows that were put together."""
    first = rows[0]
    found = SuiteItem(str(first.id), first.where, None, values=_merged(rows), row=first)
    try:
        found.id, found.group = item_name(first, fields), _named(first, fields, "group")
        if "region" in fields:
            for condition, parts in _by_condition(rows, fields).items():
                _add(found, condition, Sentence(*sentence_of(_distinct(parts, found.where), delimiter)))
        else:
            for row in rows:
                _add(found, _named(row, fields, "condition") or "", _sentence(row, fields, delimiter))
    except InputError as error:
        found.error = error
    return found


def _by_condition(rows: Sequence[DataRow], fields: Fields) -> dict[str, Parts]:
    """Of rows that hold a region each, the regions of every condition, in the order of the rows."""
    found: dict[str, Parts] = {}
    for row in rows:
        label = _named(row, fields, "region")
        if label is None:
            raise InputError(f"{row.where}: column {fields['region']!r} is empty; expected the name of a region")
        content = row.context(fields["content"]) or ""
        found.setdefault(_named(row, fields, "condition") or "", []).append((label, content))
    return found


def _sentence(row: DataRow, fields: Fields, delimiter: str) -> Sentence:
    """The sentence of a row, whose regions have a column each, or are spans of its text."""
    context = row.context(fields["context"]) if "context" in fields else None
    if "spans" in fields:
        text = row.text(fields["text"])
        return Sentence(text, spans_of(text, _spans(row, fields), row.where), context)
    given = fields["regions"]
    columns = [given] if isinstance(given, str) else list(given)
    parts = [(_plain(column), row.context(column) or "") for column in columns]
    return Sentence(*sentence_of(parts, delimiter), context)


def _spans(row: DataRow, fields: Fields) -> list[tuple[str, Any]]:
    """Labels and spans: of a list they are numbered from 1, of an object they have its names; a text holds either."""
    column = fields["spans"]
    value = row.at(column)
    if isinstance(value, str):
        try:
            value = parsed(value)
        except ValueError as error:
            raise InputError(f"{row.where}: column {column!r} is not JSON: {error}") from error
    if isinstance(value, Mapping):
        return [(_plain(name), one) for name, one in value.items()]
    if not isinstance(value, list | tuple):
        raise InputError(
            f"{row.where}: column {column!r} is {kind_of_value(value)}; expected [[start, end], ...] or "
            f'{{"NAME": [start, end], ...}}'
        )
    return [(str(place), one) for place, one in enumerate(value, start=1)]


def _merged(rows: Sequence[DataRow]) -> Mapping[str, Any]:
    """The columns of several rows: what they have in common, else a list of what each has."""
    if len(rows) == 1:
        return rows[0].values
    names = dict.fromkeys(name for row in rows for name in row.values)
    found = {name: [row.values.get(name) for row in rows] for name in names}
    return {name: every[0] if all(one == every[0] for one in every) else every for name, every in found.items()}
