"""Which bytes of a text each token stands for.

Three ways, from the surest down. Spans always run through the text in order and cover its bytes:
``starts[0] == 0``, ``starts[i + 1] == ends[i]``, ``ends[-1] == number of bytes``.

1. :func:`joined_spans`: the tokens' bytes, one after the other, are the text's bytes. Exact, also inside a character.
2. :func:`seqscore.text.offsets.offset_spans`: the tokenizer's character offsets, each token compared with its text.
3. :func:`decoded_spans`: what decoding gains with each further token, compared with the text.

``exact`` is False where the comparison does not settle a token boundary. Two rules make a split unique: white space
that a tokenizer drops belongs to the token that follows (at the end of the text, to the last one), and combining
marks that it drops belong to the token before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spans", "byte_positions", "decoded_spans", "joined_spans", "last_token_spans"]

Ints = NDArray[np.int64]

_LONGEST_HOLD = 16
"""Tokens that may wait for the one that completes their character: no character takes more than a few."""


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Byte spans of n tokens.

    Shape: ``bounds`` [n + 1], int64, from 0 to the number of bytes; token i spans ``bounds[i]`` to ``bounds[i + 1]``.
    """

    bounds: Ints
    exact: bool


def joined_spans(pieces: Sequence[bytes], data: bytes, *, marker: bytes | None = None) -> Spans | None:
    """Spans of tokens whose bytes join to the text's: ``bounds = cumsum(len(piece))``; None where they do not.

    One space in front that the text has not (``add_prefix_space``, Llama's dummy prefix) takes no bytes. With a
    ``marker``, the character that the vocabulary writes for a space, the text may hold either of the two.
    """
    marked = marker is not None and marker in data
    view = data.replace(marker, b" ") if marked and marker else data
    joined = b"".join(pieces)
    if joined == view:
        shift = 0
    elif len(joined) == len(view) + 1 and joined.startswith(b" ") and joined.endswith(view):
        shift = 1
    else:
        return None
    bounds = np.zeros(len(pieces) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces)), out=bounds[1:])
    bounds = np.maximum(bounds - shift, 0)
    return Spans(_unview(bounds, data, marker) if marked and marker else bounds, exact=True)


def _unview(bounds: Ints, data: bytes, marker: bytes) -> Ints:
    """Bounds in the text whose markers were written as spaces -> bounds in the text itself."""
    extra = len(marker) - 1
    found: list[int] = []
    at = data.find(marker)
    while at >= 0:
        found.append(at - extra * len(found))
        at = data.find(marker, at + len(marker))
    moved: Ints = bounds + extra * np.searchsorted(np.array(found, dtype=np.int64), bounds, side="left")
    return moved


def byte_positions(data: bytes) -> Ints:
    """[characters + 1], int64: the byte at which each character of a UTF-8 text begins, and the number of bytes."""
    begins = np.flatnonzero((np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80)
    return np.append(begins, len(data)).astype(np.int64)


def last_token_spans(num_tokens: int, num_bytes: int) -> Spans:
    """Spans where nothing is known: the last token stands for the whole text."""
    bounds = np.zeros(num_tokens + 1, dtype=np.int64)
    bounds[-1] = num_bytes
    return Spans(bounds, exact=False)


def decoded_spans(text: str, ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> Spans:
    """Spans from what ``decode`` gains with each further token, compared with the text up to white space.

    Linear in the number of tokens: decoding starts again near each token. Tokens that decode to no whole character
    wait, with an empty span, for the one that completes it. From the first token that does not fit the text on,
    all is left to the last token.
    """
    ends = np.zeros(len(ids) + 1, dtype=np.int64)
    position, exact = 0, True
    window, read, known = 0, 0, ""
    for index in range(len(ids)):
        whole = decode(ids[window : index + 1])
        gain = whole[len(known) :] if whole.startswith(known) else ""
        after = _advance(text, position, gain)
        if after is None:
            exact = False
            if index - read >= _LONGEST_HOLD:
                ends[index + 1 :] = position
                break
        else:
            position = after
            window, read = read, index + 1
            known = decode(ids[window:read])
        ends[index + 1] = position
    exact = exact and not text[position:].strip()
    ends[-1] = len(text)
    return Spans(byte_positions(text.encode())[ends], exact)


def _advance(text: str, position: int, gain: str) -> int | None:
    """Where in the text the gained characters end; None where they do not stand at this position."""
    if not gain:
        return None
    if text.startswith(gain, position):
        return position + len(gain)
    while position < len(text) and text[position].isspace():
        position += 1
    core = gain.strip()
    return position + len(core) if text.startswith(core, position) else None
