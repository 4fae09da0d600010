"""Datasets as streams of rows with stable ids: files, folders, standard input, and what the datasets library loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from seqscore.errors import InputError, OptionError
from seqscore.evaluate.data.files import (
    DataOptions,
    FileRecords,
    StreamRecords,
    columns_of,
    described,
    expanded,
    is_stream,
    may_be_hub_name,
)
from seqscore.evaluate.data.hub import Found, open_hub, open_saved, saved_by_datasets
from seqscore.evaluate.data.lines import source_name
from seqscore.evaluate.data.records import Record

__all__ = ["DataItem", "DataOptions", "DataProblem", "DataRow", "Dataset", "open_dataset"]

RowId: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class DataRow:
    """One row: its id, its number from 0 over all sources, its place for messages, and its columns."""

    id: RowId
    number: int
    where: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DataProblem:
    """Stands in the place of a row that cannot be read; the rows behind it can."""

    id: RowId
    number: int
    error: InputError


DataItem: TypeAlias = DataRow | DataProblem


class Records(Protocol):
    """Records, or what is wrong with them, in order; more than once, but for standard input and pipes."""

    def read(self) -> Iterator[Record | InputError]:
        """From the first one on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset that was found and can be read.

    ``columns``: of the first row, or as the file declares them; of several files those that all have.
    ``description``: what identifies the content, for a fingerprint: the names of the files with their size and XXH128,
    or the name and commit of a hub dataset. ``num_rows``: how many rows there are where that is known (of text: about).
    """

    columns: tuple[str, ...]
    description: Mapping[str, str]
    num_rows: int | None
    options: DataOptions
    records: Records

    def rows(self) -> Iterator[DataItem]:
        """The rows in order, lazily. Standard input can be read once.

        Ids of an ``id_column`` must differ: a later row with an id that was there is a problem. To know that, 16 bytes
        are kept for every id (about 100 MB for a million in Python's own structures).

        Raises:
            InputError: reading fails.
        """
        numbered = enumerate(islice(self.records.read(), self.options.limit))
        if self.options.id_column is None:
            for number, record in numbered:
                yield _row(number, number, record)
            return
        seen: set[int] = set()
        for number, record in numbered:
            yield _identified(number, record, self.options.id_column, seen)


def open_dataset(sources: Sequence[str], *, options: DataOptions = DataOptions()) -> Dataset:
    """The dataset at ``sources``, looked at but not read.

    Sources: files that end in .jsonl (.ndjson), .csv, .tsv or .parquet, other files as text with a row a line (column
    ``text``), each also compressed (.gz, .bz2, .xz); folders of such files, in the order of their names; ``-`` for
    standard input (JSON Lines where it begins with ``{``, else text); or one dataset of the datasets library: a folder
    that it saved, or a name on the hub. Rows are numbered through.

    Raises:
        OptionError: an option does not fit the sources.
        InputError: a source cannot be found or read, or there is no row to be named a column of.
    """
    if not sources:
        raise OptionError("no dataset given; name files, a folder, a dataset on the hub, or - for standard input")
    first = Path(sources[0])
    if len(sources) == 1 and saved_by_datasets(first):
        return _loaded(open_saved(first, split=options.split), options)
    if len(sources) == 1 and may_be_hub_name(sources[0]):
        found = open_hub(sources[0], config=options.config, split=options.split, revision=options.revision)
        return _loaded(found, options)
    for name, value in (("split", options.split), ("config", options.config), ("revision", options.revision)):
        if value is not None:
            raise OptionError(f"--{name} belongs to datasets of the datasets library; {sources[0]!r} is a file")
    return _of_files(tuple(expanded(sources)), options)


def _loaded(found: Found, options: DataOptions) -> Dataset:
    _check_id_column(options, found.columns, found.name)
    limit, total = options.limit, found.num_rows
    return Dataset(
        columns=tuple(found.columns),
        description=found.description,
        num_rows=total if limit is None or total is None else min(limit, total),
        options=options,
        records=_LoadedRecords(found),
    )


def _of_files(sources: tuple[str, ...], options: DataOptions) -> Dataset:
    if any(is_stream(source) for source in sources):
        return _of_stream(sources, options)
    columns = [columns_of(source, options) for source in sources]
    known = [one for one in columns if one is not None]
    if not known:
        raise _no_row(sources)
    first = tuple(column for column in known[0] if all(column in one for one in known))
    if not first:
        raise InputError(f"{source_name(sources[0])} and the other files have no column in common; evaluate them apart")
    _check_id_column(options, first, source_name(sources[0]))
    description, lines = described(sources)
    if lines is not None and options.limit is not None:
        lines = min(lines, options.limit)
    records = FileRecords(sources, options)
    return Dataset(columns=tuple(first), description=description, num_rows=lines, options=options, records=records)


def _of_stream(sources: tuple[str, ...], options: DataOptions) -> Dataset:
    for source in sources:
        if not is_stream(source):
            columns_of(source, options)
    records = StreamRecords(sources, options)
    if records.columns is None:
        raise _no_row(sources)
    _check_id_column(options, records.columns, source_name(sources[0]))
    description, _ = described(sources)
    return Dataset(columns=records.columns, description=description, num_rows=None, options=options, records=records)


def _no_row(sources: Sequence[str]) -> InputError:
    several = "" if len(sources) == 1 else f" and {len(sources) - 1} more"
    return InputError(f"{source_name(sources[0])}{several}: there is no row that can be read, so nothing to evaluate")


def _check_id_column(options: DataOptions, columns: Sequence[str], name: str) -> None:
    if options.id_column is not None and columns and options.id_column not in columns:
        raise InputError(f"{name} has no column {options.id_column!r}; its columns are {', '.join(columns)}")


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


def _row(number: int, row_id: RowId, record: Record | InputError) -> DataItem:
    if isinstance(record, InputError):
        return DataProblem(row_id, number, record)
    return DataRow(row_id, number, record.where, record.values)


def _identified(number: int, record: Record | InputError, column: str, seen: set[int]) -> DataItem:
    """A row under the id that it names; a problem is named by its number, as ``row 3``, which no id can be."""
    import xxhash

    unnamed = f"row {number}"
    if isinstance(record, InputError):
        return DataProblem(unnamed, number, record)
    value = record.values.get(column)
    if isinstance(value, bool) or not isinstance(value, int | str):
        got = "null or missing" if value is None else f"a value of type {type(value).__name__}"
        problem = f"{record.where}: the id column {column!r} is {got}; expected text or a whole number"
        return DataProblem(unnamed, number, InputError(problem))
    key = xxhash.xxh3_128_intdigest(str(value).encode("utf-8", "surrogatepass"))
    if key in seen:
        problem = f"{record.where}: the id {value!r} was there before; ids must differ"
        return DataProblem(unnamed, number, InputError(problem))
    seen.add(key)
    if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        problem = f"{record.where}: the id holds a lone surrogate, which is no Unicode text"
        return DataProblem(unnamed, number, InputError(problem))
    return DataRow(value, number, record.where, record.values)
