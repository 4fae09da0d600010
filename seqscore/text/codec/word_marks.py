"""How the tokens of a vocabulary mark where words begin and end.

| marks | tokenizers | what says that a word is over |
|---|---|---|
| ``begin`` | GPT-2, SentencePiece, bytes | the next token begins with white space |
| ``continue`` | WordPiece (``##``) | the next token is not marked as one that continues a word |
| ``end`` | the first GPT (``</w>``) | its last token is marked as one that ends a word |

In the first two it is known with the token behind a word only: the probability of a word has as a factor that of all
tokens that may stand there. The names are those of Pimentel and Meister (2024), "How to compute the probability of a
word".
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Marks: TypeAlias = Literal["begin", "continue", "end"]
"""What a vocabulary marks."""

WordBreak: TypeAlias = Literal["space", "punctuation"]
"""What ends a word: white space; or punctuation as well."""

INSIDE, SPACE, PUNCTUATION, SPECIAL, NOTHING = range(5)
"""What a token is in the middle of a text: it goes on with a word; begins with white space (or begins a word, where
the vocabulary has no white space); begins with punctuation; is a special token, which stands for no text; or there is
no such token."""

_BEGINS: dict[WordBreak, tuple[int, ...]] = {
    "space": (SPACE, SPECIAL),
    "punctuation": (SPACE, PUNCTUATION, SPECIAL),
}


@dataclass(frozen=True, slots=True, eq=False)
class WordMarks:
    """What the tokens of a vocabulary say about words.

    Shape: ``kinds`` [V], int8, see ``INSIDE`` and those beside it; ``ends`` [V], bool: the token ends a word.
    ``marks``: None where nothing tells words apart.
    """

    marks: Marks | None
    kinds: NDArray[np.int8]
    ends: NDArray[np.bool_]

    def begins(self, word_break: WordBreak) -> NDArray[np.int64]:
        """Ids, ascending, of the tokens that may stand behind a whole word: those that begin a new one, and special
        tokens, with which the text is over. A token that holds only a part of its first character goes on with the
        word. So does the unknown token of a tokenizer that may give it for a text; where none can be given (bytes stand
        for what is unknown) it is a special token like others."""
        return np.flatnonzero(np.isin(self.kinds, _BEGINS[word_break]))

    def is_begin(self, number: int, word_break: WordBreak) -> bool:
        """Whether a token is one of ``begins``."""
        return int(self.kinds[number]) in _BEGINS[word_break]

    def is_unspaced(self, number: int) -> bool:
        """Whether a token is one of ``unspaced``."""
        return int(self.kinds[number]) not in (self._barred, NOTHING)

    def unspaced(self) -> NDArray[np.int64]:
        """Ids, ascending, of the tokens that may stand first where no white space is to come any more, as at the
        beginning of a text: all but those that begin with it (of WordPiece all that do not continue a word)."""
        return np.flatnonzero((self.kinds != self._barred) & (self.kinds != NOTHING))

    @property
    def _barred(self) -> int:
        return SPACE if self.marks == "begin" else INSIDE


def word_marks(
    pieces: Iterable[bytes | None],
    *,
    special: Iterable[int],
    unknown: int | None,
    continues: Callable[[int], bool] | None,
    ends: Callable[[int], bool] | None,
) -> WordMarks:
    """What a vocabulary marks, from the bytes that its tokens add to a text.

    Args:
        pieces: of each id; None where there is no token.
        special: ids of special tokens.
        unknown: the id of the unknown token, None where the tokenizer gives it for no text.
        continues: whether a token is marked as one that continues a word; None where the vocabulary has no such mark.
        ends: whether a token is marked as one that ends a word; None where the vocabulary has no such mark.
    """
    kinds = np.array([_kind(piece) for piece in pieces], dtype=np.int8)
    inside = np.zeros(len(kinds), np.bool_)
    if continues is not None:
        inside = np.fromiter(map(continues, range(len(kinds))), np.bool_, len(kinds))
        kinds[(kinds == INSIDE) & ~inside] = SPACE
        kinds[inside & (kinds != NOTHING)] = INSIDE
    spaced = bool((kinds == SPACE).any())
    kinds[[number for number in special if number < len(kinds)]] = SPECIAL
    if unknown is not None and unknown < len(kinds):
        kinds[unknown] = SPACE if continues is not None else INSIDE  # WordPiece's stands for a whole word
    last = np.zeros(len(kinds), np.bool_)
    if ends is not None:
        last = np.fromiter(map(ends, range(len(kinds))), np.bool_, len(kinds))
    for array in (kinds, last):
        array.flags.writeable = False
    marks: Marks | None = "end" if ends is not None else "continue" if continues is not None else "begin"
    return WordMarks(marks if spaced or marks == "end" else None, kinds, last)


def _kind(piece: bytes | None) -> int:
    if piece is None:
        return NOTHING
    character = _first_character(piece[:4])
    if character is None:
        return INSIDE
    if character.isspace():
        return SPACE
    return PUNCTUATION if is_punctuation(character) else INSIDE


@lru_cache(maxsize=1 << 16)
def _first_character(head: bytes) -> str | None:
    """The first character of some bytes; None where they do not hold all of it."""
    width = 1 if head[:1] < b"\x80" else 2 if head[:1] < b"\xe0" else 3 if head[:1] < b"\xf0" else 4
    try:
        return head[:width].decode("utf-8") or None
    except UnicodeDecodeError:
        return None


def is_punctuation(character: str) -> bool:
    """ASCII's punctuation and symbols, and whatever Unicode calls punctuation (categories P)."""
    return character in string.punctuation or unicodedata.category(character).startswith("P")
