"""JSON values out of a stream of text, one after the other, and what JSON leaves open."""

from __future__ import annotations

import codecs
import json
import re
from decimal import Decimal
from typing import Any, BinaryIO

from seqscore.errors import InputError
from seqscore.evaluation.data.charsets import UTF8, as_utf8, splits_lines
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.lines import refuse_wide
from seqscore.evaluation.data.streams import READ_ERRORS, reason

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
    return InputError(f"{where} is not {encoding.upper()}; name the encoding with encoding= (--encoding)")


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
