"""Which bytes of a text the tokens stand for that a server reports; checked, never guessed.

A server cuts a text itself, and tells of each token its text, sometimes also the character at which it begins. What it
tells must cover the text: token texts that follow one another in it, or begin where the server says, with whole
characters in their place. A token that holds a part of a character has no text of its own: those that share a
character have it as a whole in the last of them, and the split is marked as not exact.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqscore.models.base import TextValues
from seqscore.models.server.reported import PART, AnswerError, Reported, likely_at, values_of
from seqscore.plan.requests import Values
from seqscore.text.codec.encoder import Encoded
from seqscore.text.codec.spans import byte_positions

_WRITTEN = 1
"""Tokens that a server was allowed to write behind the prompt."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """Characters at which the tokens begin, and the number of characters: [n + 1]; whether that is the only way."""

    bounds: list[int]
    exact: bool


def text_values(text: str, reported: Reported, *, top: int = 0) -> TextValues:
    """What a server says of a text: its tokens, and the values of those that have one, which are all but the first
    where nothing was reported in front of it. ``top``: with so many of the most probable tokens at each place.

    Raises:
        AnswerError: the tokens do not cover the text, or their values are none.
    """
    if reported.texts is None:
        raise AnswerError("the server does not say what its tokens stand for; name their tokenizer (--tokenizer)")
    is_first_unknown = bool(reported.logprobs) and reported.logprobs[0] is None
    for num_start in (0, 1) if is_first_unknown else (0,):
        own = reported.from_token(num_start)
        cut = _cut(text, own)
        if cut is not None:
            return _put_together(text, own, cut, first=int(is_first_unknown and num_start == 0), top=top)
    some = "".join(reported.texts)[:60]
    raise AnswerError(
        f"the tokens that the server reports ({some!r} ...) do not cover the text ({text[:60]!r} ...): it reads it "
        f"in another form, as special tokens, or names its tokens in a way that loses spaces; name the model's "
        f"tokenizer (--tokenizer), where the server takes token ids"
    )


def no_text(top: int = 0) -> TextValues:
    """Of an empty text, which no server is asked for."""
    none = np.zeros(0, np.int64)
    nothing = values_of(Reported(logprobs=[]), 0, 0, top=top)
    values = Values(logprobs=nothing.logprobs, top_ids=nothing.top_ids, top_logprobs=nothing.top_logprobs)
    return TextValues(Encoded("", none, none, none, exact=True), values, top_texts=() if top else None)


def _put_together(text: str, own: Reported, cut: _Cut, *, first: int, top: int) -> TextValues:
    count = len(cut.bounds) - 1
    bounds = byte_positions(text.encode())[np.array(cut.bounds, np.int64)]
    encoded = Encoded(text, _ids(own, count), bounds[:-1], bounds[1:], exact=cut.exact)
    likely = likely_at(own, first, count, top=top)
    texts = [tuple(one.text or "" for one in place) for place in likely] if top else None
    return TextValues(encoded, values_of(own, first, count, top=top), first=first, top_texts=texts)


def _ids(own: Reported, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Token ids; of a server that tells none the CRC-32 of what each token stands for, which tells tokens apart."""
    if own.ids is not None:
        return np.array(own.ids[:count], np.int64)
    assert own.texts is not None
    return np.array([zlib.crc32(one.encode("utf-8", "replace")) for one in own.texts[:count]], np.int64)


def _cut(text: str, own: Reported) -> _Cut | None:
    """By what the tokens stand for, else by where they begin; None where neither covers the text."""
    assert own.texts is not None
    texts = list(own.texts)
    shift = int(texts[:1] != [] and texts[0].startswith(" ") and not text.startswith(" "))
    if shift:  # the space that SentencePiece puts in front of a text
        texts[0] = texts[0][1:]
    found = _by_texts(text, texts)
    if found is None and own.offsets is not None:
        begins = [max(0, one - own.offsets[0] - (shift if index else 0)) for index, one in enumerate(own.offsets)]
        found = _by_offsets(text, texts, begins)
    if found is None or not 0 <= len(texts) - (len(found.bounds) - 1) <= _WRITTEN:
        return None
    return found


def _by_texts(text: str, texts: Sequence[str]) -> _Cut | None:
    """Tokens whose texts follow one another."""
    bounds = [0]
    for one in texts:
        if bounds[-1] == len(text):
            break
        if not text.startswith(one, bounds[-1]):
            return None
        bounds.append(bounds[-1] + len(one))
    return _Cut(bounds, exact="" not in texts[: len(bounds) - 1]) if bounds[-1] == len(text) else None


def _by_offsets(text: str, texts: Sequence[str], begins: Sequence[int]) -> _Cut | None:
    """Tokens that begin where the server says; between two places stands the text of the token, or a part of it."""
    count = next((index for index, begin in enumerate(begins) if begin >= len(text)), len(begins))
    bounds = [*begins[:count], len(text)]
    if count == 0 or bounds[0] != 0:
        return None
    exact = True
    for one, begin, end in zip(texts, bounds[:-1], bounds[1:], strict=False):
        if end < begin:
            return None
        if text[begin:end] != one:
            if one.strip(PART):  # whole characters, and others than stand there
                return None
            exact = False
    return _Cut(bounds, exact)
