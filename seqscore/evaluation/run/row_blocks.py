"""Rows of one plain text each as a table of many at once, where a model gives the sums of texts and those are all that
is kept: the same rows as one by one, without an object for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from seqscore.evaluation.data.kept_columns import KeepColumns
from seqscore.evaluation.run.row_schema import head_of, run_schema, unicode_text
from seqscore.evaluation.tasks.rows import Entry, TaskItem, TaskRow

if TYPE_CHECKING:
    import pyarrow as pa

    from seqscore.evaluation.run.run_options import RunOptions
    from seqscore.plan.totals import Totals
    from seqscore.scorer import Scorer


@dataclass(frozen=True, slots=True, eq=False)
class RowBlock:
    """Scored rows as a table of ``run_schema``. ``num_scored``: tokens of all; ``last``: the id of the last row."""

    table: pa.Table
    num_scored: int
    last: str

    def __len__(self) -> int:
        return int(self.table.num_rows)


StoredRows: TypeAlias = Mapping[str, Any] | RowBlock
"""A row as it is stored, or many."""


def block_of(scorer: Scorer, entries: Sequence[Entry], options: RunOptions) -> RowBlock | None:
    """The rows of ``entries``; None where one of them has to be scored by itself: it could not be read, or is more or
    something else than one text, or more is kept of it than sums."""
    rows = [entry.row for entry in entries if isinstance(entry.row, TaskRow) and len(entry.row.items) == 1]
    items = [row.items[0] for row in rows]
    texts = [item.item for item in items if isinstance(item.item, str)]
    if options.keep != "scores" or len(texts) < len(entries):
        return None
    totals = scorer.totals(texts, **options.policies)
    if totals is None:
        return None
    table = _table(entries, rows, _items(items, texts, totals), options.keep_columns)
    return RowBlock(table, int(totals.num_scored.sum()), entries[-1].id)


def _table(entries: Sequence[Entry], rows: Sequence[TaskRow], items: pa.Array, columns: KeepColumns) -> pa.Table:
    import pyarrow as pa

    heads = [head_of(entry, columns) for entry in entries]
    count = len(entries)
    found: dict[str, Any] = {name: [head[name] for head in heads] for name in ("id", "number", "columns")}
    found |= {"group": [unicode_text(row.group) for row in rows], "gold": [row.gold for row in rows]}
    found["items"] = pa.ListArray.from_arrays(pa.array(np.arange(count + 1), pa.int32()), items)
    schema = run_schema()
    arrays = [_column(found.get(one.name), count, one.type) for one in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _items(items: Sequence[TaskItem], texts: Sequence[str], totals: Totals) -> pa.Array:
    """One struct a row, as ``row_schema`` makes it of a score."""
    count, num_scored = len(items), totals.num_scored
    found = {
        "role": [item.role for item in items],
        "text": texts,
        "log_likelihood": totals.log_likelihoods,
        "num_scored": num_scored,
        "num_tokens": num_scored,
        **dict.fromkeys(("num_cut", "num_unread"), np.zeros(count, np.int64)),
        "num_unknown": totals.num_unknown,
        "num_windows": (num_scored > 0).astype(np.int64),
        "num_bytes_scored": totals.num_bytes,
        "numbers": _numbers(items),
        "start_token": None if totals.start_token is None else np.full(count, totals.start_token),
    }
    return _struct(found, count)


def _struct(found: dict[str, Any], count: int) -> pa.Array:
    import pyarrow as pa

    fields = list(run_schema().field("items").type.value_type)
    return pa.StructArray.from_arrays([_column(found.get(one.name), count, one.type) for one in fields], fields=fields)


def _column(values: Any, count: int, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if values is None:
        return pa.nulls(count, kind)
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _numbers(items: Sequence[TaskItem]) -> pa.Array:
    import pyarrow as pa

    ends = np.cumsum([0, *(len(item.numbers) for item in items)])
    names = [name for item in items for name in item.numbers]
    values = [float(value) for item in items for value in item.numbers.values()]
    return pa.MapArray.from_arrays(pa.array(ends, pa.int32()), pa.array(names), pa.array(values, pa.float64()))
