"""Where the words of a text stand: runs without white space, matches of a pattern, or what Unicode calls words.

| name | words |
|---|---|
| ``space`` | runs of characters that are not white space (Python's ``str.isspace``: U+00A0 and U+3000 are) |
| ``unicode`` | Unicode's rules (UAX 29), and ICU's dictionaries for Chinese, Japanese, Thai, Lao, Khmer, Burmese; |
| | each punctuation mark is a word of its own |
| a pattern | each match of a regular expression of Python |

Whatever stands between two words belongs to one of them, so that nothing of a text is left out: what is behind a word
up to the first white space to that word, the rest to the word behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, MissingDependencyError, OptionError, one_line

Spans: TypeAlias = Sequence[tuple[int, int]]
"""First character of each word and the one after its last, in order, none empty, none in another."""

SPACE, UNICODE, GIVEN = "space", "unicode", "given"


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words of a text.

    Shape: ``char_starts``, ``char_ends``, ``starts``, ``ends`` [n]: where each begins and ends, in characters and in
    bytes of the UTF-8 text. ``bounds`` [n + 1], bytes: word k has what stands from ``bounds[k]`` to ``bounds[k + 1]``;
    the first is 0, the last the number of bytes. All int64. No words: ``bounds`` is [0]. ``stop``: the byte at which
    the last word is over, where the white space behind it begins, or the text ends.
    """

    texts: tuple[str, ...]
    char_starts: NDArray[np.int64]
    char_ends: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    bounds: NDArray[np.int64]
    stop: int = 0

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Segmentation:
    """A way to find words. ``name``: as it stands in a signature. ``sets_apart``: whether its words are set apart by
    white space in scripts that have any."""

    name: str
    find: Callable[[str], Spans]
    sets_apart: bool = True

    def words(self, text: str) -> Words:
        """The words of a text.

        Raises:
            InputError: it has text and no word.
        """
        return words_at(text, self.find(text))


def segmentation_of(words: str) -> Segmentation:
    """The way to find words that ``words`` names: ``space``, ``unicode``, or a regular expression.

    Raises:
        OptionError: it is no regular expression, matches the empty text, or is a bare word (a name misspelt).
        MissingDependencyError: ``unicode`` needs the library icu4py.
    """
    if words == SPACE:
        return Segmentation(SPACE, _matches(re.compile(r"\S+")))
    if words == UNICODE:
        return Segmentation(f"{UNICODE}/icu-{_icu_version()}", _unicode_spans, sets_apart=False)
    if not isinstance(words, str) or not words or re.fullmatch(r"[\w-]+", words):
        raise OptionError(
            f"words={words!r} is unknown; expected 'space', 'unicode', or a regular expression such as '[A-Za-z]+'"
        )
    try:
        pattern = re.compile(words)
    except (re.error, RecursionError, OverflowError) as error:
        raise OptionError(f"words={words!r} is no regular expression: {one_line(error)}") from error
    if pattern.match(""):
        raise OptionError(f"words={words!r} matches the empty text too; a word has a character at least")
    return Segmentation(f"regex/{words}", _matches(pattern))


def words_at(text: str, spans: Spans) -> Words:
    """The words that stand at ``spans`` of a text.

    Raises:
        InputError: there are none, and the text is not white space alone.
    """
    if not spans and text and not text.isspace():
        raise InputError(f"no word was found in {text[:60]!r}")
    begins = [begin for begin, _ in spans]
    ends = [end for _, end in spans]
    borders = [0, *(_border(text, one[1], two[0]) for one, two in pairwise(spans)), len(text)] if spans else [0]
    over = _border(text, spans[-1][1], len(text)) if spans else 0
    to_bytes = _byte_offsets(text)
    starts, stops, bounds, stop = (to_bytes(np.array(places, np.int64)) for places in (begins, ends, borders, [over]))
    texts = tuple(text[begin:end] for begin, end in spans)
    return Words(texts, np.array(begins, np.int64), np.array(ends, np.int64), starts, stops, bounds, int(stop[0]))


def _border(text: str, end: int, begin: int) -> int:
    """Where, between the end of a word and the next one's begin, the next one's part begins."""
    return next((place for place in range(end, begin) if text[place].isspace()), begin)


def _byte_offsets(text: str) -> Callable[[NDArray[np.int64]], NDArray[np.int64]]:
    """Offsets in characters to offsets in bytes."""
    if text.isascii():
        return lambda places: places
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    widths = 1 + (codes > 0x7F).astype(np.int64) + (codes > 0x7FF) + (codes > 0xFFFF)
    table = np.concatenate([[0], np.cumsum(widths)])
    return lambda places: table[places]


def _matches(pattern: re.Pattern[str]) -> Callable[[str], Spans]:
    return lambda text: [match.span() for match in pattern.finditer(text) if match.end() > match.start()]


def _unicode_spans(text: str) -> Spans:
    return list(_pieces(text))


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """The stretches between the word breaks of Unicode that are not white space."""
    from icu4py.breakers import WordBreaker

    end = 0
    for piece in WordBreaker(text, "root"):  # its pieces; its offsets count UTF-16 units
        begin, end = end, end + len(piece)
        if not piece.isspace():
            yield begin, end


def _icu_version() -> str:
    try:
        import icu4py
    except ImportError as error:
        raise MissingDependencyError(
            "words='unicode' needs icu4py, which is not installed; install it with: pip install 'seqscore[words]'"
        ) from error
    return str(icu4py.icu_version)
