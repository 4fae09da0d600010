"""Files, folders and streams as records: which files there are, their columns, their digests."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from seqscore.errors import InputError, OptionError
from seqscore.evaluate.data.lines import STANDARD_INPUT, open_bytes, read_whole, source_name, suffix_of, text_lines
from seqscore.evaluate.data.records import STRUCTURED, Record, read_records

__all__ = [
    "DataOptions",
    "FileRecords",
    "StreamRecords",
    "columns_of",
    "described",
    "expanded",
    "is_stream",
    "may_be_hub_name",
]

_TEXT = (".txt", ".text")
_LOOK_AT = 1000  # rows, for one that tells the columns


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


@dataclass(frozen=True, slots=True)
class FileRecords:
    """The records of files, one file after the other; they can be read again."""

    sources: tuple[str, ...]
    options: DataOptions

    def read(self) -> Iterator[Record | InputError]:
        """The records in order, or what is wrong with one in its place."""
        for source in self.sources:
            yield from _read_file(source, self.options)


class StreamRecords:
    """What can be read only once; the rows up to the first good one were looked at for its columns."""

    def __init__(self, sources: Sequence[str], options: DataOptions) -> None:
        rest = FileRecords(tuple(sources), options).read()
        head: list[Record | InputError] = []
        for record in islice(rest, _LOOK_AT):
            head.append(record)
            if isinstance(record, Record):
                break
        self.columns = _columns_among(head)
        self._records: Iterator[Record | InputError] | None = chain(head, rest)

    def read(self) -> Iterator[Record | InputError]:
        """The records in order, once.

        Raises:
            InputError: they were read before.
        """
        if self._records is None:
            raise InputError("standard input and pipes can be read only once; put the data into a file")
        records, self._records = self._records, None
        yield from records


def _columns_among(records: Iterable[Record | InputError]) -> tuple[str, ...] | None:
    return next((tuple(record.values) for record in records if isinstance(record, Record)), None)


def may_be_hub_name(source: str) -> bool:
    """``owner/name`` or ``name``: neither a path that is there nor one that ends as a data file does."""
    if source == STANDARD_INPUT or Path(source).exists() or source.startswith((".", "/", "~")):
        return False
    return suffix_of(source) not in (*STRUCTURED, *_TEXT, ".json") and source.count("/") <= 1 and bool(source)


def expanded(sources: Sequence[str]) -> Iterator[str]:
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


def columns_of(source: str, options: DataOptions) -> tuple[str, ...] | None:
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


def is_stream(source: str) -> bool:
    """Whether the source is standard input, a pipe or a device: something that can be read only once."""
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
        yield from _text_lines(source, options.max_line_bytes)


def _text_lines(source: str, limit: int) -> Iterator[Record | InputError]:
    for where, text in text_lines(source, limit=limit):
        yield text if isinstance(text, InputError) else Record(where, {"text": text})


def described(sources: Sequence[str]) -> tuple[dict[str, str], int | None]:
    """Name, size and digest of every file, and how many lines or rows they have together, where that can be known."""
    found: dict[str, str] = {}
    total: int | None = 0
    for place, source in enumerate(sources):
        key = f"file {place}"
        if is_stream(source):
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
