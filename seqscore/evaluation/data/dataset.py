"""Datasets as streams of rows: files, folders, standard input, and what the datasets library loads."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.data_options import DataOptions, once
from seqscore.evaluation.data.hub_dataset import Found, open_hub, open_saved, saved_by_datasets
from seqscore.evaluation.data.kinds import kind_of
from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.data.records import Column, Record, has_column, no_column
from seqscore.evaluation.data.source_files import (
    FileRecords,
    StreamRecords,
    columns_of,
    described,
    expanded,
    may_be_hub_name,
)
from seqscore.evaluation.data.streams import is_stream, source_name

RowId: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class DataRow:
    """One row: its id, which others may have too, its number from 0 over all sources, and its columns."""

    id: RowId
    number: int
    record: Record

    @property
    def where(self) -> str:
        """The row's place, for messages."""
        return self.record.where

    @property
    def values(self) -> Mapping[str, Any]:
        """All columns."""
        return self.record.values

    def at(self, column: Column) -> Any:
        """The value of a column; see ``Record.at``."""
        return self.record.at(column)

    def text(self, column: Column) -> str:
        """The text in a column; see ``Record.text``."""
        return self.record.text(column)

    def numeric(self, column: Column) -> float:
        """The number in a column; see ``Record.numeric``."""
        return self.record.numeric(column)

    def context(self, column: Column) -> str | None:
        """The text that stands before another one, or None; see ``Record.context``."""
        return self.record.context(column)


DataItem: TypeAlias = Row[DataRow]


class Records(Protocol):
    """Records, or what is wrong with them, in order; more than once, but for standard input and pipes."""

    def read(self) -> Iterator[Record | InputError]:
        """From the first one on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset that was found and can be read.

    ``columns``: of the first row, or as the file declares them; of several sources those that all have; none where no
    row can be read. ``description``: what identifies the content, for a fingerprint: the names of the files with their
    size and XXH128, or the name and commit of a hub dataset, and how it is read where that is not the default.
    ``num_rows``: how many rows there are where that is known (of text: about).
    """

    name: str
    columns: tuple[str, ...]
    description: Mapping[str, str]
    num_rows: int | None
    options: DataOptions
    parts: tuple[Records, ...]

    @property
    def is_text(self) -> bool:
        """Whether all of it is read as lines of text, of which there may be none."""
        return all(
            isinstance(part, FileRecords | StreamRecords)
            and all(kind_of(one, part.options) == "text" for one in part.sources)
            for part in self.parts
        )

    @property
    def is_empty(self) -> bool:
        """Whether there are files alone, none of which has a row, whatever columns they declare."""
        return all(isinstance(part, FileRecords) and next(part.read(), None) is None for part in self.parts)

    def rows(self) -> Iterator[DataItem]:
        """The rows in order, lazily. Standard input can be read once.

        Raises:
            InputError: reading fails.
        """
        for number, record in enumerate(self._records()):
            if isinstance(record, InputError):
                named = self.options.id_column is not None
                yield Problem(f"row {number}" if named else number, record, number)
            else:
                yield DataRow(_id(record, number, self.options.id_column), number, record)

    def look(self, count: int) -> Iterator[DataRow]:
        """Rows from the beginning, to learn something about their columns: of files all that ``rows`` gives, of what
        can be read only once, or is fetched, at most ``count``; ``rows`` gives them again."""
        left = self.options.limit
        for part in self.parts:
            if left == 0:
                return
            if isinstance(part, StreamRecords):
                records: Iterator[Record | InputError] = iter(part.look(count))
            else:
                records = part.read() if isinstance(part, FileRecords) else islice(part.read(), count)
            for record in islice(records, left):
                left = None if left is None else left - 1
                if isinstance(record, Record):
                    yield DataRow(0, 0, record)

    def _records(self) -> Iterator[Record | InputError]:
        limit, count = self.options.limit, 0
        for place, part in enumerate(self.parts):
            if limit is not None and count == limit:
                self.options.notify(
                    f"the first {limit:,} rows are in the first {place} of {len(self.parts)} files of {self.name}; the "
                    f"others were not reached (limit, --limit)"
                )
                return
            for record in islice(part.read(), None if limit is None else limit - count):
                count += 1
                yield record


def open_dataset(sources: Sequence[str], *, options: DataOptions = DataOptions()) -> Dataset:
    """The dataset at ``sources``, looked at but not read; it has a row at least.

    Sources: files (the end of a name tells how it is read: .json, .jsonl, .ndjson, .jsonlines, .csv, .tsv, .parquet,
    .feather, .arrow; other text has a row a line, in the column ``text``), each also compressed (.gz, .bz2, .xz, .zst);
    folders of such files, in the order of their names; ``-`` for standard input (JSON Lines where it begins with
    ``{``, else text); datasets of the datasets library: a folder that it saved, or a name on the hub. Rows are
    numbered through.

    Raises:
        OptionError: an option does not fit the sources.
        InputError: a source cannot be found or read, or there is no row to be named a column of.
    """
    found = find_dataset(sources, options=options)
    if not found.columns or found.num_rows == 0 or found.is_empty:
        raise InputError(f"{found.name}: there is no row that can be read, so nothing to evaluate{_why_none(found)}")
    return found


def _why_none(dataset: Dataset) -> str:
    """What is wrong with the first row of files that have rows."""
    files = (part.read() for part in dataset.parts if isinstance(part, FileRecords))
    first = next((one for records in files for one in records), None)
    return f": {first.message}" if isinstance(first, InputError) else ""


def find_dataset(sources: Sequence[str], *, options: DataOptions = DataOptions()) -> Dataset:
    """``open_dataset``, also where there is no row that can be read."""
    if not sources:
        raise OptionError("no dataset given; name files, a folder, a dataset on the hub, or - for standard input")
    options = replace(options, notify=once(options.notify))
    found = [_of_library(source, options) for source in sources]
    if not any(found):
        _refuse_library_options(sources[0], options)
    parts = [
        _of_source(source, options) if one is None else _loaded(one, options)
        for source, one in zip(sources, found, strict=True)
    ]
    return _joined(sources, [dataset for part in parts for dataset in part], options)


def _of_library(source: str, options: DataOptions) -> Found | None:
    """What the datasets library has under this name; None of files."""
    if "\0" not in source and saved_by_datasets(Path(source)):
        return open_saved(Path(source), split=options.split)
    if may_be_hub_name(source):
        return open_hub(source, config=options.config, split=options.split, revision=options.revision)
    return None


def _refuse_library_options(source: str, options: DataOptions) -> None:
    for name, value in (("split", options.split), ("config", options.config), ("revision", options.revision)):
        if value is not None:
            raise OptionError(f"--{name} belongs to datasets of the datasets library; {source!r} is a file")


@dataclass(frozen=True, slots=True)
class _Part:
    """One file, one stream, or one dataset of the library; ``columns`` is None where no row can be read."""

    name: str
    columns: tuple[str, ...] | None
    description: Mapping[str, str]
    num_rows: int | None
    records: Records


def _loaded(found: Found, options: DataOptions) -> Iterator[_Part]:
    yield _Part(found.name, tuple(found.columns), found.description, found.num_rows, _LoadedRecords(found))


def _of_source(source: str, options: DataOptions) -> Iterator[_Part]:
    for one in expanded([source], options):
        name = source_name(one)
        records: Records
        if is_stream(one):
            records = StreamRecords([one], options)
            columns = records.columns
        else:
            records, columns = FileRecords((one,), options), columns_of(one, options)
        description, count = described([one], options)
        yield _Part(name, columns, description, count, records)


def _joined(sources: Sequence[str], parts: Sequence[_Part], options: DataOptions) -> Dataset:
    known = [part.columns for part in parts if part.columns is not None]
    name = source_name(sources[0]) + ("" if len(sources) == 1 else f" and {len(sources) - 1} more")
    common = set(known[0]).intersection(*known[1:]) if known else set()
    columns = tuple(column for column in (known[0] if known else ()) if column in common)
    if any(known) and not columns:
        raise InputError(f"{parts[0].name} and the other files have no column in common; evaluate them apart")
    if options.id_column is not None and columns and not has_column(columns, options.id_column):
        raise no_column(name, options.id_column, columns)
    counts = [part.num_rows for part in parts]
    total = None if any(count is None for count in counts) else sum(count or 0 for count in counts)
    if total is not None and options.limit is not None:
        total = min(total, options.limit)
    return Dataset(
        name=name,
        columns=columns,
        description={**_descriptions(parts), **options.reading},
        num_rows=total,
        options=options,
        parts=tuple(part.records for part in parts),
    )


def _descriptions(parts: Sequence[_Part]) -> dict[str, str]:
    """Those of all parts: files by their place, a dataset of the library as itself where it is alone."""
    if len(parts) == 1:
        return dict(parts[0].description)
    found: dict[str, str] = {}
    for place, part in enumerate(parts):
        for key, value in part.description.items():
            found[f"file {place}" if key == "file 0" else f"{key} {place}"] = value
    return found


@dataclass(frozen=True, slots=True)
class _LoadedRecords:
    found: Found

    def read(self) -> Iterator[Record | InputError]:
        name = self.found.name
        try:
            for number, row in enumerate(self.found.rows):
                yield Record(f"{name}, row {number}", row)
        except Exception as error:  # of several libraries and of the network
            raise InputError(f"reading {name} failed: {error or type(error).__name__}") from error


def _id(record: Record, number: int, column: str | None) -> RowId:
    """What the id column holds: text or a whole number as it is, anything else as text; where there is nothing, or no
    column, the row's number, beside other ids as ``row 3``. An id costs no row its score. 1.0 is 1, and who compares
    runs takes 1 and "1" for the same: CSV has text where JSON has a number, and pandas a float where one is missing."""
    if column is None:
        return number
    try:
        value = record.at(column)
    except InputError:
        return f"row {number}"
    if value is None or (isinstance(value, float) and math.isnan(value)) or value == "":
        return f"row {number}"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return f"row {number}"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
