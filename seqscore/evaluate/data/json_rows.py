"""Rows of JSON Lines, and of JSON in the forms in which tables are written as one document."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, BinaryIO

from seqscore.errors import InputError
from seqscore.evaluate.data.encoding import UTF8, as_utf8, splits_lines
from seqscore.evaluate.data.fields import KNOWN_NAMES
from seqscore.evaluate.data.lines import decoded, read_lines, refuse_wide
from seqscore.evaluate.data.options import DataOptions
from seqscore.evaluate.data.records import Record, kind_of_value
from seqscore.evaluate.data.streams import READ_ERRORS, reason

_BLOCK = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")
_ESCAPED = re.compile("[\udc80-\udcff]")
_IN_TEXT, _INSIDE, _OUTSIDE = re.compile(r'["\\]'), re.compile(r'["{}\[\]]'), re.compile(r'["{}\[\], \t\r\n]')
_LONG = re.compile(r"-?\d{1000,}")


def parsed(text: str) -> Any:
    """The value of a JSON text. Names in an object must differ; whole numbers of any length keep their digits.

    Raises:
        ValueError: it is no JSON; the message says why.
    """
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        if _LONG.search(text) is None:
            raise
        return json.loads(text, object_pairs_hook=_distinct, parse_int=_whole)


def _whole(digits: str) -> int | Decimal:
    """Python reads no int of more than 4,300 digits from text."""
    return int(digits) if len(digits) < 1000 else Decimal(digits)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; json itself would keep the last of equal names in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the name {name!r} stands twice in an object")
            seen.add(name)
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct)


def read_json_lines(stream: BinaryIO, name: str, options: DataOptions) -> Iterator[Record | InputError]:
    """Objects, one a line, in order; an error stands for a bad line. Lines of white space alone are passed over."""
    limit, encoding = options.max_line_bytes, options.encoding
    for line in read_lines(stream, name, limit=limit, encoding=encoding):
        where = f"{name}, line {line.number}"
        if line.data is None:
            yield InputError(f"{where} is longer than {limit:,} bytes, the limit for a line")
        elif line.data.strip():
            text = decoded(line, name, encoding)
            yield text if isinstance(text, InputError) else _row(text, where)


def _row(text: str, where: str) -> Record | InputError:
    try:
        value = parsed(text)
    except ValueError as error:
        return InputError(f"{where} is not JSON: {error}")
    return _record(value, where)


def _record(value: object, where: str) -> Record | InputError:
    if isinstance(value, dict):
        return Record(where, value)
    return InputError(f'{where} must be a JSON object like {{"text": "..."}}, got {kind_of_value(value)}')


def read_json(stream: BinaryIO, name: str, options: DataOptions) -> Iterator[Record | InputError]:
    """The rows of a file of JSON, whichever way it holds them, in order; an error stands for a bad one.

    An array of objects or of texts is read row by row. So are objects one behind the other, a line each or laid out
    over several. One object is a row, or a table as pandas and polars write it: columns of lists or of
    ``{"0": ...}``, rows by their index, ``{"columns": [...], "data": [...]}``, or ``{"data": [{...}, ...]}``; such a
    document is held as a whole.

    Raises:
        InputError: it is no JSON, or of none of these forms.
    """
    text = JsonText(stream, name, options)
    begin = text.peek()
    if begin == "[":
        yield from array_rows(text)
        return
    if begin == "":
        return
    first = text.element(options.max_file_bytes)
    if text.peek() == "":
        yield from document_rows(first, name, options)
        return
    number = 0
    row: Any = first
    while True:
        yield row if isinstance(row, InputError) else _record(row, f"{name}, row {number}")
        if text.peek() == "":
            return
        number += 1
        row = text.element(options.max_line_bytes)


def array_rows(text: JsonText) -> Iterator[Record | InputError]:
    """The rows of an array, whose text is ``text.last`` as each is given."""
    text.take("[")
    number = 0
    while text.peek() != "]":
        value = text.element(text.options.max_line_bytes)
        where = f"{text.name}, row {number}"
        if value is None or isinstance(value, str):
            value = {"text": value}
        if isinstance(value, list) and number == 0:
            raise InputError(
                f"{text.name} holds lists of values without the names of their columns; write it as a list of objects "
                f"(pandas: orient='records')"
            )
        yield value if isinstance(value, InputError) else _record(value, where)
        number += 1
        if text.peek() == "]":
            break
        text.take(",")
    text.take("]")
    if text.peek():
        raise InputError(f"{text.name} goes on behind the end of its list, at character {text.position:,}")


def document_rows(value: Any, name: str, options: DataOptions) -> Iterator[Record | InputError]:
    """The rows of one JSON value that is no array."""
    if isinstance(value, InputError):
        raise value
    if not isinstance(value, dict):
        raise InputError(f"{name} must hold JSON objects, got {kind_of_value(value)}")
    for number, row in enumerate(_rows(value, name, options)):
        yield _record(row, f"{name}, row {number}")


def _rows(table: Mapping[str, Any], name: str, options: DataOptions) -> Iterator[Any]:
    """The rows of an object, by the form that it has; the object itself where it has none of a table."""
    names, data = table.get("columns"), table.get("data")
    if isinstance(names, list) and isinstance(data, list) and all(isinstance(one, list) for one in data):
        return _of_split(names, data, name)
    if isinstance(names, list) and all(isinstance(one, dict) and {"name", "values"} <= set(one) for one in names):
        return _of_lists({str(one["name"]): one["values"] for one in names}, name)
    values = list(table.values())
    if values and all(isinstance(one, list) for one in values) and not _is_list_of_rows(values):
        return _of_lists(table, name)
    if values and all(isinstance(one, dict) for one in values) and len({frozenset(one) for one in values}) == 1:
        return _of_objects(table, name)
    held = [key for key, one in table.items() if _is_list_of_rows([one])]
    if len(held) == 1:
        options.notify(f"{name} is one object; its rows are those of the list {held[0]!r}")
        return iter(table[held[0]])
    return iter([table])


def _is_list_of_rows(values: Sequence[Any]) -> bool:
    return len(values) == 1 and bool(values[0]) and isinstance(values[0], list) and isinstance(values[0][0], dict)


def _of_split(names: Sequence[Any], data: Sequence[Sequence[Any]], name: str) -> Iterator[Any]:
    columns = [str(one) for one in names]
    for number, row in enumerate(data):
        if len(row) != len(columns):
            raise InputError(
                f"{name}, row {number} has {len(row)} values, expected {len(columns)} as columns are named"
            )
    return (dict(zip(columns, row, strict=True)) for row in data)


def _of_lists(table: Mapping[str, Any], name: str) -> Iterator[Any]:
    lengths = {key: len(one) for key, one in table.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{name} holds lists of different lengths, so they are no columns: {lengths!r:.200}")
    return (dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True))


def _of_objects(table: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Columns by name of rows by index, or the other way round, told by which of the two are numbers or known names."""
    outer, inner = list(table), list(next(iter(table.values())))
    if (_counts(inner) and not _counts(outer)) or (KNOWN_NAMES & set(outer) and not KNOWN_NAMES & set(inner)):
        return ({column: table[column][row] for column in outer} for row in inner)
    if (_counts(outer) and not _counts(inner)) or (KNOWN_NAMES & set(inner) and not KNOWN_NAMES & set(outer)):
        return iter(table.values())
    raise InputError(
        f"{name} is an object of objects, of which neither level is surely that of the columns; write it as a list of "
        f"objects (pandas: orient='records')"
    )


def _counts(names: Sequence[str]) -> bool:
    return all(name.isascii() and name.isdigit() for name in names)


class JsonText:
    """The text of a JSON file, of which one value after the other is taken, in memory of one value."""

    def __init__(self, stream: BinaryIO, name: str, options: DataOptions) -> None:
        self.name, self.options = name, options
        encoding = options.encoding
        if not splits_lines(encoding):
            stream, encoding = as_utf8(stream, encoding), UTF8
        self._stream, self._encoding = stream, encoding
        # Bytes that do not fit become lone surrogates, which no text has: the row that they stand in is told by them.
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        self._buffer, self._at, self._ended, self._passed = "", 0, False, 0
        self._first = True
        self.last = ""
        """The text of the value that was taken last; empty where that was too long to be held."""

    @property
    def position(self) -> int:
        """How many characters were taken."""
        return self._passed + self._at

    def _more(self, size: int = _BLOCK) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        try:
            data = self._stream.read(size)
        except READ_ERRORS as error:
            raise InputError(f"cannot read {self.name}: {reason(error)}") from error
        if self._first and self._encoding == UTF8:
            refuse_wide(data, self.name)
            data = data.removeprefix(b"\xef\xbb\xbf")
        self._first, self._ended = False, not data
        text = self._decoder.decode(data, final=self._ended)
        self._passed += self._at
        self._buffer, self._at = self._buffer[self._at :] + text, 0
        return bool(text) or not self._ended

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            found = _SPACE.match(self._buffer, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def take(self, expected: str) -> None:
        """Go on behind this character.

        Raises:
            InputError: another one stands there.
        """
        found = self.peek()
        if found != expected:
            got = f"got {found!r}" if found else "got the end of the file"
            raise InputError(f"{self.name} is not JSON: expected {expected!r} at character {self.position:,}, {got}")
        self._at += 1

    def element(self, limit: int) -> Any:
        """The next value; an error where it is none, or longer than ``limit`` characters, and then what comes behind
        it is found by its brackets.

        Raises:
            InputError: there is none, or the file ends within it.
        """
        begin, start = self.peek(), self.position
        where = f"{self.name}, the value at character {start:,}"
        try:
            value, end = _DECODER.raw_decode(self._buffer, self._at)
        except (ValueError, RecursionError):
            end = len(self._buffer)
        if end < len(self._buffer):
            if end - self._at > limit:
                self._at, self.last = end, ""
                return _too_long(where, limit)
            return value if self._take(end - self._at) else _not_of(where, self._encoding)
        length = self._length(limit)
        if length is None:
            self.last = ""
            return _too_long(where, limit)
        text = self._buffer[self._at : self._at + length]
        if not text:
            got = repr(begin) if begin else "the end of the file"
            raise InputError(f"{self.name} is not JSON: expected a value at character {start:,}, got {got}")
        if not self._take(length):
            return _not_of(where, self._encoding)
        try:
            return parsed(text)
        except ValueError as error:
            return InputError(f"{where} is not JSON: {error}")

    def _take(self, length: int) -> bool:
        """Go on behind so many characters; False where bytes among them did not fit the encoding."""
        text = self.last = self._buffer[self._at : self._at + length]
        self._at += length
        return text.isascii() or _ESCAPED.search(text) is None

    def _length(self, limit: int) -> int | None:
        """How long the next value is, told by brackets and quotation marks alone; None where it is too long, and then
        it was passed over."""
        scan, length, too_long = _Scan(), 0, False
        while True:
            end = scan.end_of_value(self._buffer, self._at + length)
            if end is not None:
                if not too_long and end - self._at <= limit:
                    return end - self._at
                self._at = end
                return None
            length = len(self._buffer) - self._at
            if length > limit:
                too_long = True
                self._at, length = len(self._buffer), 0
            if not self._more(max(_BLOCK, length)):
                if scan.is_open:
                    raise InputError(f"{self.name} is not JSON: the file ends within a value")
                return None if too_long else len(self._buffer) - self._at


def _too_long(where: str, limit: int) -> InputError:
    return InputError(f"{where} is longer than {limit:,} characters, the limit for a row")


def _not_of(where: str, encoding: str) -> InputError:
    return InputError(f"{where} is not {encoding.upper()}; name the encoding with --encoding")


class _Scan:
    """Where a value ends, over pieces of its text: behind the bracket or mark that closes it, or before a delimiter."""

    def __init__(self) -> None:
        self._depth, self._in_text, self._escaped = 0, False, False

    @property
    def is_open(self) -> bool:
        """Whether a bracket or a text was opened and not closed."""
        return self._depth > 0 or self._in_text

    def end_of_value(self, text: str, at: int) -> int | None:
        """The place behind the value, which goes on at ``at``; None where it does not end in this text."""
        if self._escaped and at < len(text):
            self._escaped, at = False, at + 1
        while True:
            pattern = _IN_TEXT if self._in_text else _INSIDE if self._depth else _OUTSIDE
            found = pattern.search(text, at)
            if found is None:
                return None
            at, token = found.end(), found[0]
            if token == "\\":
                self._escaped = at == len(text)
                at += 1
            elif token == '"':
                self._in_text = not self._in_text
            elif token in "{[":
                self._depth += 1
            elif self._depth:
                self._depth -= 1
            else:
                return found.start()
            if not self.is_open:
                return at
