"""What a caller names on the command line, as rows of text: arguments, files of lines, files with columns."""

from __future__ import annotations

import stat
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from seqscore.errors import InputError, OptionError
from seqscore.evaluate.data.lines import (
    STANDARD_INPUT,
    open_bytes,
    read_whole,
    source_name,
    suffix_of,
    text_lines,
)
from seqscore.evaluate.data.records import STRUCTURED, Record, read_records

__all__ = ["InputOptions", "InputRow", "RowProblem", "only_texts", "open_input", "open_inputs"]


@dataclass(frozen=True, slots=True)
class InputRow:
    """A text to score, behind its context where there is one. ``id`` is its number from 0, or what its file says."""

    id: int | str
    text: str
    context: str | None = None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Stands in the place of a row that cannot be read; the rows behind it can."""

    id: int | str
    error: InputError


InputItem: TypeAlias = InputRow | RowProblem
Rows: TypeAlias = Generator[InputItem, None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """How sources are read.

    ``whole_file``: a file is one text, instead of one a line. ``column``, ``id_column`` and ``context_column`` name
    columns of .jsonl (.ndjson), .csv, .tsv and .parquet files; ``column`` is "text" where it is not given.
    ``context`` stands before every text. A line may have at most ``max_line_bytes``, a whole file ``max_file_bytes``,
    after decompression.
    """

    whole_file: bool = False
    column: str | None = None
    id_column: str | None = None
    context_column: str | None = None
    context: str | None = None
    max_line_bytes: int = 16 * 2**20
    max_file_bytes: int = 256 * 2**20

    def __post_init__(self) -> None:
        if self.context is not None and self.context_column is not None:
            raise OptionError("a context for every text and a column of contexts were both given; choose one")
        if self.whole_file and self.names_columns:
            raise OptionError("a whole file as one text has no columns; leave out one of the two options")

    @property
    def names_columns(self) -> bool:
        """Whether any column is named."""
        return any(name is not None for name in (self.column, self.id_column, self.context_column))


def open_inputs(
    texts: Sequence[str], files: Sequence[str] = (), *, options: InputOptions = InputOptions()
) -> Iterator[InputItem]:
    """The rows of ``texts`` and then of ``files``, lazily and in order, numbered from 0 throughout.

    ``-`` among either is standard input. Every file is looked at before the first row is given, so that a missing file
    or column shows at once.

    Raises:
        OptionError: there is nothing to read, or columns are named where there can be none.
        InputError: a file cannot be read; from the iterator too, where reading fails later.
    """
    if not texts and not files:
        raise OptionError("nothing to score; give a text, a file, or - for standard input")
    if options.names_columns and (not files or STANDARD_INPUT in texts):
        raise OptionError(f"columns were named, but only files that end in {', '.join(STRUCTURED)} have columns")
    for file in files:
        _check(file, options)
    return _all(texts, files, options)


def _all(texts: Sequence[str], files: Sequence[str], options: InputOptions) -> Iterator[InputItem]:
    number = 0
    for kind, one in [*(("text", text) for text in texts), *(("file", file) for file in files)]:
        if kind == "text" and one != STANDARD_INPUT:
            rows: Iterator[InputItem] = iter([InputRow(number, one, options.context)])
        else:
            rows = open_input(one, options=options, first=number)
        for row in rows:
            yield row
            number += 1


def open_input(source: str, *, options: InputOptions = InputOptions(), first: int = 0) -> Rows:
    r"""The rows of one file, or of standard input (``-``), lazily, numbered from ``first``.

    Text is split at ``\n`` only (a ``\r`` right before it belongs to it); an empty line is an empty text; a last line
    needs no ``\n``; a byte order mark at the beginning is dropped. Names that end in .gz, .bz2 or .xz are decompressed.
    Lines of JSON that are blank and empty lines of CSV are passed over. CSV and TSV have a header and may use double
    quotes. A row that cannot be read (not UTF-8, too long, malformed JSON, null or not text) gives a RowProblem.

    Raises:
        OptionError: columns are named for a source that has none.
        InputError: the file cannot be read as a whole, or lacks a column.
    """
    if options.whole_file:
        return _whole(source, options, first)
    if source != STANDARD_INPUT and suffix_of(source) in STRUCTURED:
        return _structured(source, options, first)
    if options.names_columns:
        raise OptionError(
            f"{source_name(source)} is read as lines of text and has no columns; only files that end in "
            f"{', '.join(STRUCTURED)} have"
        )
    return _lines(source, options, first)


def only_texts(rows: Iterable[InputItem]) -> list[str]:
    """The texts of all rows.

    Raises:
        InputError: the first problem among them.
    """
    texts = []
    for row in rows:
        if isinstance(row, RowProblem):
            raise row.error
        texts.append(row.text)
    return texts


def _check(source: str, options: InputOptions) -> None:
    """Raise at once what is wrong with a file as a whole. Pipes and devices can be read only once: they are not."""
    if source == STANDARD_INPUT:
        open_input(source, options=options)
        return
    try:
        regular = stat.S_ISREG(Path(source).stat().st_mode)
    except (OSError, ValueError):
        regular = True  # opening it gives the message
    rows = open_input(source, options=options)
    if regular and options.whole_file:
        with open_bytes(source):
            return
    if regular or Path(source).is_dir():
        with closing(rows):
            next(rows, None)


def _lines(source: str, options: InputOptions, first: int) -> Rows:
    lines = text_lines(source, limit=options.max_line_bytes, advice="; a whole file as one text may be longer")
    for number, (_, text) in enumerate(lines, first):
        yield RowProblem(number, text) if isinstance(text, InputError) else InputRow(number, text, options.context)


def _whole(source: str, options: InputOptions, first: int) -> Rows:
    with open_bytes(source) as stream:
        yield InputRow(first, read_whole(stream, source_name(source), limit=options.max_file_bytes), options.context)


def _structured(source: str, options: InputOptions, first: int) -> Rows:
    column = options.column or "text"
    wanted = [name for name in (column, options.id_column, options.context_column) if name is not None]
    for number, record in enumerate(read_records(source, wanted, limit=options.max_line_bytes), first):
        if isinstance(record, InputError):
            yield RowProblem(number, record)
        else:
            yield _row(record, number, column, options)


def _row(record: Record, number: int, column: str, options: InputOptions) -> InputItem:
    row_id: int | str = number
    if options.id_column is not None:
        value = record.values[options.id_column]
        if isinstance(value, bool) or not isinstance(value, int | str):
            return RowProblem(number, _wrong(record, options.id_column, value, "text or a whole number"))
        if isinstance(value, str) and not value.isascii() and _has_surrogate(value):
            problem = f"{record.where}: the id holds a lone surrogate, which is no Unicode text"
            return RowProblem(number, InputError(problem))
        row_id = value
    text: object = record.values[column]
    context: object = options.context
    if options.context_column is not None:
        context = record.values[options.context_column]
    if not isinstance(text, str):
        return RowProblem(row_id, _wrong(record, column, text, "text"))
    if not isinstance(context, str | None):
        return RowProblem(row_id, _wrong(record, str(options.context_column), context, "text or null"))
    if len(text) > options.max_line_bytes:
        return RowProblem(row_id, InputError(f"{record.where} is longer than {options.max_line_bytes:,} characters"))
    return InputRow(row_id, text, context)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _wrong(record: Record, column: str, value: object, expected: str) -> InputError:
    kinds = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
    got = kinds.get(type(value), f"a value of type {type(value).__name__}")
    return InputError(f"{record.where}: column {column!r} is {got}; expected {expected}")
