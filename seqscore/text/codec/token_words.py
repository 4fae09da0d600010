"""Which word of a text each of its tokens belongs to, as the tokenizer itself cuts words before it cuts tokens.

That is what Kauf and Ivanova (2023) mask by, and what tools take from a tokenizer's ``word_ids``: in ``don't sit.``
RoBERTa's has ``don``, ``'t``, `` sit``, ``.``, and BERT's ``don``, ``'``, ``t``, ``sit``, ``.``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqscore.text.codec.word_marks import INSIDE, SPECIAL, WordMarks

IntArray = NDArray[np.int64]


def words_by_text(words: Sequence[int], cut: tuple[IntArray, IntArray], ids: IntArray, starts: IntArray) -> IntArray:
    """[n], ascending: the word in which each token's first byte stands.

    Args:
        words: [m], ascending: the word of each token that the text has by itself.
        cut: [m] each: ids of these tokens, and the bytes at which they begin.
        ids: [n], the tokens at hand, which a context may have cut otherwise.
        starts: [n], the bytes at which they begin.
    """
    numbers, (own_ids, own_starts) = np.array(words, np.int64), cut
    if np.array_equal(own_ids, ids):
        return numbers
    firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
    return np.searchsorted(own_starts[firsts], starts, side="right")


def words_by_marks(marks: WordMarks, ids: IntArray) -> IntArray:
    """[n], ascending: a word begins with a token that is marked so or begins with white space or punctuation, and
    behind one that ends a word; a special token is a word of its own."""
    kinds = marks.kinds[ids]
    begins = np.isin(ids, marks.begins("punctuation"))
    if marks.marks == "end":
        begins = kinds != INSIDE
        begins[1:] |= marks.ends[ids[:-1]]
    begins[1:] |= kinds[:-1] == SPECIAL
    return np.cumsum(begins)
