"""The tokens that a text has in the middle of a longer one.

Many tokenizers treat the beginning of a text in a way of its own: they put a space there (SentencePiece, GPT-2 with
``add_prefix_space``), or give a word another token there than behind a letter (WordPiece's ``##``). What stands behind
a context is no beginning. So the text is encoded behind some neutral character, and its tokens are those behind the
character's own, where the two do not mix. It does not matter which character that is: tokens on the one side of a clean
cut do not depend on the other side.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from string import ascii_letters

import numpy as np

from seqscore.errors import InputError
from seqscore.text.codec.any_encoder import AnyEncoder
from seqscore.text.codec.encoder import Encoded

_BREAKS = ("\n", ".", "(", "-", "!", "\u3002", "\u2014")
_LETTERS = tuple(ascii_letters)


def encode_inside(encoder: AnyEncoder, text: str, *, behind: str) -> Encoded:
    """The tokens of ``text`` behind ``behind``, which is not encoded itself.

    Where the vocabulary marks tokens that continue a word, it matters whether ``behind`` ends in a letter or digit.

    Raises:
        InputError: no character was found behind which the text keeps tokens of its own, and alone it gets a space.
    """
    alone = encoder.encode(text)
    if encoder.is_verbatim(alone.ids, text) and not encoder.marks_continued_words:
        return alone
    for front in _fronts(encoder, behind, text):
        found = _behind(encoder, front, text)
        if found is not None:
            return found
    if not encoder.adds_space(alone.ids, text):
        return alone  # whole words, or a word that is unknown wherever it stands
    raise InputError(
        f"the continuation {text[:40]!r} cannot be tokenised apart from what stands before it: this tokenizer changes "
        f"the beginning of a text, and no character was found behind which it does not"
    )


def _fronts(encoder: AnyEncoder, behind: str, text: str) -> Iterator[str]:
    """Characters to try. Where tokens that continue a word are marked, the one that stands there comes first; then,
    where a word goes on, only letters: behind anything else it would begin anew."""
    if not encoder.marks_continued_words:
        yield from (*_BREAKS, *_LETTERS)
        return
    if behind and not behind[-1].isspace():
        yield behind[-1]
    yield from _LETTERS if _is_of_a_word(behind[-1:]) and _is_of_a_word(text[:1]) else _BREAKS


def _is_of_a_word(character: str) -> bool:
    """Whether tokenizers that split at white space and punctuation leave a character in its word: letters, digits,
    marks, and symbols that are not ASCII (emoji)."""
    if character.isascii():
        return character.isalnum()
    return unicodedata.category(character)[0] in "LMNS"


def _behind(encoder: AnyEncoder, front: str, text: str) -> Encoded | None:
    """The tokens of ``text`` behind ``front``; None where the two mix, or where that cannot be told."""
    whole, size = encoder.encode(front + text), len(front.encode("utf-8"))
    cut = int(np.searchsorted(whole.starts, size))
    at_boundary = whole.exact and cut < len(whole.ids) and int(whole.starts[cut]) == size
    if not (at_boundary and encoder.is_verbatim(whole.ids[cut:], text)):
        own = encoder.encode(front).ids
        cut = len(own)
        known = encoder.unknown is None or encoder.unknown not in own
        if not cut or not np.array_equal(whole.ids[:cut], own):
            return None
        if not known and not (whole.exact and cut < len(whole.ids) and int(whole.starts[cut]) == size):
            return None  # the unknown token may stand for more than the character
    starts, ends = (np.maximum(side[cut:] - size, 0) for side in (whole.starts, whole.ends))
    exact = whole.exact and (not len(starts) or int(whole.starts[cut]) == size)
    starts[:1] = 0
    return Encoded(text=text, ids=whole.ids[cut:], starts=starts, ends=ends, exact=exact)
