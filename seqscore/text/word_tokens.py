"""Which tokens make up each word of a text, and which token stands at the border of two words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.text.segmentation import Words

IntArray = NDArray[np.int64]

NO_TOKEN = -1


@dataclass(frozen=True, slots=True, eq=False)
class WordTokens:
    """The tokens of n words: a token belongs to the word in whose part of the text its first byte stands.

    Shape: ``firsts``, ``lasts`` [n]: token indices, the last exclusive; equal where no token begins in a word.
    ``split`` [n]: a token reaches over one of the word's borders. ``borders`` [n + 1]: the token that begins just where
    word k begins, white space in front of it included; last the one behind the last word, the number of tokens where
    the text ends there; ``NO_TOKEN`` where no token begins there.
    """

    firsts: IntArray
    lasts: IntArray
    split: NDArray[np.bool_]
    borders: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class PlacedWords:
    """Words of a stretch of a text, and the bytes of the text at which they stand.

    ``offset``: the byte of the text at which their own text begins; ``begin``: the byte at which the first one's part
    begins, which is earlier where a delimiter stands between.
    """

    words: Words
    text: str
    offset: int = 0
    begin: int = 0

    @property
    def bounds(self) -> IntArray:
        """[n + 1], bytes of the text: the parts of the words."""
        bounds = self.words.bounds + self.offset
        bounds[0] = self.begin
        return bounds

    @property
    def stop(self) -> int:
        """The byte of the text at which the last word is over."""
        return self.words.stop + self.offset


def tokens_of(placed: PlacedWords, starts: IntArray, ends: IntArray, *, first: int = 0) -> WordTokens:
    """The tokens of the words of a text.

    Args:
        placed: the words.
        starts, ends: [t] bytes of the text, in order, of its tokens.
        first: the first token that is no context.
    """
    count, bounds = len(placed.words), placed.bounds
    inner, begins, stops = bounds[1:-1], starts[first:], ends[first:]
    owners = np.searchsorted(inner, begins, side="right")
    last_owners = np.maximum(owners, np.searchsorted(inner, np.maximum(stops - 1, begins), side="right"))
    numbers = np.arange(count)
    firsts = first + np.searchsorted(owners, numbers, side="left")
    lasts = first + np.searchsorted(owners, numbers, side="right")
    split = np.zeros(count, np.bool_)
    for token in np.flatnonzero(last_owners > owners).tolist():
        split[owners[token] : last_owners[token] + 1] = True
    if count and len(begins) and begins[0] < bounds[0]:
        split[0] = True
    borders = np.append(_beginning_at(bounds[:-1], starts), _beginning_at(np.array([placed.stop]), starts))
    if count and placed.stop == bounds[-1]:
        borders[-1] = len(starts)
    borders[borders < first] = NO_TOKEN
    return WordTokens(firsts, lasts, split, borders)


def _beginning_at(places: IntArray, starts: IntArray) -> IntArray:
    """The first token that begins at each of some bytes."""
    found = np.searchsorted(starts, places, side="left")
    there = found < len(starts)
    there[there] = starts[found[there]] == places[there]
    return np.where(there, found, NO_TOKEN)
