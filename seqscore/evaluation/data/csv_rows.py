"""Rows of CSV and TSV, by the rules of Python's csv module in its strict mode, and what quotation marks mean."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, BinaryIO

from seqscore.errors import InputError
from seqscore.evaluation.data.data_options import Counted, DataOptions, FileKind
from seqscore.evaluation.data.lines import Line, decoded, read_lines
from seqscore.evaluation.data.records import EMPTY_CELLS, Record, check_distinct
from seqscore.evaluation.data.streams import open_bytes

_SEP_LINE = re.compile(r'"?sep=(.)"?')
_NUMBER = re.compile(r"\s*[-+]?\d[\d.,]*\s*")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What parts fields, and whether quotation marks enclose them. ``certain``: somebody said so."""

    separator: str
    quoted: bool
    certain: bool


def read_separated(
    stream: BinaryIO, name: str, dialect: Dialect, options: DataOptions
) -> Iterator[Record | InputError]:
    """The rows below a header, in order; an error stands for a bad one. Empty lines are passed over.

    A row of more than one line, each of which would be a whole row if quotation marks were text, is an error: three
    rows of which the first begins and the last ends with a mark must not become one text. Of two lines of two texts,
    or of lines of one, it is not known which they are: they are one row, which is said once, with their number.

    Raises:
        InputError: there is no header, two columns have one name, or where the next row begins cannot be known.
    """
    table = Table(stream, name, dialect, options)
    header = _named(table.header())
    check_distinct(name, header)
    empty = EMPTY_CELLS if options.empty_cells == "error" else frozenset()
    try:
        while (row := table.next_row()) is not None:
            if isinstance(row, InputError):
                yield row
            elif len(row) != len(header):
                count = f"number of values is {len(row)}, expected {len(header)} as in the header"
                yield InputError(f"{table.where}: {count}{_row_names(row, header, table)}")
            else:
                yield Record(table.where, dict(zip(header, row, strict=True)), empty)
    finally:  # also where --limit ends it
        table.say_doubts()


def _named(header: Sequence[str]) -> list[str]:
    """The names of the columns; a second one without a name, as spreadsheets leave them, is called by its place."""
    return [name if name or "" not in header[:place] else f"column {place + 1}" for place, name in enumerate(header)]


def header_of(stream: BinaryIO, name: str, dialect: Dialect, options: DataOptions) -> tuple[str, ...] | None:
    """The names of the columns; None where no row stands below them, which is said.

    Raises:
        InputError: there is no header, or two columns have one name.
    """
    table = Table(stream, name, dialect, options)
    header = _named(table.header())
    check_distinct(name, header)
    if table.next_row() is not None:
        return tuple(header)
    options.notify(
        f"{name}: no row stands below its first line, which names the columns: {', '.join(map(repr, header)):.200}"
    )
    return None


def dialect_of(source: str, name: str, kind: FileKind, options: DataOptions, *, once: bool) -> Dialect:
    """How a file is written: as asked for; by default CSV has commas and quoted fields, and TSV has tabs and quoted
    fields unless a quotation mark somewhere in it encloses none (then they all are text, which is said).

    ``once``: the source can be read only once, so that it cannot be looked through for such a mark.
    """
    separator = options.field_separator or ("\t" if kind == "tsv" else ",")
    if options.quoting != "auto":
        return Dialect(separator, options.quoting == "standard", True)
    usual = Dialect(separator, True, False)
    if separator != "\t" or once:
        return usual
    fault = _fault(source, name, usual, options)
    if fault is None:
        return usual
    options.notify(
        f"{fault}: a quotation mark there does not enclose a field, so in the whole of {name} they are read as part of "
        f"the text (--quoting none); --quoting standard (quoting=) where they enclose fields"
    )
    return Dialect(separator, False, True)


def _fault(source: str, name: str, dialect: Dialect, options: DataOptions) -> str | None:
    """The place of the first mark that does not enclose a field; None where each does."""
    if not _has_marks(source, options):
        return None
    with open_bytes(source) as stream:
        table = Table(stream, name, dialect, options)
        table.judges_every_line = True
        try:
            table.header()
            while (row := table.next_row()) is not None:
                if isinstance(row, _Glued):
                    return table.where
        except _NotWellFormed as error:
            return error.where
    return None


def _has_marks(source: str, options: DataOptions) -> bool:
    with open_bytes(source) as stream:
        while block := stream.read(1 << 20):
            if b'"' in block:
                return True
    return False


def _row_names(row: Sequence[str], header: Sequence[str], table: Table) -> str:
    if table.num_rows == 1 and len(row) == len(header) + 1:
        return "; where the first value is a row's name (R's write.table), write it with col.names=NA"
    return ""


class _Glued(InputError):
    """Several rows in one field."""


class _NotWellFormed(InputError):
    """Where the next row begins is not known any more."""

    where = ""


class _FieldLimit:
    """The longest field that the csv module reads: a global of it, raised only meanwhile, in however many threads."""

    def __init__(self) -> None:
        self._lock, self._asked, self._before = Lock(), list[int](), 0

    @contextmanager
    def up_to(self, limit: int) -> Iterator[None]:
        """Fields of at least this length are read."""
        with self._lock:
            if not self._asked:
                self._before = csv.field_size_limit()
            self._asked.append(limit)
            csv.field_size_limit(max(self._asked))
        try:
            yield
        finally:
            with self._lock:
                self._asked.remove(limit)
                csv.field_size_limit(max(self._asked, default=self._before))


_FIELDS = _FieldLimit()


class Table:
    """Rows of values as the csv module parts them; knows on which line the last one began."""

    judges_every_line = False

    def __init__(self, stream: BinaryIO, name: str, dialect: Dialect, options: DataOptions) -> None:
        self._lines = _Lines(stream, name, dialect, options)
        self._name, self._dialect, self._options = name, dialect, options
        self._reader = self._made(dialect.separator)
        self.where, self.num_rows, self._width = name, 0, 0
        self._doubts = Counted()

    def _made(self, separator: str) -> Any:
        if self._dialect.quoted:
            return csv.reader(self._lines, delimiter=separator, strict=True)
        return csv.reader(self._lines, delimiter=separator, strict=True, quoting=csv.QUOTE_NONE)

    def header(self) -> list[str]:
        """The names of the columns; a line ``sep=;`` before them, which Excel writes, says what parts fields.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        row = self._next()
        if row is not None and self._options.field_separator is None:
            found = _SEP_LINE.fullmatch(self._lines.taken[0] if self._lines.taken else "")
            if found:
                self._dialect = Dialect(found[1], self._dialect.quoted, self._dialect.certain)
                self._reader = self._made(found[1])
                self._lines.marks = _Marks(self._dialect)
                row = self._next()
        if row is None:
            raise InputError(f"{self._name} is empty; expected a header with the names of its columns")
        if self._lines.bad is not None:
            raise self._lines.bad
        self._width = len(row)
        return row

    def next_row(self) -> list[str] | InputError | None:
        """The next row that is no empty line, or what is wrong with it; None at the end."""
        while (row := self._next()) == []:
            pass
        if row is None:
            return None
        self.num_rows += 1
        if self._lines.bad is not None:
            return self._lines.bad
        return _Glued(self._glued()) if self._is_glued() else row

    def say_doubts(self) -> None:
        """Say which rows of several lines may be several rows."""
        if self._doubts.count:
            them = "are each" if self._doubts.count > 1 else "are"
            self._options.notify(
                f"{self._name}, {self._doubts.first}{self._doubts.more} {them} one text, for a quotation mark opens "
                f"at the beginning and closes at the end; --quoting none (quoting=) where marks are part of the text, "
                f"--quoting standard where texts have several lines"
            )

    def _next(self) -> list[str] | None:
        self._lines.begin()
        limit = self._options.max_line_bytes
        try:
            with _FIELDS.up_to(limit):
                row: list[str] | None = next(self._reader, None)
            if max(map(len, row or ()), default=0) > limit:  # another thread may read longer ones
                raise csv.Error(f"field larger than field limit ({limit})")
        except csv.Error as error:
            where = f"{self._name}, line {self._lines.first}"
            problem = _NotWellFormed(
                f"{where}: not well-formed: {error}; check its quotation marks, or say --quoting none (quoting=) where "
                f"they are part of the text"
            )
            problem.where = where
            raise problem from error
        self.where = f"{self._name}, line {self._lines.first}"
        return row

    def _is_glued(self) -> bool:
        """Whether several lines, each of them a row by itself, became one."""
        lines = self._lines.taken
        if len(lines) < 2 or self._dialect.certain:
            return False
        parts = [line.split(self._dialect.separator) for line in lines]
        if self._width > 1 and any(len(one) != self._width for one in parts):
            return False
        if self.judges_every_line:
            return all(len(one) == self._width for one in parts)
        if self._width > 2 or (self._width == 2 and (len(parts) > 2 or _same_numbers(parts))):
            return True
        self._doubts.add(f"lines {self._lines.first} to {self._lines.last}")
        return False

    def _glued(self) -> str:
        return (
            f"{self.where}: lines {self._lines.first} to {self._lines.last} are whole rows, but a quotation mark opens "
            f"in the first and closes in the last; say --quoting none (quoting=) where marks are part of the text, or "
            f"--quoting standard where a text has several lines"
        )


def _same_numbers(rows: Sequence[Sequence[str]]) -> bool:
    """Whether some column holds a number in every row."""
    return any(all(_NUMBER.fullmatch(one) for one in column) for column in zip(*rows, strict=True))


class _Lines:
    """Lines as the csv module wants them. A line that cannot be read stands in as one that keeps the rows apart."""

    def __init__(self, stream: BinaryIO, name: str, dialect: Dialect, options: DataOptions) -> None:
        self._name, self._options = name, options
        self.marks = _Marks(dialect)
        self._lines = read_lines(
            stream,
            name,
            limit=options.max_line_bytes,
            encoding=options.encoding,
            passed_over=lambda piece: self.marks.feed(piece),
        )
        self.first = self.last = 0
        self.taken: list[str] = []
        self.bad: InputError | None = None

    def begin(self) -> None:
        """A row begins: nothing was taken for it, and nothing is wrong with it yet."""
        self.first, self.taken, self.bad = self.last + 1, [], None

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        within = bool(self.taken)  # the reader asks for one more line of a row within a quoted field alone
        self.marks.begin(within)
        line = next(self._lines)
        self.last = line.number
        text = self._text(line, within)
        self.taken.append(text)
        return text + line.end.decode("ascii")

    def _text(self, line: Line, within: bool) -> str:
        if line.data is None:
            limit = self._options.max_line_bytes
            where = f"{self._name}, line {line.number}"
            self.bad = self.bad or InputError(f"{where} is longer than {limit:,} bytes, the limit for a line")
            return '"' if self.marks.end() != within else "-"
        text = decoded(line, self._name, self._options.encoding)
        if isinstance(text, InputError):
            self.bad = self.bad or text
            return line.data.decode("ascii", "replace")
        return text


class _Marks:
    """Whether a quoted field is open at the end of a line that is too long to be kept, of which pieces come by."""

    def __init__(self, dialect: Dialect) -> None:
        self._quoted, self._separator = dialect.quoted, dialect.separator.encode()
        self.begin(False)

    def begin(self, within: bool) -> None:
        """A line begins, within a quoted field or not."""
        self._within, self._run, self._before = within, 0, b""

    def feed(self, piece: bytes) -> None:
        """The next piece of the line."""
        at = 0
        for found in _MARKS.finditer(piece) if self._quoted else ():
            if found.start() > at:
                self._end_run()
                self._before = piece[at : found.start()]
            self._run += len(found[0])
            at = found.end()
        if at < len(piece):
            self._end_run()
            self._before = piece[-len(self._separator) :]

    def end(self) -> bool:
        """Whether a field is open."""
        self._end_run()
        return self._within

    def _end_run(self) -> None:
        """Marks side by side came to an end: within a field two are one mark of the text, and one closes it; outside,
        the first opens a field where one begins and is text elsewhere."""
        if self._run and (self._within or self._before.endswith(self._separator) or not self._before):
            self._within = (self._run % 2 == 0) == self._within
        self._run = 0


_MARKS = re.compile(rb'"+')
