r"""Untrusted text made harmless for terminals and spreadsheets.

What is escaped on a terminal is every character that could move the cursor, change colours, reorder or hide text:
control characters, bidirectional controls, line separators, zero-width and other invisible characters, lone
surrogates. What people write stays as it is: all letters, marks and emoji, and the invisible joiners where a script or
an emoji needs them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from rich.cells import cell_len

from seqscore.errors import OptionError

_ELLIPSIS = "…"
_MAX_MARKS = 8  # more combining marks than any orthography stacks on one letter
_MAX_CHARS_A_CELL = 16

_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": "\\\\"}

# Control, bidirectional, separators; then whatever else has no glyph of its own (Unicode's default-ignorable and
# format characters and the fillers that look like nothing); then lone surrogates and non-characters.
_ALWAYS = (
    "\x00-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
)
_LAST_OF_PLANES = "".join(chr(plane * 0x10000 + last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF))
_HIDDEN = re.compile(f"[{_ALWAYS}{_LAST_OF_PLANES}]")

_JOINERS = "\u200c\u200d"
_SELECTORS = "\ufe00-\ufe0f"
_PICTURE = "\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_EMOJI_JOINER = re.compile(f"(?<=[{_PICTURE}\ufe0f])\u200d(?=[{_PICTURE}])")
_AFTER_BACKSLASH = re.compile(r"[\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}")

# Characters that need a closer look; text without any is shown as it is.
_SUSPECT = re.compile(f"[{_ALWAYS}{_LAST_OF_PLANES}{_JOINERS}{_SELECTORS}\\\\]")
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")


def terminal_text(text: str, *, max_width: int | None = None) -> str:
    r"""``text`` on one line, with everything harmful or invisible as a visible escape.

    Escapes are ``\n``, ``\r``, ``\t``, ``\x1b`` (control characters below 0x80), ``\x9b`` for a byte that belongs to
    no character (``surrogateescape``), ``\u202e`` and ``\U000e0041``. A backslash that would read as the beginning of
    such an escape is doubled, so different texts are never shown alike; any other backslash stays single. Kept are a
    zero-width joiner within an emoji, a joiner where Arabic and Indic scripts use one (after a virama, between Arabic
    letters: RFC 5892, appendix A), and one variation selector behind a visible character. A combining mark with
    nothing to stand on, and the ninth and further marks on one letter, are escaped.

    Args:
        text: any string, also with lone surrogates.
        max_width: terminal cells it may take; longer text is cut, never within an escape, and ends in ``…``.

    Raises:
        OptionError: ``max_width`` is less than 1.
    """
    if max_width is None:
        return text if _is_plain(text) else "".join(_pieces(text))
    if max_width < 1:
        raise OptionError(f"max_width must be at least 1 cell, got {max_width}")
    # A script may have letters without a width of their own; a bound on them keeps the work small.
    head = text[: max_width * _MAX_CHARS_A_CELL]
    kept: list[tuple[str, int]] = []
    width = 0
    for cluster in _clusters(head):
        kept.append((cluster, cell_len(cluster)))
        width += kept[-1][1]
        if width > max_width:
            break
    cut = width > max_width or len(head) < len(text)
    while cut and width > max_width - 1:
        width -= kept.pop()[1]
    return "".join(cluster for cluster, _ in kept) + (_ELLIPSIS if cut else "")


def terminal_bytes(data: bytes, *, max_width: int | None = None) -> str:
    r"""UTF-8 ``data`` as ``terminal_text`` shows it; a byte that belongs to no whole character as ``\xe4``."""
    return terminal_text(data.decode("utf-8", "surrogateescape"), max_width=max_width)


def csv_text(text: str) -> str:
    """``text`` as a cell that no spreadsheet takes for a formula.

    A text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break (also in their full-width forms), after
    any number of apostrophes, gets an apostrophe in front. To undo that, drop one apostrophe from a cell whose text
    behind its apostrophes begins so. Other formats hold the text unchanged.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def json_text(line: str) -> str:
    r"""A line of JSON in which control and bidirectional characters and line separators are ``\u`` escapes.

    JSON itself escapes only what lies below 0x20. These characters can stand within its strings only, so the line
    means the same; it is harmless on a terminal, and no program takes it for two lines.
    """
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", line)


def _is_plain(text: str) -> bool:
    """Whether text is certainly shown as it is, told quickly; most text is."""
    if text.isascii():
        return text.isprintable() and "\\" not in text
    if _SUSPECT.search(text) or _is_mark(text[0]):
        return False
    return sum(map(_is_mark, text)) <= _MAX_MARKS


def _pieces(text: str) -> Iterator[str]:
    """What stands for each character, in order."""
    marks = _MAX_MARKS  # at the beginning, as if there were too many: nothing to stand on
    for i, char in enumerate(text):
        if _is_mark(char) and not _HIDDEN.match(char):
            shown = char if marks < _MAX_MARKS and _keeps_selector(text, i) else _escaped(char)
            marks += 1
        else:
            shown = char if _is_kept(text, i) else _escaped(char)
            # A mark on an invisible or escaped character would sit on something else.
            marks = 0 if shown == char or char == "\\" else _MAX_MARKS
        yield shown


def _is_kept(text: str, i: int) -> bool:
    char = text[i]
    if char == "\\":
        return not _reads_as_escape(text, i + 1)
    if char in _JOINERS:
        return _keeps_joiner(text, i)
    return not _HIDDEN.match(char)


def _reads_as_escape(text: str, i: int) -> bool:
    """Whether what is shown for ``text[i:]`` would, behind a backslash, look like an escape."""
    if i >= len(text):
        return False
    if _AFTER_BACKSLASH.match(text, i):
        return True
    # The next character may be shown as an escape itself. A mark behind a backslash is its first, hence kept.
    return _HIDDEN.match(text[i]) is not None or (text[i] in _JOINERS and not _keeps_joiner(text, i))


def _keeps_joiner(text: str, i: int) -> bool:
    if i == 0 or i + 1 == len(text):
        return False
    before, after = text[i - 1], text[i + 1]
    if _EMOJI_JOINER.match(text, i):
        return True
    if unicodedata.combining(before) == 9:  # a virama
        return unicodedata.category(after)[0] == "L"
    arabic = unicodedata.bidirectional
    return arabic(before) in ("AL", "NSM") and arabic(after) == "AL" and _arabic_base(text, i - 1)


def _arabic_base(text: str, i: int) -> bool:
    """Whether the letter under the marks at ``i`` is Arabic."""
    while i > 0 and unicodedata.bidirectional(text[i]) == "NSM":
        i -= 1
    return unicodedata.bidirectional(text[i]) == "AL"


def _keeps_selector(text: str, i: int) -> bool:
    """A variation selector that does not follow a visible character shows nothing and can carry hidden text."""
    if not _is_selector(text[i]):
        return True
    before = text[i - 1]
    return not (_is_selector(before) or before in _JOINERS or before.isspace())


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f"


def _escaped(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape's form of a byte
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _clusters(text: str) -> Iterator[str]:
    """Pieces that may be parted from one another: a letter with its marks, an emoji with all that is joined to it."""
    cluster, joined = "", False
    for char, piece in zip(text, _pieces(text), strict=True):
        extends = piece == char and (char in _JOINERS or "\U0001f3fb" <= char <= "\U0001f3ff" or _is_mark(char))
        if cluster and not (extends or joined):
            yield cluster
            cluster = ""
        cluster += piece
        joined = piece == "\u200d"
    if cluster:
        yield cluster


def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"
