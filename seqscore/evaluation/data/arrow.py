"""Rows of Parquet and of Arrow's own files and streams (Feather), with bounds on what a small file may ask for."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from seqscore.errors import InputError
from seqscore.evaluation.data.data_options import DataOptions, FileKind
from seqscore.evaluation.data.ipc import largest_batch
from seqscore.evaluation.data.records import Record, check_distinct
from seqscore.evaluation.data.streams import READ_ERRORS, is_compressed, is_stream, open_bytes, reason, source_name

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 256
_BATCH_BYTES = 64 * 2**20
_PLENTY = 256 * 2**20  # bytes or values: what any file may have
_RATIO = 500  # beyond that, how many times its bytes on the disk a column may come to


def table_columns(source: str, kind: FileKind, options: DataOptions) -> tuple[str, ...]:
    """The names of a table's columns, of which no two are equal.

    Raises:
        InputError: it cannot be read, or two are.
    """
    with _opened(source, kind, options) as table:
        names = tuple(table.schema.names if kind == "arrow" else table.schema_arrow.names)
    check_distinct(source_name(source), names)
    return names


def read_table(source: str, kind: FileKind, options: DataOptions) -> Iterator[Record | InputError]:
    """The rows of a Parquet or Arrow file, in order; an error stands for a bad one.

    Rows are decoded some at a time, by their bytes. A text of a dictionary is decoded once, however often it is used.

    A value that is longer than the limit, and a column that would take memory out of all proportion to its bytes, is
    left out, which is said; it is an error of a row where its text should stand there.

    Raises:
        InputError: it cannot be read, or two columns have one name.
    """
    name, index = source_name(source), 0
    with _opened(source, kind, options) as table:
        check_distinct(name, table.schema.names if kind == "arrow" else table.schema_arrow.names)
        batches = ((batch, {}) for batch in arrow_batches(table)) if kind == "arrow" else _parquet_batches(table)
        for batch, left_out in batches:
            for column, why in left_out.items():
                options.notify(f"{name}: the column {column!r} {why}; it is left out")
            yield from _rows(batch, left_out, name, index, options)
            index += batch.num_rows


def num_rows(source: str) -> int:
    """How many rows a Parquet file says that it has."""
    import pyarrow.parquet as pq

    with _readable(source, "Parquet"), Path(source).open("rb") as stream:
        return int(pq.read_metadata(stream).num_rows)


@contextmanager
def _readable(source: str, what: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, *READ_ERRORS) as error:
        raise InputError(f"cannot read {source_name(source)} as {what}: {reason(error)}") from error


@contextmanager
def opened_arrow(source: str, options: DataOptions) -> Iterator[Any]:
    """The library's reader of an Arrow file or stream."""
    import pyarrow as pa

    with open_bytes(source) as opened, _readable(source, "Arrow"):
        stream = _seekable(opened, source, options)
        begin = stream.read(8)
        stream.seek(0)
        # A file of Arrow 0.x is another format ("FEA1"); the library says so.
        is_file = begin.startswith((b"ARROW1", b"FEA1"))
        _refuse_bomb(stream, source, is_file=begin.startswith(b"ARROW1"))
        yield pa.ipc.open_file(stream) if is_file else pa.ipc.open_stream(stream)


def _refuse_bomb(stream: BinaryIO, source: str, *, is_file: bool) -> None:
    """Refuse a batch that comes to very many bytes out of very few."""
    size, stored = largest_batch(stream, is_file=is_file)
    stream.seek(0)
    if size > _PLENTY and size > _RATIO * max(1, stored):
        raise InputError(f"{source_name(source)} comes to {size:,} bytes out of {stored:,}, which is refused")


@contextmanager
def opened_parquet(source: str, options: DataOptions, *, read_dictionary: bool = False) -> Iterator[Any]:
    """The library's reader of a Parquet file, with texts as dictionaries where they are stored so and it is asked."""
    import pyarrow.parquet as pq

    with open_bytes(source) as opened, _readable(source, "Parquet"):
        stream = _seekable(opened, source, options)
        table = pq.ParquetFile(stream)
        if read_dictionary:
            table = pq.ParquetFile(stream, metadata=table.metadata, read_dictionary=_texts(table))
        yield table


@contextmanager
def _opened(source: str, kind: FileKind, options: DataOptions) -> Iterator[Any]:
    reader = opened_arrow(source, options) if kind == "arrow" else opened_parquet(source, options, read_dictionary=True)
    with reader as table:
        yield table


def _seekable(stream: BinaryIO, source: str, options: DataOptions) -> BinaryIO:
    """The stream, or what it holds where it cannot be read from any place."""
    if not is_stream(source) and not is_compressed(source):
        return stream
    data = stream.read(options.max_file_bytes + 1)
    if len(data) > options.max_file_bytes:
        raise InputError(
            f"{source_name(source)} has more than {options.max_file_bytes:,} bytes when decompressed, the limit for a "
            f"file that must be held as a whole; decompress it first"
        )
    return io.BytesIO(data)


def _texts(table: Any) -> list[str]:
    """The paths of all leaves that hold texts or bytes, which are read as dictionaries where they are stored so."""
    leaves = [table.schema.column(place) for place in range(len(table.schema))]
    return [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]


_Batch: TypeAlias = "tuple[pa.RecordBatch, Mapping[str, str]]"
"""Some rows, and the columns that are not among theirs, with the reason."""


def parquet_batches(table: Any, name: str) -> Iterator[pa.RecordBatch]:
    """All rows with all columns, some at a time, by their bytes.

    Raises:
        InputError: a column comes to very many bytes out of very few.
    """
    for batch, left_out in _parquet_batches(table):
        _refuse(left_out, name)
        yield batch


def check_parquet(source: str, options: DataOptions) -> None:
    """Make sure that all rows with all columns can be read, from what the file says of them.

    Raises:
        InputError: it cannot be read, or a column comes to very many bytes out of very few.
    """
    with opened_parquet(source, options) as table:
        for group in range(table.metadata.num_row_groups):
            left_out, _ = _sizes(table.metadata.row_group(group), table.schema_arrow.names)
            _refuse(left_out, source_name(source))


def _refuse(left_out: Mapping[str, str], name: str) -> None:
    for column, why in left_out.items():
        raise InputError(f"{name}: the column {column!r} {why}; write the file anew without it")


def _parquet_batches(table: Any) -> Iterator[_Batch]:
    metadata, names = table.metadata, table.schema_arrow.names
    for group in range(metadata.num_row_groups):
        found = metadata.row_group(group)
        left_out, size = _sizes(found, names)
        rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * found.num_rows // max(1, size)))
        wanted = [column for column in names if column not in left_out] if left_out else None
        for batch in table.iter_batches(batch_size=rows, row_groups=[group], columns=wanted):
            yield batch, left_out


def _sizes(group: Any, names: Sequence[str]) -> tuple[dict[str, str], int]:
    """The columns of a group of rows that come to very many bytes out of very few, and the bytes of the others."""
    left_out, total = {}, 0
    for place in range(group.num_columns):
        column = group.column(place)
        size, stored = max(column.total_uncompressed_size, 8 * column.num_values), column.total_compressed_size
        if size > _PLENTY and size > _RATIO * max(1, stored):
            path = column.path_in_schema
            root = next((one for one in names if path == one or path.startswith(f"{one}.")), path)
            left_out[root] = f"comes to {size:,} bytes out of {stored:,}"
        else:
            total += size
    return left_out, total


def arrow_batches(table: Any) -> Iterator[pa.RecordBatch]:
    """All rows, some at a time."""
    batches = table if hasattr(table, "__iter__") else (table.get_batch(i) for i in range(table.num_record_batches))
    for batch in batches:
        for begin in range(0, batch.num_rows, _BATCH_ROWS):
            yield batch.slice(begin, _BATCH_ROWS)


def _rows(
    batch: pa.RecordBatch, left_out: Mapping[str, str], name: str, first: int, options: DataOptions
) -> Iterator[Record]:
    """The rows of a batch. A value that cannot be had costs its row nothing but itself."""
    names, limit = batch.schema.names, options.max_line_bytes
    columns = [_values(batch.column(place), limit) for place in range(batch.num_columns)]
    for row in range(batch.num_rows):
        values: dict[str, Any] = dict.fromkeys(left_out)
        problems = dict(left_out)
        for column, value_of in zip(names, columns, strict=True):
            value = value_of(row)
            if isinstance(value, _Problem):
                problems[column] = value.message
                value = value.instead
                if value is None:
                    options.notify(f"{name}: values of the column {column!r} of more than {limit:,} bytes are left out")
            values[column] = value
        yield Record(f"{name}, row {first + row}", values, problems=problems)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Why a value is not there as it should be, and what stands for it."""

    message: str
    instead: Any


def _values(column: pa.Array, limit: int) -> Callable[[int], Any]:
    """A function from the place of a row to its value."""
    import pyarrow as pa

    if _has_odd_nanoseconds(column):  # the library drops them where it makes a time of Python
        column = column.cast(pa.string())
    if _size(column) <= limit:
        try:
            return column.to_pylist().__getitem__  # type: ignore[no-any-return]
        except (UnicodeDecodeError, ValueError, OverflowError, pa.ArrowException):
            pass  # one by one, to know which

    def value_of(row: int) -> Any:
        if _size(column.slice(row, 1)) > limit:
            return _Problem(f"is longer than {limit:,} bytes, the limit for a value", None)
        scalar = column[row]
        try:
            return scalar.as_py()
        except UnicodeDecodeError as error:
            return _Problem(f"is not UTF-8: {error}", _bytes(scalar))
        except (ValueError, OverflowError, pa.ArrowException):
            return str(scalar)  # no type of Python holds it: nanoseconds, names twice in a struct

    return value_of


def _has_odd_nanoseconds(column: pa.Array) -> bool:
    """Whether these are times of day of which one is no whole number of microseconds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.type != pa.time64("ns"):
        return False
    odd = pc.not_equal(column, column.cast(pa.time64("us"), safe=False).cast(pa.time64("ns")))
    return bool(pc.any(odd).as_py())


def _bytes(scalar: Any) -> bytes | None:
    """Those of a text that is no UTF-8, where they can be had."""
    held = getattr(getattr(scalar, "value", scalar), "as_buffer", None)  # of a dictionary: its entry
    found = None if held is None else held()
    return None if found is None else bytes(found)


def _size(array: Any) -> int:
    """How many bytes the values come to when each is written out, without writing them out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        if not _has_length(kind.value_type):
            return int(array.nbytes)
        lengths = pc.take(pc.binary_length(array.dictionary), array.indices)
        return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0)
    if _has_length(kind):
        return int(pc.sum(pc.cast(pc.binary_length(array), pa.int64())).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(_size(one) for one in array.flatten())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = array.flatten()
        return _size(inner) + 8 * len(inner)
    if pa.types.is_map(kind):
        entries = array.keys, array.items
        return sum(_size(one) for one in entries)
    return int(array.nbytes)


def _has_length(kind: Any) -> bool:
    import pyarrow as pa

    asked = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(one(kind) for one in asked)
