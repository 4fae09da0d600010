"""Encodings of text files: which there are, and bytes to text with the place of what does not fit."""

from __future__ import annotations

import codecs
import io
from functools import cache
from typing import BinaryIO, cast

from seqscore.errors import OptionError

UTF8 = "utf-8"

_NOT_OF_FILES = frozenset({"unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined", "mbcs", "oem"})
_BLOCK = 1 << 16


def known_encoding(name: str) -> str:
    """The codec's own name for an encoding of text; ``utf-8`` also for the one with a byte order mark.

    Raises:
        OptionError: Python knows no such encoding of text files.
    """
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        found = None
    plain = "" if found is None else found.name.replace("-", "_")
    if found is None or plain in _NOT_OF_FILES or not getattr(found, "_is_text_encoding", True):
        raise OptionError(
            f"encoding {name!r} is unknown; expected the name of an encoding of text, for instance utf-8, utf-16, "
            f"latin-1, cp1252, gb18030 or shift_jis"
        )
    return UTF8 if plain in ("utf_8", "utf_8_sig") else found.name


@cache
def splits_lines(encoding: str) -> bool:
    r"""Whether the byte 0x0A is ``\n`` and nothing else, so that lines can be split before they are decoded.

    It is in UTF-8, in all encodings of eight bits that extend ASCII, and in those of East Asia, whose second bytes
    begin at 0x30 or 0x40. It is not in UTF-16, UTF-32 and EBCDIC.
    """
    try:
        return "a\n,".encode(encoding) == b"a\n,"
    except UnicodeError:
        return False


def as_utf8(stream: BinaryIO, encoding: str) -> BinaryIO:
    """The bytes of ``stream`` in UTF-8, whatever encoding they are in; a lone surrogate of UTF-16 stays one."""
    return cast(BinaryIO, io.BufferedReader(_Recoded(stream, encoding)))


class _Recoded(io.RawIOBase):
    """Bytes of one encoding, read as UTF-8, block by block."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        super().__init__()
        wide = encoding.startswith(("utf-16", "utf-32"))
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass" if wide else "strict")
        self._read = getattr(stream, "read1", stream.read)
        self._ready, self._ended = b"", False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """As many bytes as there are, none at the end; UnicodeDecodeError where the encoding is another."""
        while not self._ready and not self._ended:
            data = self._read(_BLOCK)
            self._ended = not data
            self._ready = self._decoder.decode(data, final=self._ended).encode(UTF8, "surrogatepass")
        count = min(len(target), len(self._ready))
        target[:count], self._ready = self._ready[:count], self._ready[count:]
        return count
