"""Rows of a dataset copied as they were read into one file a bucket, each source in its own format.

A row of text, JSON Lines or separated values is copied byte for byte, with its quotation marks and its line end; of an
array of JSON every element's own text; of Parquet and Arrow the rows, with schema, types and metadata. What stands
before the rows (a header, a byte order mark) stands in every bucket. Files are compressed as their source is.
"""

from __future__ import annotations

import bz2
import codecs
import io
import json
import lzma
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from gzip import GzipFile
from pathlib import Path
from typing import Any, BinaryIO, cast

from seqscore.errors import InputError
from seqscore.evaluation.data.charsets import UTF8, as_utf8, splits_lines
from seqscore.evaluation.data.column_names import KNOWN_NAMES
from seqscore.evaluation.data.csv_rows import Table, dialect_of
from seqscore.evaluation.data.data_options import Counted, DataOptions, FileKind
from seqscore.evaluation.data.json_rows import array_rows, document_rows
from seqscore.evaluation.data.json_text import JsonText
from seqscore.evaluation.data.kinds import kind_of
from seqscore.evaluation.data.lines import read_lines
from seqscore.evaluation.data.streams import beginning, is_compressed, open_bytes, source_name
from seqscore.evaluation.filter.copied import Rows, Sink
from seqscore.files import writing

_BOM = codecs.BOM_UTF8


def copied_suffix(source: str, options: DataOptions) -> str:
    """The end of the name of a copy: that of the source, with that of its compression; .txt where it has none."""
    path = Path(source)
    if is_compressed(source):
        return (Path(path.stem).suffix or ".txt") + path.suffix
    return path.suffix or ".txt"


def check_copyable(source: str, options: DataOptions) -> None:
    """Make sure that ``copy_file`` can copy the rows of a file, by what the file says of itself.

    Raises:
        InputError: it cannot be read, its kind is not copied, or a column comes to too many bytes out of too few.
    """
    if not options.whole_file and kind_of(source, options) == "conllu":
        raise InputError(
            f"{source_name(source)} is CoNLL-U, whose sentences stand in documents and are not sorted into files; "
            f"write its texts as JSON Lines"
        )
    if not options.whole_file and kind_of(source, options) == "parquet":
        from seqscore.evaluation.data.arrow import check_parquet

        check_parquet(source, options)


def copy_file(source: str, options: DataOptions, targets: Mapping[str, Path], rows: Rows) -> None:
    """Copy the rows of a file to the files of their buckets.

    Raises:
        InputError: the file cannot be read.
    """
    if options.whole_file:
        _copy_whole(source, targets, rows)
        return
    kind = kind_of(source, options)
    suffix = Path(source).suffix.lower() if is_compressed(source) else ""
    wide = not splits_lines(options.encoding) and kind not in ("parquet", "arrow")
    with ExitStack() as stack:
        sinks: dict[str, Sink] = {name: stack.enter_context(_written(path, suffix)) for name, path in targets.items()}
        if wide:  # what is read as UTF-8 is written in its own encoding again
            encoding, mark = _as_marked(source, options.encoding)
            for sink in sinks.values():
                sink.write(mark)
            sinks = {name: _Recoded(sink, encoding) for name, sink in sinks.items()}
        if kind in ("parquet", "arrow"):
            from seqscore.evaluation.filter.table_copies import copy_table

            copy_table(source, kind, options, sinks, rows)
            return
        with open_bytes(source) as opened:
            stream = as_utf8(opened, options.encoding) if wide else opened
            plainly = replace(options, encoding=UTF8) if wide else options
            if kind == "json":
                _copy_json(stream, source_name(source), plainly, sinks, rows)
            else:
                _copy_lines(stream, source, kind, plainly, sinks, rows)


def copy_rows_of_library(dataset: Any, targets: Mapping[str, Path], rows: Rows) -> None:
    """Copy the rows of a dataset of the datasets library to the Parquet files of their buckets."""
    from seqscore.evaluation.filter.table_copies import copy_loaded

    with ExitStack() as stack:
        copy_loaded(dataset, {name: stack.enter_context(_written(path, "")) for name, path in targets.items()}, rows)


def _copy_whole(source: str, targets: Mapping[str, Path], rows: Rows) -> None:
    bucket = rows.take()
    for name, path in targets.items():
        with path.open("wb") as target:
            if name == bucket:
                with Path(source).open("rb") as opened:
                    shutil.copyfileobj(opened, target)


@contextmanager
def _written(path: Path, suffix: str) -> Iterator[BinaryIO]:
    """A new file, compressed as this suffix says; nothing in it tells a name or a time."""
    with writing(path):
        opened = path.open("wb")
    with opened, _Target(opened, path) as target:
        stream = cast(BinaryIO, target)
        if suffix == ".gz":
            compressed: Any = GzipFile(filename="", mode="wb", fileobj=stream, mtime=0)
        elif suffix == ".bz2":
            compressed = bz2.BZ2File(stream, "wb")
        elif suffix == ".xz":
            compressed = lzma.LZMAFile(stream, "wb")  # noqa: SIM115 - closed below
        elif suffix == ".zst":
            import pyarrow as pa

            compressed = pa.CompressedOutputStream(pa.PythonFile(stream, "w"), "zstd")
        else:
            yield stream
            return
        with compressed:
            yield compressed


class _Target(io.RawIOBase):
    """A file whose errors of writing name it, whoever writes."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        super().__init__()
        self._stream, self._path = stream, path

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes so far."""
        return self._stream.tell()

    def write(self, data: Any, /) -> int:
        """Write all of them."""
        with writing(self._path):
            return self._stream.write(data)

    def close(self) -> None:
        """Make what was written last."""
        if not self.closed and not self._stream.closed:
            with writing(self._path):
                self._stream.flush()
                os.fsync(self._stream.fileno())
        super().close()


def _as_marked(source: str, encoding: str) -> tuple[str, bytes]:
    """The encoding with its order of bytes, which a file may tell by a mark, and that mark.

    ``utf-16`` would write this machine's order with a mark, whatever was read.
    """
    if encoding not in ("utf-16", "utf-32"):
        return encoding, b""
    with open_bytes(source) as stream:
        begin = stream.read(4)
    native = "le" if sys.byteorder == "little" else "be"
    for order in ("le", "be"):
        mark = "\ufeff".encode(f"{encoding}-{order}")
        if begin.startswith(mark):
            return f"{encoding}-{order}", mark
    return f"{encoding}-{native}", b""


class _Recoded:
    """Takes UTF-8 and writes it in another encoding."""

    def __init__(self, sink: Sink, encoding: str) -> None:
        errors = "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "strict"
        self._sink = sink
        self._decoder = codecs.getincrementaldecoder(UTF8)("surrogatepass")
        self._encoder = codecs.getincrementalencoder(encoding)(errors)

    def write(self, data: bytes, /) -> None:
        self._sink.write(self._encoder.encode(self._decoder.decode(data)))


class _Tee:
    """A stream whose lines go also to a sink as they are read; lines that are passed over between rows do not."""

    def __init__(self, stream: BinaryIO, passes: Callable[[bytes], bool]) -> None:
        self._stream, self._passes = stream, passes
        self._sinks: list[Sink] = []
        self._begins = True

    def begin(self, *sinks: Sink) -> None:
        """What comes next is a row, which goes to these."""
        self._sinks, self._begins = list(sinks), True

    def readline(self, size: int = -1, /) -> bytes:
        """A line, or as much of it."""
        data = self._stream.readline(size)
        if not (self._begins and self._passes(data)):
            self._begins = False
            for sink in self._sinks:
                sink.write(data)
        return data


def _copy_lines(
    stream: BinaryIO, source: str, kind: FileKind, options: DataOptions, sinks: Mapping[str, Sink], rows: Rows
) -> None:
    """Rows that are whole lines: text, JSON Lines, separated values."""
    if options.encoding == UTF8 and beginning(stream).startswith(_BOM):
        mark = stream.read(len(_BOM))
        for sink in sinks.values():
            sink.write(mark)
    name, limit = source_name(source), options.max_line_bytes
    passes = {"csv": _is_empty, "tsv": _is_empty, "jsonl": _is_blank}.get(kind, _is_nothing)
    tee = _Tee(stream, passes)
    lines = cast(BinaryIO, tee)
    if kind in ("csv", "tsv"):
        table = Table(lines, name, dialect_of(source, name, kind, options, once=False), options)
        tee.begin(*sinks.values())
        table.header()
        found: Iterator[Any] = iter(table.next_row, None)
    else:
        found = read_lines(lines, name, limit=limit, encoding=options.encoding)
        if kind == "jsonl":
            found = (line for line in found if line.data is None or line.data.strip())
    while (bucket := rows.peek()) is not None:
        tee.begin(sinks[bucket])
        if next(found, None) is None:
            return
        rows.take()


def _is_empty(line: bytes) -> bool:
    return line in (b"\n", b"\r\n")


def _is_blank(line: bytes) -> bool:
    return not line.strip()


def _is_nothing(line: bytes) -> bool:
    return False


def _copy_json(stream: BinaryIO, name: str, options: DataOptions, sinks: Mapping[str, Sink], rows: Rows) -> None:
    """An array of JSON as arrays, objects one behind the other as lines, any other document as an array of its rows."""
    text = JsonText(stream, name, options)
    begin = text.peek()
    first = text.element(options.max_file_bytes) if begin not in ("[", "") else None
    if begin == "[":
        found: Iterator[str] = (text.last for _ in array_rows(text))
    elif text.peek() == "":
        found = iter(()) if begin == "" else _document_texts(text.last, first, name, options)
    else:
        _copy_objects(text, options, sinks, rows)
        return
    written, too_long = dict.fromkeys(sinks, 0), Counted()
    encoding = options.encoding
    for sink in sinks.values():
        sink.write("[".encode(encoding))
    while (bucket := rows.peek()) is not None:
        row = next(found, None)
        if row is None:
            break
        rows.take()
        sinks[bucket].write((",\n" if written[bucket] else "\n").encode(encoding))
        sinks[bucket].write(_bytes(row, options))
        if not row:
            too_long.add(f"row {rows.count - 1}")
        written[bucket] += 1
    for sink in sinks.values():
        sink.write("\n]\n".encode(encoding))
    _say_too_long(too_long, name, options)


def _document_texts(whole: str, value: Any, name: str, options: DataOptions) -> Iterator[str]:
    if not isinstance(value, InputError):
        value = json.loads(whole, parse_float=_Written, parse_int=_Written, parse_constant=_Written)
    for record in document_rows(value, name, options, KNOWN_NAMES):
        if isinstance(record, InputError):
            yield "null"
        else:
            try:
                yield whole if record.values is value else _dumped(record.values)
            except RecursionError:
                raise InputError(f"{record.where} is nested too deeply to be copied") from None


class _Written(str):
    """The digits of a number, or NaN, as they stand in the file."""

    __slots__ = ()


def _dumped(value: Any) -> str:
    """JSON whose numbers are as they were written."""
    if isinstance(value, _Written):
        return str(value)
    if isinstance(value, Mapping):
        pairs = zip(map(_dumped, value), map(_dumped, value.values()), strict=True)
        return "{" + ", ".join(map(": ".join, pairs)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_dumped, value)) + "]"
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)  # a lone surrogate stays an escape


def _copy_objects(text: JsonText, options: DataOptions, sinks: Mapping[str, Sink], rows: Rows) -> None:
    too_long = Counted()
    while (bucket := rows.take()) is not None:
        sinks[bucket].write(_bytes(text.last, options) + "\n".encode(options.encoding))
        if not text.last:
            too_long.add(f"row {rows.count - 1}")
        if text.peek() == "":
            break
        text.element(options.max_line_bytes)
    _say_too_long(too_long, text.name, options)


def _say_too_long(found: Counted, name: str, options: DataOptions) -> None:
    if found.count:
        options.notify(f"{name}, {found.first}{found.more}: longer than a row may be; null stands in the place")


def _bytes(row: str, options: DataOptions) -> bytes:
    """The text of an element in its encoding; null for one that was too long to be held."""
    return (row or "null").encode(options.encoding, "surrogateescape")
