"""The rows that a run has stored, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seqscore.errors import InputError
from seqscore.evaluation.run.row_schema import run_schema
from seqscore.evaluation.run.stored import check_rows
from seqscore.evaluation.tasks.registry import number_kinds

if TYPE_CHECKING:
    from seqscore.evaluation.run.run_folder import Run
    from seqscore.evaluation.tasks.base import Task
    from seqscore.evaluation.tasks.measure import RowValues
    from seqscore.evaluation.tasks.rows import Stored


def stored_rows(run: Run, columns: Sequence[str] | None = None) -> Iterator[Stored]:
    """The rows of a run in order, a few at a time, each as a run writes it.

    Raises:
        InputError: a part is damaged or missing, or holds what no run writes.
    """
    first, kinds = 0, number_kinds(run.fingerprint["task"])
    for batch in run.batches(columns, rows=256, schema=run_schema()):
        check_rows(batch, first=first, where=f"a part of {str(run.path)!r}", kinds=kinds)
        first += batch.num_rows
        yield from map(_with_numbers, batch.to_pylist())


def _with_numbers(row: dict[str, Any]) -> Stored:
    """The row, with the numbers of its items by their names."""
    for item in row.get("items") or ():
        if "numbers" in item:
            item["numbers"] = dict(item["numbers"])
    return row


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
