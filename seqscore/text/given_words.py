"""Words that a caller gives: a list of them for a text, as reading-time studies have it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from seqscore.errors import InputError
from seqscore.text.items import Context, Pair
from seqscore.text.segmentation import Spans

_SHOWN = 40


@dataclass(frozen=True, slots=True)
class GivenWords:
    """A text cut into the words that are given: they stand in it in this order, with nothing but white space between.

    White space around a word is the text's, and no part of the word: " keys", "keys " and "keys" are the same word.
    ``text``: None for the words joined by ``joiner``. ``context``, ``delimiter``: what stands before the text, which is
    not scored; as in ``Pair``.

    Raises:
        InputError: no word, one that is no text or white space alone, or a text in which they do not stand so.

    Example:
        >>> from seqscore import GivenWords
        >>> GivenWords(["New York", "slept", "."], text="New York slept.").spans()
        [(0, 8), (9, 14), (14, 15)]
    """

    words: Sequence[str]
    text: str | None = None
    joiner: str = " "
    context: Context | None = None
    delimiter: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.words, str) or not isinstance(self.words, Sequence):
            raise InputError(f"the words must be a list of texts, got {type(self.words).__name__}")
        for number, word in enumerate(self.words, start=1):
            if not isinstance(word, str) or not word.strip():
                raise InputError(f"word {number} is {word!r:.60}; expected a text that is more than white space")
        if not self.words:
            raise InputError("there is no word; give one at least")
        if not isinstance(self.joiner, str) or self.joiner.strip():
            raise InputError(f"joiner={self.joiner!r} must be white space or empty; anything else belongs to a word")

    @property
    def whole_text(self) -> str:
        """The text that the words make up."""
        return self.joiner.join(self.words) if self.text is None else self.text

    def item(self) -> str | Pair:
        """What is scored: the text, or a Pair with its context."""
        if self.context is None:
            return self.whole_text
        return Pair(self.context, self.whole_text, delimiter=self.delimiter)

    def spans(self) -> Spans:
        """First character of each word in the text and the one after its last.

        Raises:
            InputError: the text does not go on with a word where it should; it names the first such word.
        """
        return find_words(self.words, self.whole_text)


def find_words(words: Sequence[str], text: str) -> Spans:
    """Where words stand in a text, one after the other with nothing but white space between; without that around them.

    Raises:
        InputError: the first word that does not stand where it should, and what stands there; or text behind the last.
    """
    spans: list[tuple[int, int]] = []
    place = 0
    for number, word in enumerate((one.strip() for one in words), start=1):
        place = _next_place(text, place)
        if not text.startswith(word, place):
            raise InputError(_not_there(number, word, text, place))
        spans.append((place, place + len(word)))
        place += len(word)
    rest = text[place:].strip()
    if rest:
        raise InputError(f"behind the last word, {words[-1]!r:.60}, the text goes on with {rest[:_SHOWN]!r}")
    return spans


def _next_place(text: str, place: int) -> int:
    """The next character that is no white space."""
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _not_there(number: int, word: str, text: str, place: int) -> str:
    found = text[place : place + max(len(word), _SHOWN)]
    same = unicodedata.normalize("NFC", text[place:]).startswith(unicodedata.normalize("NFC", word))
    hint = (
        " (the same characters in another Unicode normal form: bring text and words to one of them, as NFC)"
        if same
        else ""
    )
    there = f"has {found!r} at character {place}" if found else "has ended"
    return f"word {number}, {word!r:.60}, is not where it should be: the text {there}{hint}"
