"""Datasets as streams of rows with stable ids: files, folders, standard input, and what the datasets library loads."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

from seqscore.errors import InputError, OptionError
from seqscore.evaluate.columns import STRUCTURED, Record, read_records
from seqscore.evaluate.hub_data import open_hub, open_saved, saved_by_datasets
from seqscore.evaluate.lines import STANDARD_INPUT, decoded, open_bytes, read_lines, read_whole, source_name, suffix_of

__all__ = ["DataItem", "DataOptions", "DataProblem", "DataRow", "Dataset", "open_dataset"]

RowId: TypeAlias = int | str

_TEXT = (".txt", ".text")
_LOOK_AT = 1000  # rows, for one that tells the columns


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """How a dataset is read.

    ``config``, ``split``, ``revision``: of a dataset that the datasets library loads. ``id_column``: where ids stand;
    row numbers otherwise. ``limit``: only so many rows from the beginning. ``whole_file``: a file of text is one row.
    A line may have at most ``max_line_bytes``, a whole file ``max_file_bytes``, after decompression.
    """

    config: str | None = None
    split: str | None = None
    revision: str | None = None
    id_column: str | None = None
    limit: int | None = None
    whole_file: bool = False
    max_line_bytes: int = 16 * 2**20
    max_file_bytes: int = 256 * 2**20

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise OptionError(f"limit={self.limit} must be at least 1")


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
    records: _Records

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


class _Records:
    """Records that can be read more than once, but for standard input and pipes."""

    def read(self) -> Iterator[Record | InputError]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class _Files(_Records):
    sources: tuple[str, ...]
    options: DataOptions

    def read(self) -> Iterator[Record | InputError]:
        for source in self.sources:
            yield from _read_file(source, self.options)


class _Once(_Records):
    """What can be read only once; the rows up to the first good one were looked at for its columns."""

    def __init__(self, sources: Sequence[str], options: DataOptions) -> None:
        self._records: Iterator[Record | InputError] | None = None
        rest = _Files(tuple(sources), options).read()
        head: list[Record | InputError] = []
        for record in islice(rest, _LOOK_AT):
            head.append(record)
            if isinstance(record, Record):
                break
        self.columns = _columns_among(head)
        self._records = chain(head, rest)

    def read(self) -> Iterator[Record | InputError]:
        if self._records is None:
            raise InputError("standard input and pipes can be read only once; put the data into a file")
        records, self._records = self._records, None
        yield from records


def _columns_among(records: Iterable[Record | InputError]) -> tuple[str, ...] | None:
    return next((tuple(record.values) for record in records if isinstance(record, Record)), None)


@dataclass(frozen=True, slots=True)
class _Loaded(_Records):
    rows: Iterable[Mapping[str, Any]]
    name: str

    def read(self) -> Iterator[Record | InputError]:
        try:
            for number, row in enumerate(self.rows):
                yield Record(f"{self.name}, row {number}", row)
        except Exception as error:  # of several libraries and of the network
            raise InputError(f"reading {self.name} failed: {error or type(error).__name__}") from error


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
        found = open_saved(first, split=options.split)
        return _loaded(found.rows, found.name, found.columns, found.description, found.num_rows, options)
    if len(sources) == 1 and _may_be_hub_name(sources[0]):
        found = open_hub(sources[0], config=options.config, split=options.split, revision=options.revision)
        return _loaded(found.rows, found.name, found.columns, found.description, found.num_rows, options)
    for name, value in (("split", options.split), ("config", options.config), ("revision", options.revision)):
        if value is not None:
            raise OptionError(f"--{name} belongs to datasets of the datasets library; {sources[0]!r} is a file")
    return _of_files(tuple(_expanded(sources)), options)


def _loaded(
    rows: Iterable[Mapping[str, Any]],
    name: str,
    columns: Sequence[str],
    description: Mapping[str, str],
    num_rows: int | None,
    options: DataOptions,
) -> Dataset:
    _check_id_column(options, columns, name)
    limit = options.limit
    total = num_rows if limit is None or num_rows is None else min(limit, num_rows)
    return Dataset(
        columns=tuple(columns),
        description=description,
        num_rows=total,
        options=options,
        records=_Loaded(rows, name),
    )


def _may_be_hub_name(source: str) -> bool:
    """``owner/name`` or ``name``: neither a path that is there nor one that ends as a data file does."""
    if source == STANDARD_INPUT or Path(source).exists() or source.startswith((".", "/", "~")):
        return False
    return suffix_of(source) not in (*STRUCTURED, *_TEXT, ".json") and source.count("/") <= 1 and bool(source)


def _expanded(sources: Sequence[str]) -> Iterator[str]:
    """Folders as the files in them."""
    for source in sources:
        if source == STANDARD_INPUT or not Path(source).is_dir():
            yield source
            continue
        files = sorted(str(one) for one in Path(source).iterdir() if one.is_file() and _is_data(one))
        if not files:
            raise InputError(f"the folder {source!r} holds no file that ends in {', '.join((*STRUCTURED, *_TEXT))}")
        yield from files


def _is_data(path: Path) -> bool:
    return not path.name.startswith(".") and suffix_of(str(path)) in (*STRUCTURED, *_TEXT)


def _of_files(sources: tuple[str, ...], options: DataOptions) -> Dataset:
    if any(_is_stream(source) for source in sources):
        return _of_stream(sources, options)
    columns = [_columns_of(source, options) for source in sources]
    known = [one for one in columns if one is not None]
    if not known:
        raise _no_row(sources)
    first = tuple(column for column in known[0] if all(column in one for one in known))
    if not first:
        raise InputError(f"{source_name(sources[0])} and the other files have no column in common; evaluate them apart")
    _check_id_column(options, first, source_name(sources[0]))
    description, lines = _described(sources)
    if lines is not None and options.limit is not None:
        lines = min(lines, options.limit)
    records = _Files(sources, options)
    return Dataset(columns=tuple(first), description=description, num_rows=lines, options=options, records=records)


def _of_stream(sources: tuple[str, ...], options: DataOptions) -> Dataset:
    for source in sources:
        if not _is_stream(source):
            _columns_of(source, options)
    records = _Once(sources, options)
    if records.columns is None:
        raise _no_row(sources)
    _check_id_column(options, records.columns, source_name(sources[0]))
    description, _ = _described(sources)
    return Dataset(columns=records.columns, description=description, num_rows=None, options=options, records=records)


def _no_row(sources: Sequence[str]) -> InputError:
    several = "" if len(sources) == 1 else f" and {len(sources) - 1} more"
    return InputError(f"{source_name(sources[0])}{several}: there is no row that can be read, so nothing to evaluate")


def _check_id_column(options: DataOptions, columns: Sequence[str], name: str) -> None:
    if options.id_column is not None and columns and options.id_column not in columns:
        raise InputError(f"{name} has no column {options.id_column!r}; its columns are {', '.join(columns)}")


def _columns_of(source: str, options: DataOptions) -> tuple[str, ...] | None:
    """The columns of a file; None where no row of it can be read."""
    if options.whole_file:
        with open_bytes(source):
            return ("text",)
    if suffix_of(source) == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        with open_bytes(source) as stream:
            try:
                return tuple(pq.read_schema(stream).names)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"cannot read {source_name(source)} as Parquet: {error}") from error
    return _columns_among(islice(_read_file(source, options), _LOOK_AT))


def _is_stream(source: str) -> bool:
    return source == STANDARD_INPUT or not _is_regular(source)


def _is_regular(source: str) -> bool:
    if source == STANDARD_INPUT:
        return False
    try:
        return stat.S_ISREG(Path(source).stat().st_mode)
    except (OSError, ValueError):
        return True  # opening it gives the message


def _stream_is_json(source: str) -> bool:
    """Whether what comes begins as an object does. Only standard input can be looked at without taking from it."""
    if source != STANDARD_INPUT:
        return suffix_of(source) in (".jsonl", ".ndjson")
    buffer = getattr(sys.stdin, "buffer", None)
    peek = getattr(buffer, "peek", None)
    return bool(peek is not None and peek(16).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"))


def _read_file(source: str, options: DataOptions) -> Iterator[Record | InputError]:
    name = source_name(source)
    if options.whole_file:
        with open_bytes(source) as stream:
            yield Record(name, {"text": read_whole(stream, name, limit=options.max_file_bytes)})
    elif source == STANDARD_INPUT and _stream_is_json(source):
        yield from read_records(source, limit=options.max_line_bytes, kind=".jsonl")
    elif source != STANDARD_INPUT and suffix_of(source) in STRUCTURED:
        yield from read_records(source, limit=options.max_line_bytes)
    else:
        yield from _text_lines(source, name, options.max_line_bytes)


def _text_lines(source: str, name: str, limit: int) -> Iterator[Record | InputError]:
    with open_bytes(source) as stream:
        for line in read_lines(stream, name, limit=limit):
            where = f"{name}, line {line.number}"
            if line.data is None:
                yield InputError(f"{where} is longer than {limit:,} bytes, the limit for a line")
                continue
            text = decoded(line, name)
            yield text if isinstance(text, InputError) else Record(where, {"text": text})


def _described(sources: Sequence[str]) -> tuple[dict[str, str], int | None]:
    """Name, size and digest of every file, and how many lines or rows they have together, where that can be known."""
    found: dict[str, str] = {}
    total: int | None = 0
    for place, source in enumerate(sources):
        key = f"file {place}"
        if _is_stream(source):
            found[key], total = "standard input" if source == STANDARD_INPUT else "a pipe", None
            continue
        text, lines = _digest(source)
        found[key] = f"{Path(source).name} {text}"
        total = None if total is None or lines is None else total + lines
    return found, total


def _digest(source: str) -> tuple[str, int | None]:
    """Size and XXH128 of a file as it lies there, and its lines (rows of Parquet; None where it is compressed)."""
    import xxhash

    digest, lines, size, last = xxhash.xxh3_128(), 0, 0, b"\n"
    try:
        with Path(source).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                lines += block.count(b"\n")
                size += len(block)
                last = block[-1:]
    except OSError as error:
        raise InputError(f"cannot read {source!r}: {error.strerror or error}") from error
    return f"{size} bytes xxh128:{digest.hexdigest()}", _num_rows(source, lines + (last != b"\n"))


def _num_rows(source: str, lines: int) -> int | None:
    suffix = suffix_of(source)
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        return int(pq.read_metadata(source).num_rows)
    if Path(source).suffix.lower() != suffix and suffix in (*STRUCTURED, *_TEXT):
        return None  # compressed
    return max(0, lines - 1) if suffix in (".csv", ".tsv") else lines


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
