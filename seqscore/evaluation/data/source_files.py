"""Files, folders and streams as records: which files there are, their columns, their digests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from seqscore.errors import InputError
from seqscore.evaluation.data.arrow import num_rows, read_table, table_columns
from seqscore.evaluation.data.column_names import KNOWN_NAMES
from seqscore.evaluation.data.conllu_rows import read_conllu
from seqscore.evaluation.data.csv_rows import dialect_of, header_of, read_separated
from seqscore.evaluation.data.data_options import DataOptions, FileKind
from seqscore.evaluation.data.json_rows import read_json, read_json_lines
from seqscore.evaluation.data.kinds import ENDS, KINDS, check_beginning, is_known, kind_of, look_of
from seqscore.evaluation.data.lines import read_whole, texts_of
from seqscore.evaluation.data.records import Record
from seqscore.evaluation.data.streams import (
    STANDARD_INPUT,
    beginning,
    is_compressed,
    is_stream,
    open_bytes,
    reason,
    source_name,
    suffix_of,
)

_LOOK_AT = 1000  # rows, for one that tells the columns


@dataclass(frozen=True, slots=True)
class FileRecords:
    """The records of files, one file after the other; they can be read again."""

    sources: tuple[str, ...]
    options: DataOptions

    def read(self) -> Iterator[Record | InputError]:
        """The records in order, or what is wrong with one in its place."""
        for source in self.sources:
            yield from read_file(source, self.options)


class StreamRecords:
    """What can be read only once; the rows up to the first good one were looked at for its columns."""

    def __init__(self, sources: Sequence[str], options: DataOptions) -> None:
        self.sources, self.options = tuple(sources), options
        rest = FileRecords(self.sources, options).read()
        head: list[Record | InputError] = []
        for record in islice(rest, _LOOK_AT):
            head.append(record)
            if isinstance(record, Record):
                break
        self.columns = _columns_among(head)
        self._head, self._rest, self._given = head, rest, False

    def read(self) -> Iterator[Record | InputError]:
        """The records in order, once.

        Raises:
            InputError: they were read before.
        """
        if self._given:
            raise InputError("standard input and pipes can be read only once; put the data into a file")
        self._given = True
        yield from chain(self._head, self._rest)

    def look(self, count: int) -> Sequence[Record | InputError]:
        """The first records, as many as are asked for or there are, which ``read`` gives again."""
        self._head += islice(self._rest, max(0, count - len(self._head)))
        return self._head[:count]


def _columns_among(records: Iterable[Record | InputError]) -> tuple[str, ...] | None:
    return next((tuple(record.values) for record in records if isinstance(record, Record)), None)


def may_be_hub_name(source: str) -> bool:
    """``owner/name`` or ``name``: neither a path that is there nor one that ends as a data file does."""
    if source == STANDARD_INPUT or source.startswith((".", "/", "~")) or "\0" in source or Path(source).exists():
        return False
    return not (is_known(source) or is_compressed(source)) and source.count("/") <= 1 and bool(source)


def expanded(sources: Sequence[str], options: DataOptions) -> Iterator[str]:
    """Folders as the files in them, in the order of their names; which of them are passed over is said.

    Raises:
        InputError: a folder holds no file that is read, or cannot be read itself.
    """
    for source in sources:
        if source == STANDARD_INPUT or "\0" in source or not Path(source).is_dir():
            yield source
            continue
        try:
            there = sorted(Path(source).iterdir())
        except OSError as error:
            raise InputError(f"cannot read the folder {source!r}: {reason(error)}") from error
        taken = [one for one in there if one.is_file() and not one.name.startswith(".") and _is_data(one)]
        if not taken:
            raise InputError(f"the folder {source!r} holds no file that ends in {ENDS}")
        passed = [one.name + "/" * one.is_dir() for one in there if one not in taken]
        if passed:
            more = f" and {len(passed) - 10} more" if len(passed) > 10 else ""
            options.notify(
                f"of the folder {source!r} {len(taken)} files are read and passed over: "
                f"{', '.join(map(repr, passed[:10]))}{more}"
            )
        yield from map(str, taken)


def _is_data(path: Path) -> bool:
    # What score wrote beside a file of its own is no dataset.
    return suffix_of(str(path)) in KINDS and not path.name.endswith(".meta.json")


def columns_of(source: str, options: DataOptions) -> tuple[str, ...] | None:
    """The columns of a file; None where no row of it can be read."""
    if options.whole_file:
        with open_bytes(source) as stream:
            check_beginning(source, beginning(stream), options)
        return ("text",)
    kind = kind_of(source, options)
    if kind in ("parquet", "arrow"):
        return table_columns(source, kind, options)
    if kind in ("csv", "tsv"):
        name = source_name(source)
        dialect = dialect_of(source, name, kind, options, once=is_stream(source))
        with open_bytes(source) as stream:
            check_beginning(source, beginning(stream), options)
            return header_of(stream, name, dialect, options)
    return _columns_among(islice(read_file(source, options), _LOOK_AT))


def read_file(source: str, options: DataOptions) -> Iterator[Record | InputError]:
    """The rows of one file, of whichever kind it is.

    Raises:
        InputError: it cannot be read as a whole.
    """
    kind = kind_of(source, options)
    if kind in ("parquet", "arrow") and not options.whole_file:
        yield from read_table(source, kind, options)
        return
    name = source_name(source)
    if kind in ("csv", "tsv") and not options.whole_file:
        dialect = dialect_of(source, name, kind, options, once=is_stream(source))
    with open_bytes(source) as stream:
        head = beginning(stream)
        check_beginning(source, head, options)
        if options.whole_file:
            whole = read_whole(stream, name, limit=options.max_file_bytes, encoding=options.encoding)
            yield Record(name, {"text": whole})
        elif kind in ("csv", "tsv"):
            yield from read_separated(stream, name, dialect, options)
        elif kind == "conllu":
            yield from read_conllu(stream, name, options)
        elif kind == "json":
            yield from read_json(stream, name, options, KNOWN_NAMES)
        elif kind == "jsonl" or (source == STANDARD_INPUT and options.read_as is None and begins_as_object(head)):
            yield from read_json_lines(stream, name, options)
        else:
            look = look_of(source, head, options)
            if look is not None:
                options.notify(look)
            for where, text in texts_of(
                stream,
                name,
                limit=options.max_line_bytes,
                encoding=options.encoding,
                advice="; a whole file as one text may be longer (whole_file, --whole-file)",
            ):
                yield text if isinstance(text, InputError) else Record(where, {"text": text})


def begins_as_object(head: bytes) -> bool:
    """Whether what comes is an object of JSON."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def described(sources: Sequence[str], options: DataOptions) -> tuple[dict[str, str], int | None]:
    """Name, size and digest of every file, and how many lines or rows they have together, where that can be known."""
    found: dict[str, str] = {}
    total: int | None = 0
    for place, source in enumerate(sources):
        key = f"file {place}"
        if is_stream(source):
            found[key], total = "standard input" if source == STANDARD_INPUT else "a pipe", None
            continue
        text, lines = _digest(source, options)
        # A name need not be UTF-8, which what is stored must be.
        found[key] = f"{Path(source).name} {text}".encode("utf-8", "backslashreplace").decode()
        total = None if total is None or lines is None else total + lines
    return found, total


def _digest(source: str, options: DataOptions) -> tuple[str, int | None]:
    """Size and XXH128 of a file as it lies there, and its lines (rows of Parquet; None where they are not counted)."""
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
        raise InputError(f"cannot read {source!r}: {reason(error)}") from error
    counted = _num_rows(source, kind_of(source, options), lines + (last != b"\n"), options)
    return f"{size} bytes xxh128:{digest.hexdigest()}", counted


def _num_rows(source: str, kind: FileKind, lines: int, options: DataOptions) -> int | None:
    if options.whole_file:
        return 1
    if is_compressed(source) or kind in ("json", "arrow", "conllu"):
        return None
    if kind == "parquet":
        return num_rows(source)
    return max(0, lines - 1) if kind in ("csv", "tsv") else lines
