"""What must be asked of a model at the borders of words, to know that a word is over where it ends.

For tokenizers that mark where a word begins (Pimentel and Meister 2024; Oh and Schuler 2024),

    p(w | c) = p(tokens of w | c) * P(B | c w) / P(B | c)

B: the tokens that may stand behind a whole word, which are those that begin a word and those that end the text. At the
beginning of a text no white space has to come, and B are there the tokens that do not begin with any. For tokenizers
that mark where a word ends, p(w | c) is that of its tokens, and so are both factors 1.

A border has a factor only where a token begins just there, that token is in B, and the text itself has a border there
(white space; or punctuation, where that is to count). Elsewhere the words on both sides have no corrected value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.text.codec.word_marks import SPECIAL, WordBreak, WordMarks, is_punctuation
from seqscore.text.word_tokens import NO_TOKEN, PlacedWords, WordTokens

Ask: TypeAlias = Literal["begins", "unspaced", "certain", "unmarked"]
"""Of a border: the mass of the tokens that begin a word, of those without white space, 1 (log 0), or nothing."""


@dataclass(frozen=True, slots=True)
class BorderRule:
    """What is asked at borders. ``marks``: of the vocabulary; ``word_break``: what parts words. ``begins_anew``: what
    is scored does not go on with its context, which an encoder reads."""

    marks: WordMarks
    word_break: WordBreak
    begins_anew: bool = False

    def asks(self, placed: PlacedWords, tokens: WordTokens, ids: NDArray[np.int64]) -> list[Ask]:
        """What to ask at each of the n + 1 borders of n words, whose text has the tokens ``ids``."""
        data, bounds = placed.text.encode(), placed.bounds
        places = [*bounds[:-1].tolist(), placed.stop]
        found = zip(tokens.borders.tolist(), places, strict=True)
        asks: list[Ask] = []
        for number, (token, place) in enumerate(found):
            if token == NO_TOKEN or (number and token == tokens.firsts[0]):
                asks.append("unmarked")
            elif number == 0 and self._is_beginning(ids, token, data[max(0, place - 4) : place]):
                asks.append(self._at_beginning(ids, token))
            else:
                asks.append(self._between(ids, token, data[place : place + 4]))
        return asks

    def _is_beginning(self, ids: NDArray[np.int64], token: int, before: bytes) -> bool:
        """Whether no white space has to come in front of the first word; ``before``: the last bytes before it."""
        if self.begins_anew or not before or _is_space(before, -1):
            return True
        return token > 0 and int(self.marks.kinds[ids[token - 1]]) == SPECIAL

    def _at_beginning(self, ids: NDArray[np.int64], token: int) -> Ask:
        """At the first word where white space stands before it, or nothing."""
        if self.marks.marks == "end":
            return "certain"
        if self.marks.marks == "begin" and self.marks.is_begin(int(ids[token]), "space"):
            return "begins"
        return "unspaced" if self.marks.is_unspaced(int(ids[token])) else "unmarked"

    def _between(self, ids: NDArray[np.int64], token: int, behind: bytes) -> Ask:
        """Behind a word; ``behind``: the next bytes of the text, none at its end."""
        if not self._parts(behind):
            return "unmarked"
        if self.marks.marks == "end":
            return "certain" if token > 0 and bool(self.marks.ends[ids[token - 1]]) else "unmarked"
        is_end = token == len(ids)
        return "begins" if is_end or self.marks.is_begin(int(ids[token]), self.word_break) else "unmarked"

    def _parts(self, behind: bytes) -> bool:
        """Whether words are parted in front of these bytes."""
        character = behind.decode("utf-8", "ignore")[:1]
        return not behind or character.isspace() or (self.word_break == "punctuation" and is_punctuation(character))


def _is_space(data: bytes, place: int) -> bool:
    return data.decode("utf-8", "ignore")[place].isspace()
