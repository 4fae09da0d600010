"""Records as Parquet: typed columns, tokens as a list of structs, the signature in the file's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from seqscore.evaluation.scored.scored_rows import FieldKind, OutputRecord
from seqscore.output.destination import Output
from seqscore.typed_json import cell, without_lone_surrogates

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_ROWS = 1_000
_MAX_TOKENS = 100_000
_TOKEN: Mapping[str, FieldKind] = {
    "id": "whole",
    "text": "text",
    "start": "whole",
    "end": "whole",
    "logprob": "real",
    "rank": "whole",
    "entropy": "real",
    "is_greedy": "flag",
}
_LISTS: Mapping[str, Mapping[str, FieldKind]] = {
    "tokens": _TOKEN,
    "tokens and top": {**_TOKEN, "top": "top"},
    "top": {"id": "whole", "text": "text", "logprob": "real"},
}


class ParquetWriter:
    """The fields, typed, then the columns of the input, of the types that ``columns`` names (None: as text).

    ``id`` is text, also where it is a row number: the type cannot depend on the rows. A group of rows holds at most
    1,000 rows and about 100,000 tokens, so that memory does not grow with their number.
    """

    def __init__(
        self, output: Output, fields: Mapping[str, FieldKind], columns: Mapping[str, pa.DataType | None] | None = None
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._output, self._fields, self._types = output, fields, dict(columns or {})
        ours = [(name, _arrow_type(kind)) for name, kind in fields.items()]
        self._schema = pa.schema([*ours, *((name, found or pa.string()) for name, found in self._types.items())])
        self._records: list[OutputRecord] = []
        self._num_tokens = 0
        with output.errors():
            self._writer = pq.ParquetWriter(output.stream, self._schema, compression="zstd")

    def write(self, record: OutputRecord) -> None:
        """Take one record; a full group of rows is written."""
        self._records.append(record)
        self._num_tokens += len(record.fields.get("tokens") or ())
        if len(self._records) >= _MAX_ROWS or self._num_tokens >= _MAX_TOKENS:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa

        arrays = [
            pa.array([_plain(record.fields.get(name), kind) for record in self._records], _arrow_type(kind))
            for name, kind in self._fields.items()
        ]
        arrays += [
            column_array([record.columns.get(name) for record in self._records], found)
            for name, found in self._types.items()
        ]
        group = pa.Table.from_arrays(arrays, schema=self._schema)
        with self._output.errors():
            self._writer.write_table(group)
        self._records, self._num_tokens = [], 0

    def finish(self, about: Mapping[str, str]) -> None:
        """Write the last group and the footer, with ``about`` in it as ``seqscore.NAME``."""
        if self._records:
            self._write_group()
        with self._output.errors():
            if about:
                self._writer.add_key_value_metadata({f"seqscore.{name}": text for name, text in about.items()})
            self._writer.close()

    def discard(self) -> None:
        """Close the library's writer while its stream is open; it would try later otherwise."""
        with suppress(OSError):
            self._writer.close()


def column_array(values: list[Any], found: pa.DataType | None) -> pa.Array:
    """Values of a column of the input as Arrow has them; where there is no one type for them, as the text of cells.

    Raises:
        pyarrow.ArrowException, OverflowError, TypeError, ValueError: a value is not of this type.
    """
    import pyarrow as pa

    if found is None:
        texts = [None if value is None else cell(without_lone_surrogates(value)) for value in values]
        return pa.array(texts, pa.string())
    return pa.array([arrow_value(value) for value in values], found)


def arrow_value(value: Any) -> Any:
    """``value`` as the Arrow library takes it: whatever it knows no type for as text."""
    value = without_lone_surrogates(value)
    if isinstance(value, dict):
        return {str(name): arrow_value(one) for name, one in value.items()}
    if type(value) is list:
        return [arrow_value(one) for one in value]
    if type(value).__name__ in ("UUID", "NotKept"):
        return cell(value) or None
    return value


def _plain(value: Any, kind: FieldKind) -> Any:
    """A field's value; Parquet has infinities of its own, which JSON has as text."""
    if value is None:
        return None
    if kind == "real":
        return float(value)
    if kind == "text":
        return without_lone_surrogates(str(value))
    if kind in _LISTS:
        return [{name: _plain(one.get(name), of) for name, of in _LISTS[kind].items()} for one in value]
    return value


def _arrow_type(kind: FieldKind) -> pa.DataType:
    import pyarrow as pa

    if kind in _LISTS:
        return pa.list_(pa.struct([(name, _arrow_type(of)) for name, of in _LISTS[kind].items()]))
    return {"text": pa.string(), "whole": pa.int64(), "real": pa.float64(), "flag": pa.bool_()}[kind]
