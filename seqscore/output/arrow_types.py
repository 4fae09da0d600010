"""One Arrow type for each column of records whose values tell it only one by one."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from seqscore.evaluation.scored.scored_rows import OutputRecord
from seqscore.output.parquet import ParquetWriter, arrow_value, column_array
from seqscore.output.record_writer import RecordWriter, Sheet
from seqscore.output.spool import SpooledWriter

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK = 1_000
_MAX_FIELDS = 500
"""Of nested structs; objects with more names than that are free text rather than a type."""


def parquet_writer(sheet: Sheet) -> RecordWriter:
    """The writer of Parquet; where columns have types to be found, records wait in a temporary file."""
    output, fields = sheet.output, sheet.fields
    if sheet.options.columns == ():
        return ParquetWriter(output, fields)
    return SpooledWriter(output, lambda columns, replay: ParquetWriter(output, fields, column_types(columns, replay)))


def column_types(columns: Sequence[str], replay: Callable[[], Iterator[OutputRecord]]) -> dict[str, pa.DataType | None]:
    """The type that holds all values of a column exactly; None where there is none, and the column is written as text.

    Whole numbers and fractions are float64 where that loses no digit, decimals as wide as the widest, objects structs.
    The records are read twice, 1,000 at a time: once to find types, once to see that every value fits.
    """
    import pyarrow as pa

    found: dict[str, pa.DataType | None] = dict.fromkeys(columns, pa.null())
    for name, values in _values(columns, replay):
        found[name] = _widened(found[name], values)
    found = {name: one if one is None or _can_be_written(one) else None for name, one in found.items()}
    for name, values in _values(columns, replay):
        try:
            column_array(values, found[name])
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            found[name] = None
    return found


def _values(columns: Sequence[str], replay: Callable[[], Iterator[OutputRecord]]) -> Iterator[tuple[str, list[Any]]]:
    """Columns and their next values, 1,000 at a time."""
    records = replay()
    while chunk := list(islice(records, _CHUNK)):
        for name in columns:
            yield name, [record.columns.get(name) for record in chunk]


def _widened(before: pa.DataType | None, values: list[Any]) -> pa.DataType | None:
    """The type of these values and of those before."""
    import pyarrow as pa

    if before is None:
        return None
    try:
        now = pa.infer_type([arrow_value(value) for value in values])
        if pa.types.is_null(before) or now.equals(before) or pa.types.is_null(now):
            return before if pa.types.is_null(now) else now
        if not _alike(before, now):
            return None
        schemas = [pa.schema([("x", one)]) for one in (before, now)]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return None


def _alike(a: pa.DataType, b: pa.DataType) -> bool:
    """Whether one type may stand for both without changing what a value is."""
    import pyarrow as pa

    def number(one: pa.DataType) -> bool:
        return bool(pa.types.is_integer(one) or pa.types.is_floating(one))

    kinds = (number, pa.types.is_decimal, pa.types.is_nested, pa.types.is_timestamp)
    return any(kind(a) and kind(b) for kind in kinds)


def _can_be_written(found: pa.DataType) -> bool:
    """Whether Parquet has this type (it has no empty structs, for instance)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if _num_fields(found) > _MAX_FIELDS:
        return False
    schema = pa.schema([("x", found)])
    try:
        pq.write_table(schema.empty_table(), io.BytesIO())
    except (pa.ArrowException, OSError):
        return False
    return True


def _num_fields(found: pa.DataType) -> int:
    import pyarrow as pa

    if not pa.types.is_nested(found):
        return 0
    return int(found.num_fields) + sum(_num_fields(found.field(place).type) for place in range(found.num_fields))
