"""Rows of Parquet, of Arrow's files and of datasets of the datasets library, copied with their schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

from seqscore.evaluation.data.arrow import arrow_batches, opened_arrow, opened_parquet, parquet_batches
from seqscore.evaluation.data.data_options import DataOptions, FileKind
from seqscore.evaluation.data.streams import source_name
from seqscore.evaluation.filter.copied import Rows, Sink

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_ROWS, _GROUP_BYTES = 10_000, 64 * 2**20


class _TableWriter(Protocol):
    def write_table(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


def copy_table(source: str, kind: FileKind, options: DataOptions, sinks: Mapping[str, Sink], rows: Rows) -> None:
    """Copy the rows of a Parquet or Arrow file. Parquet is compressed inside as its first column is; an Arrow file is a
    file again, a stream a stream (``.feather`` compressed by LZ4, as its writers do, ``.arrow`` not)."""
    import pyarrow.parquet as pq

    if kind == "parquet":
        with opened_parquet(source, options) as table:
            schema, codec = table.schema_arrow, _codec(table.metadata)

            def parquet(sink: Any) -> _TableWriter:
                writer: _TableWriter = pq.ParquetWriter(sink, schema, compression=codec, version="2.6")
                return writer

            copy_batches(parquet_batches(table, source_name(source)), schema, sinks, rows, parquet)
        return
    with opened_arrow(source, options) as table:
        is_file = hasattr(table, "num_record_batches")

        def arrow(sink: Any) -> _TableWriter:
            import pyarrow as pa

            packed = pa.ipc.IpcWriteOptions(compression="lz4" if ".feather" in source.lower() else None)
            new = pa.ipc.new_file if is_file else pa.ipc.new_stream
            writer: _TableWriter = new(sink, table.schema, options=packed)
            return writer

        copy_batches(arrow_batches(table), table.schema, sinks, rows, arrow)


def copy_loaded(dataset: Any, sinks: Mapping[str, Sink], rows: Rows) -> None:
    """Copy the rows of a dataset of the datasets library, as Parquet with its features."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = iter(dataset.with_format("arrow").iter(batch_size=1_000))
    first = next(tables, None)
    schema: Any = pa.schema([]) if first is None else first.schema
    if dataset.features is not None:
        schema = dataset.features.arrow_schema

    def batches() -> Iterator[Any]:
        table = first
        while table is not None:
            yield from table.cast(schema).to_batches()
            table = next(tables, None)

    def parquet(sink: Any) -> _TableWriter:
        writer: _TableWriter = pq.ParquetWriter(sink, schema, compression="zstd", version="2.6")
        return writer

    copy_batches(batches(), schema, sinks, rows, parquet)


def _codec(metadata: Any) -> str:
    """The compression of the first column."""
    if not metadata.num_row_groups or not metadata.num_columns:
        return "snappy"
    found = str(metadata.row_group(0).column(0).compression).lower()
    return "none" if found == "uncompressed" else found


def copy_batches(
    batches: Iterator[Any], schema: pa.Schema, sinks: Mapping[str, Sink], rows: Rows, writer_of: Any
) -> None:
    """Write every row of the batches to the writer of its bucket, some thousands at a time."""
    import pyarrow as pa

    with ExitStack() as stack:
        groups: dict[str, _Group] = {}
        for name, sink in sinks.items():
            writer = writer_of(sink)
            stack.callback(writer.close)
            groups[name] = _Group(writer, schema)
        for batch in batches:
            buckets: list[str | None] = []
            while len(buckets) < batch.num_rows and rows.peek() is not None:
                buckets.append(rows.take())
            for name, group in groups.items():
                chosen = pa.array([place for place, bucket in enumerate(buckets) if bucket == name], pa.int64())
                for part in _taken(batch, chosen) if len(chosen) else ():
                    group.add(part)
            if len(buckets) < batch.num_rows:
                break
        for group in groups.values():
            group.write()


def _taken(batch: pa.RecordBatch, places: pa.Array) -> list[Any]:
    """These rows; of types that cannot be gathered one by one."""
    import pyarrow as pa

    try:
        return [batch.take(places)]
    except pa.ArrowNotImplementedError:
        return [batch.slice(place, 1) for place in places.to_pylist()]


class _Group:
    """Rows of one bucket that are written at once."""

    def __init__(self, writer: _TableWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema
        self._batches: list[Any] = []
        self._rows = self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows; write them with those before once they are many."""
        self._batches.append(batch)
        self._rows, self._bytes = self._rows + batch.num_rows, self._bytes + batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self.write()

    def write(self) -> None:
        """Write what there is."""
        import pyarrow as pa

        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches, self._schema))
        self._batches, self._rows, self._bytes = [], 0, 0
