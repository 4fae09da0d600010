"""Scores as Parquet: typed columns, tokens as a list of structs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from seqscore.evaluate.rows import ErrorRow, Row
from seqscore.output.files import Output
from seqscore.scores.reductions import Unit

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ParquetWriter"]

_MAX_ROWS = 1_000
_MAX_TOKENS = 100_000
_REALS = ("log_likelihood", "perplexity", "bits_per_byte", "logprob", "entropy")


class ParquetWriter:
    """The columns of the CSV format, typed, and with ``tokens`` a column of lists.

    ``id`` is text, also where it is a row number: the type cannot depend on the rows. A group of rows holds at most
    1,000 rows and about 100,000 tokens, so that memory does not grow with their number.
    """

    def __init__(self, output: Output, *, unit: Unit, tokens: bool) -> None:
        import pyarrow.parquet as pq

        self._output, self._unit, self._tokens = output, unit, tokens
        self._schema = _schema(tokens=tokens)
        self._rows: list[dict[str, Any]] = []
        self._num_tokens = 0
        with output.errors():
            self._writer = pq.ParquetWriter(output.stream, self._schema, compression="zstd")

    def write(self, row: Row) -> None:
        """Take one row; a full group of rows is written."""
        record = _record(row, unit=self._unit, tokens=self._tokens)
        self._rows.append({"id": str(row.id), **record})
        self._num_tokens += len(record.get("tokens", ()))
        if len(self._rows) >= _MAX_ROWS or self._num_tokens >= _MAX_TOKENS:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa

        group = pa.Table.from_pylist(self._rows, schema=self._schema)
        with self._output.errors():
            self._writer.write_table(group)
        self._rows, self._num_tokens = [], 0

    def finish(self) -> None:
        """Write the last group and the footer."""
        if self._rows:
            self._write_group()
        with self._output.errors():
            self._writer.close()

    def discard(self) -> None:
        """Close the library's writer while its stream is open; it would try later otherwise."""
        with suppress(OSError):
            self._writer.close()


def _record(row: Row, *, unit: Unit, tokens: bool) -> dict[str, Any]:
    if isinstance(row, ErrorRow):
        return {"error": f"{row.code}: {row.message}"}
    record = row.score.to_dict(unit=unit, tokens=tokens)
    for part in (record, *record.get("tokens", ())):
        # Parquet has infinities of its own.
        part.update({name: float(part[name]) for name in _REALS if isinstance(part.get(name), str)})
    return record


def _schema(*, tokens: bool) -> pa.Schema:
    import pyarrow as pa

    text, whole, real, flag = pa.string(), pa.int64(), pa.float64(), pa.bool_()
    columns = [
        ("id", text),
        ("text", text),
        ("context", text),
        ("log_likelihood", real),
        ("unit", text),
        ("num_tokens", whole),
        ("num_scored", whole),
        ("perplexity", real),
        ("bits_per_byte", real),
        ("is_greedy", flag),
        ("num_windows", whole),
        ("num_cut", whole),
        ("num_unread", whole),
        ("boundary", text),
        ("error", text),
        ("signature", text),
    ]
    token = [
        ("id", whole),
        ("text", text),
        ("start", whole),
        ("end", whole),
        ("logprob", real),
        ("rank", whole),
        ("entropy", real),
        ("is_greedy", flag),
    ]
    listed = [("tokens", pa.list_(pa.struct(token)))] if tokens else []
    return pa.schema(columns + listed)
