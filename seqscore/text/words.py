"""Words of a text, as runs of tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A word (a run of characters that are not white space) and the tokens that hold it.

    ``begin`` and ``end`` are byte offsets of the word without the white space around it; ``first_token`` and
    ``last_token`` (exclusive) index tokens. White space belongs to the word that follows it. Words that share a token
    form one unit, which then holds the white space between them.
    """

    text: str
    begin: int
    end: int
    first_token: int
    last_token: int


def word_spans(text: str, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[WordSpan, ...]:
    """Words of ``text`` with the tokens of each; every token with bytes belongs to exactly one word.

    Shape: ``starts``, ``ends`` [n], byte offsets, in order, covering the text. White space behind the last word
    belongs to it. A text of white space alone has no words.
    """
    words = _byte_words(text)
    if not words or not len(ends):
        return ()
    # Token i belongs to the first word that ends at or behind its end: leading white space goes with what follows.
    word_ends = np.array([end for _, end in words])
    owner = np.minimum(np.searchsorted(word_ends, ends, side="left"), len(words) - 1)
    first_word = np.minimum(np.searchsorted(word_ends, starts, side="right"), owner)
    return tuple(_units(text.encode(), words, first_word.tolist(), owner.tolist()))


def word_spans_of_two(
    first: str, second: str, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[WordSpan, ...]:
    """Words of two texts that are written one behind the other, none of which reaches from one into the other.

    Shape: ``starts``, ``ends`` [n], byte offsets into ``first + second``.
    """
    cut = len(first.encode())
    n = int(np.searchsorted(ends, cut, side="right"))
    behind = word_spans(second, starts[n:] - cut, ends[n:] - cut)
    return (
        *word_spans(first, starts[:n], ends[:n]),
        *(
            WordSpan(one.text, one.begin + cut, one.end + cut, one.first_token + n, one.last_token + n)
            for one in behind
        ),
    )


def _byte_words(text: str) -> list[tuple[int, int]]:
    """Byte offsets of the words."""
    words, char, byte = [], 0, 0
    for match in _WORD.finditer(text):
        begin = byte + len(text[char : match.start()].encode())
        end = begin + len(match.group().encode())
        words.append((begin, end))
        char, byte = match.end(), end
    return words


def _units(data: bytes, words: list[tuple[int, int]], first_word: list[int], last_word: list[int]) -> list[WordSpan]:
    units: list[WordSpan] = []
    token, n = 0, len(last_word)
    while token < n:
        word_from, word_to, begin_token = first_word[token], last_word[token], token
        token += 1
        while token < n and first_word[token] <= word_to:
            word_to = max(word_to, last_word[token])
            token += 1
        begin, end = words[word_from][0], words[word_to][1]
        units.append(WordSpan(data[begin:end].decode("utf-8"), begin, end, begin_token, token))
    return units
