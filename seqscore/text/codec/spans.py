"""Which bytes of a text each token stands for.

Ways to find them, from the surest down. Spans always run through the text in order and cover its bytes:
``starts[0] == 0``, ``starts[i + 1] == ends[i]``, ``ends[-1] == number of bytes``.

1. :func:`joined_spans`: the tokens' bytes, one after the other, are the text's bytes. Exact, also inside a character.
   :func:`walked_spans`: they are so up to spaces that the tokenizer dropped or put in.
2. :func:`seqscore.text.codec.offsets.offset_spans`: a tokenizer's character offsets, compared with the text.
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


def walked_spans(pieces: Sequence[bytes], data: bytes, *, marker: bytes | None = None) -> Spans | None:
    """Spans of tokens whose bytes follow one another in the text up to spaces; None where they do not.

    For tokenizers that drop white space, or put a space before some tokens that the text has not (after each special
    token, before each digit). Exact unless such a space follows a space of the text: it could be either.
    """
    view = data.replace(marker, b" ") if marker else data
    bounds = np.zeros(len(pieces) + 1, dtype=np.int64)
    position, exact = 0, True
    for index, piece in enumerate(pieces, start=1):
        if not view.startswith(piece, position):
            if piece.startswith(b" ") and view.startswith(piece[1:], position):
                exact = exact and view[position - 1 : position] != b" "
                piece = piece[1:]
            else:
                piece, begin = piece.lstrip(), position
                while view[position : position + 1].isspace():
                    position += 1
                if begin == position or not piece or not view.startswith(piece, position):
                    return None
        position += len(piece)
        bounds[index] = position
    if view[position:].strip():
        return None
    bounds[-1] = len(view)
    return Spans(_unview(bounds, data, marker) if marker and marker in data else bounds, exact)


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


def replaced_spans(pieces: Sequence[bytes]) -> tuple[str, Spans]:
    """Tokens whose bytes need not be UTF-8, as text: each byte that is no part of a character becomes ``U+FFFD``."""
    escaped = b"".join(pieces).decode("utf-8", "surrogateescape")
    codes = np.frombuffer(escaped.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    stray = (codes >= 0xDC80) & (codes <= 0xDCFF)
    widths = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
    before = np.append(0, np.cumsum(np.where(stray, 1, widths)))
    after = np.append(0, np.cumsum(np.where(stray, 3, widths)))
    bounds = np.append(0, np.cumsum(np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))))
    character = np.searchsorted(before, bounds, side="right") - 1
    text = "".join("\ufffd" if "\udc80" <= c <= "\udcff" else c for c in escaped)
    return text, Spans(after[character] + bounds - before[character], exact=not stray.any())


def decoded_spans(
    text: str, ids: Sequence[int], decode: Callable[[Sequence[int]], str], *, unknown: int | None = None
) -> Spans:
    """Spans from what ``decode`` gains with each further token, compared with the text up to white space.

    Linear in the number of tokens: decoding starts again near each token. Tokens that decode to no whole character
    wait, with an empty span, for the one that completes it. The token ``unknown`` stands for what lies before the
    next place where the tokens after it fit. From the first token that fits nowhere on, all is left to the last one.
    """
    bounds = np.zeros(len(ids) + 1, dtype=np.int64)
    position, exact, anywhere = 0, True, False
    window, read, known = 0, 0, ""
    for index, token_id in enumerate(ids):
        whole = decode(ids[window : index + 1])
        gain = whole[len(known) :] if whole.startswith(known) else ""
        if token_id == unknown:
            place: tuple[int, int] | None = (position, position)
            exact, anywhere = False, True
        else:
            place = _place(text, position, gain, anywhere=anywhere)
        if place is not None:
            bounds[read : index + 1], position = place
            anywhere = token_id == unknown
            window, read = read, index + 1
            known = decode(ids[window:read])
        bounds[index + 1] = position
        exact = exact and place is not None
        if index - read >= _LONGEST_HOLD:
            bounds[index + 1 :] = position
            break
    exact = exact and not text[position:].strip()
    bounds[-1] = len(text)
    return Spans(byte_positions(text.encode())[bounds], exact)


def _place(text: str, position: int, gain: str, *, anywhere: bool) -> tuple[int, int] | None:
    """Where the gained characters stand in the text, from ``position`` on; None where they do not stand there."""
    core = gain.strip()
    if not gain:
        return None
    if anywhere:
        found = text.find(core or gain, position)
        return None if found < 0 else (position + len(text[position:found].rstrip()), found + len(core or gain))
    if text.startswith(gain, position):
        return position, position + len(gain)
    begin = position
    while begin < len(text) and text[begin].isspace():
        begin += 1
    return (position, begin + len(core)) if text.startswith(core, begin) else None
