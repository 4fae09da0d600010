"""The rows that a run has stored, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from seqscore.errors import InputError
from seqscore.evaluation.run.row_schema import TOKEN_LISTS, run_schema
from seqscore.evaluation.run.stored import check_rows
from seqscore.evaluation.tasks.registry import number_kinds

if TYPE_CHECKING:
    import pyarrow as pa

    from seqscore.evaluation.run.run_folder import Run
    from seqscore.evaluation.tasks.base import Task
    from seqscore.evaluation.tasks.measure import RowValues
    from seqscore.evaluation.tasks.rows import Stored


def stored_rows(run: Run, columns: Sequence[str] | None = None) -> Iterator[Stored]:
    """The rows of a run in order, a few at a time, each as a run writes it.

    Raises:
        InputError: a part is damaged or missing, or holds what no run writes.
    """
    for batch in stored_batches(run, columns):
        yield from _rows(batch)


def stored_batches(run: Run, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a run in order, a few at a time, as Arrow holds them; see ``stored_rows``."""
    first, kinds = 0, number_kinds(run.fingerprint["task"])
    has_tokens = columns is None or any(name.rpartition(".")[2] in TOKEN_LISTS for name in columns)
    for batch in run.batches(columns, rows=256 if has_tokens else 4096, schema=run_schema()):
        check_rows(batch, first=first, where=f"a part of {str(run.path)!r}", kinds=kinds)
        first += batch.num_rows
        yield batch


def _rows(batch: pa.RecordBatch) -> list[Stored]:
    """The rows of a batch. As ``to_pylist`` gives them, but that numbers of an item are a dict; column by column, which
    is several times faster."""
    names = batch.schema.names
    columns = [
        _nested(column) if name == "items" else _values(column) for name, column in zip(names, batch, strict=True)
    ]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _nested(lists: pa.Array) -> list[Any]:
    """Lists of items."""
    structs = lists.flatten()
    names = [one.name for one in structs.type]
    values = (_values(column) for column in structs.flatten())
    items = [dict(zip(names, item, strict=True)) for item in zip(*values, strict=True)]
    return _cut(lists, items)


def _values(column: pa.Array) -> list[Any]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_map(kind):
        names, numbers = (_values(one) for one in _parts_of_map(column))
        pairs = list(zip(names, numbers, strict=True))
        return [None if one is None else dict(one) for one in _cut(column, pairs)]
    if column.null_count or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        found: list[Any] = column.to_pylist()
        return found
    numbers_alone: list[Any] = column.to_numpy().tolist()
    return numbers_alone


def _parts_of_map(column: pa.MapArray) -> tuple[pa.Array, pa.Array]:
    begin, end = column.offsets[0].as_py(), column.offsets[-1].as_py()
    return column.keys.slice(begin, end - begin), column.items.slice(begin, end - begin)


def _cut(lists: pa.Array, values: list[Any]) -> list[Any]:
    """The ``values`` of all lists as one list each; None for one that is null."""
    ends = lists.offsets.to_numpy()
    found = [values[begin:end] for begin, end in pairwise((ends - ends[0]).tolist())]
    if not lists.null_count:
        return found
    return [one if there else None for one, there in zip(found, lists.is_valid().to_pylist(), strict=True)]


def values_of(task: Task, row: Stored) -> RowValues:
    """What a stored row adds to each measure of its task.

    Raises:
        InputError: its items are not those of the task.
    """
    try:
        return task.values(row)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise InputError(
            f"a stored row does not hold what the task {task.name!r} stores ({error}); was the run changed?"
        ) from error
