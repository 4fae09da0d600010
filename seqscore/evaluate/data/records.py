"""Records of JSON Lines, CSV, TSV and Parquet files, one after the other."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from seqscore.errors import InputError
from seqscore.evaluate.data.lines import Line, decoded, open_bytes, read_lines, source_name, suffix_of

__all__ = ["STRUCTURED", "Record", "read_records"]

STRUCTURED = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
"""Suffixes of files that have columns."""

_BATCH_ROWS = 256


@dataclass(frozen=True, slots=True)
class Record:
    """Columns of one row, the wanted ones at least; ``where`` names the row in messages."""

    where: str
    values: Mapping[str, Any]


def read_records(
    source: str, columns: Sequence[str] = (), *, limit: int, kind: str | None = None
) -> Iterator[Record | InputError]:
    """The rows of a structured file in order, each with at least ``columns``; an error stands for a bad row.

    Without ``columns`` every row has what it has: all columns of a table, whatever an object of JSON holds.
    ``kind`` stands for the suffix where the name has none.

    Raises:
        InputError: the file cannot be read, or has not these columns at all.
    """
    suffix, name = kind or suffix_of(source), source_name(source)
    if suffix == ".parquet":
        yield from _parquet(source, name, columns)
        return
    with open_bytes(source) as stream:
        if suffix in (".jsonl", ".ndjson"):
            yield from _jsonl(stream, name, columns, limit)
        else:
            yield from _csv(stream, name, columns, limit, delimiter="\t" if suffix == ".tsv" else ",")


def _missing(where: str, columns: Sequence[str], there: Sequence[str]) -> InputError | None:
    """The error that names the columns there are, where a wanted one is not among them."""
    lacking = [column for column in columns if column not in there]
    if not lacking:
        return None
    named = ", ".join(map(repr, there[:20])) or "none"
    more = f" and {len(there) - 20} more" if len(there) > 20 else ""
    return InputError(f"{where} has no column {lacking[0]!r}; its columns are {named}{more}")


def _too_long(where: str, limit: int) -> InputError:
    return InputError(f"{where} is longer than {limit:,} bytes, the limit for a line")


def _jsonl(stream: BinaryIO, name: str, columns: Sequence[str], limit: int) -> Iterator[Record | InputError]:
    """Objects, one a line; lines of white space alone are passed over."""
    first = True
    for line in read_lines(stream, name, limit=limit):
        if line.data is not None and not line.data.strip():
            continue
        row = _json_row(line, name, columns, limit)
        if first and isinstance(row, _MissingColumn):
            raise row  # a name mistyped, rather than a bad row
        first = False
        yield row


class _MissingColumn(InputError):
    """A row without a wanted column."""


def _json_row(line: Line, name: str, columns: Sequence[str], limit: int) -> Record | InputError:
    where = f"{name}, line {line.number}"
    if line.data is None:
        return _too_long(where, limit)
    text = decoded(line, name)
    if isinstance(text, InputError):
        return text
    try:
        value = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        return InputError(f"{where} is not JSON: {reason}")
    if not isinstance(value, dict):
        example = columns[0] if columns else "text"
        return InputError(f'{where} must be a JSON object like {{"{example}": "..."}}, got {_kind(value)}')
    missing = _missing(where, columns, list(value))
    return _MissingColumn(missing.message) if missing else Record(where, value)


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; json itself would keep the last of equal names in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the name {next(name for name in names if names.count(name) > 1)!r} stands twice in an object"
        )
    return found


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def _csv(
    stream: BinaryIO, name: str, columns: Sequence[str], limit: int, *, delimiter: str
) -> Iterator[Record | InputError]:
    """Rows below a header, by the rules of Python's csv module in its strict mode; quotes work in TSV too."""
    lines = _CsvLines(stream, name, limit)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _next_row(reader, lines)
    if header is None:
        raise InputError(f"{name} is empty; expected a header with the names of its columns")
    bad = lines.take_bad()
    if bad is not None:
        raise bad
    missing = _missing(name, columns, header)
    if missing:
        raise missing
    for column in columns or header:
        if header.count(column) > 1:
            raise InputError(f"{name} has {header.count(column)} columns named {column!r}; rename all but one")
    while True:
        begin = reader.line_num + 1
        row = _next_row(reader, lines)
        if row is None:
            return
        if not row:  # an empty line
            continue
        where = f"{name}, line {begin}"
        bad = lines.take_bad()
        if bad is not None:
            yield bad
        elif len(row) != len(header):
            yield InputError(f"{where}: number of values is {len(row)}, expected {len(header)} as in the header")
        else:
            yield Record(where, dict(zip(header, row, strict=True)))


class _CsvLines:
    """Lines as the csv module wants them; remembers the first that is not UTF-8."""

    def __init__(self, stream: BinaryIO, name: str, limit: int) -> None:
        self._bad: InputError | None = None
        self.name, self.limit = name, limit
        self._lines = read_lines(stream, name, limit=limit)

    def take_bad(self) -> InputError | None:
        """The first fault since the last call."""
        bad, self._bad = self._bad, None
        return bad

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if line.data is None:
            raise _too_long(f"{self.name}, line {line.number}", self.limit)
        text = decoded(line, self.name)
        if isinstance(text, InputError):
            self._bad = self._bad or text
            text = line.data.decode("utf-8", "replace")
        return text + line.end.decode("ascii")


def _next_row(reader: Any, lines: _CsvLines) -> list[str] | None:
    """The next row; None at the end. The csv module's limit on a field is a global of it: set only meanwhile."""
    begin = reader.line_num + 1
    before = csv.field_size_limit(lines.limit)
    try:
        row: list[str] | None = next(reader, None)
    except csv.Error as error:
        # Where the next row begins is not known any more.
        raise InputError(f"{lines.name}, line {begin}: not well-formed: {error}; check its quotes") from error
    finally:
        csv.field_size_limit(before)
    return row


def _parquet(source: str, name: str, columns: Sequence[str]) -> Iterator[Record | InputError]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_bytes(source) as stream:
        try:
            file = pq.ParquetFile(stream)
            missing = _missing(name, columns, file.schema_arrow.names)
            if missing:
                raise missing
            wanted = list(columns) or file.schema_arrow.names
            index = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
                for i in range(batch.num_rows):
                    yield _parquet_row(batch, i, f"{name}, row {index}", wanted)
                    index += 1
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"cannot read {name} as Parquet: {error}") from error


def _parquet_row(batch: Any, i: int, where: str, columns: Sequence[str]) -> Record | InputError:
    try:
        return Record(where, {column: batch.column(column)[i].as_py() for column in columns})
    except UnicodeDecodeError as error:
        return InputError(f"{where} is not UTF-8: {error}")
