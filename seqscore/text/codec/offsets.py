"""Byte spans from a tokenizer's character offsets, which are checked and never taken on trust.

Byte-level tokenizers give several tokens the offsets of one character, trim white space, and lose characters that a
normaliser composes. So tokens with overlapping offsets form a group; a group's bytes are divided among its tokens by
the tokens' own bytes where these join to the text, and a group of one token is compared with its text up to case,
compatibility forms, combining marks and white space.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqscore.text.codec.spans import Spans, byte_positions, joined_spans

Ints = NDArray[np.int64]

_UNSEEN = frozenset({"Mn", "Cc", "Cf"})
"""Unicode categories that normalisers drop: combining marks, control and format characters."""


def offset_spans(
    data: bytes, offsets: Sequence[tuple[int, int]], pieces: Sequence[bytes | None], *, marker: bytes | None = None
) -> Spans:
    """Spans of tokens with character offsets.

    Args:
        data: the text in UTF-8.
        offsets: [n] first character and the one after the last, of each token.
        pieces: [n] bytes of each token; None for the unknown token, which may stand for anything.
        marker: the character that the vocabulary writes for a space.
    """
    begins, ends, exact = _in_order(byte_positions(data), offsets)
    firsts = np.flatnonzero(np.append(True, begins[1:] >= ends[:-1]))
    lasts = np.append(firsts[1:], len(pieces)) - 1
    core_begins, core_ends = begins[firsts], ends[lasts]
    cuts, settled = _share_gaps(data, core_begins, core_ends)
    exact = exact and settled
    lengths: list[int] = []
    for first, last, cut, begin, end, after in zip(
        firsts.tolist(), lasts.tolist(), cuts[:-1], core_begins.tolist(), core_ends.tolist(), cuts[1:], strict=True
    ):
        group = pieces[first : last + 1]
        if len(group) == 1:
            lengths.append(after - cut)
            exact = exact and stands_for(group[0], data[cut:after], marker)
        else:
            shares, settled = _divide(group, data[cut:begin], data[begin:end], data[end:after], marker)
            lengths += shares
            exact = exact and settled
    return Spans(np.append(0, np.cumsum(np.array(lengths, dtype=np.int64))), exact)


def _in_order(positions: Ints, offsets: Sequence[tuple[int, int]]) -> tuple[Ints, Ints, bool]:
    """Byte offsets that never go back, and whether they were so from the start."""
    characters = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    inside = np.clip(characters, 0, len(positions) - 1)
    begins, ends = positions[inside[:, 0]], positions[inside[:, 1]]
    ordered_ends = np.maximum.accumulate(np.maximum(begins, ends))
    ordered_begins = np.maximum.accumulate(begins)
    unchanged = (characters == inside).all() and (ends == ordered_ends).all() and (begins == ordered_begins).all()
    return ordered_begins, ordered_ends, bool(unchanged)


def _share_gaps(data: bytes, begins: Ints, ends: Ints) -> tuple[list[int], bool]:
    """[groups + 1] where each group's bytes begin, with the characters between groups shared out.

    Also says whether only white space and combining marks stood there.
    """
    cuts = [0, *ends[:-1].tolist(), len(data)]
    front, tail = data[: begins[0]].decode(), data[ends[-1] :].decode()
    exact = not front.strip() and _leftward(tail)[1]
    for index in np.flatnonzero(begins[1:] > ends[:-1]).tolist():
        gap = data[ends[index] : begins[index + 1]]
        if gap != b" ":
            size, settled = _leftward(gap.decode())
            cuts[index + 1] += size
            exact = exact and settled
    return cuts, exact


def _leftward(gap: str) -> tuple[int, bool]:
    """Bytes of a dropped stretch that belong to the token before it, and whether the rules settle that."""
    count = 0
    while count < len(gap) and unicodedata.category(gap[count]).startswith("M"):
        count += 1
    settled = not gap[count:].strip()
    while not settled and count < len(gap) and not gap[count].isspace():
        count += 1
    return len(gap[:count].encode()), settled


def _divide(
    group: Sequence[bytes | None], lead: bytes, core: bytes, trail: bytes, marker: bytes | None
) -> tuple[list[int], bool]:
    """Bytes for each token of a group that shares ``lead + core + trail``, and whether they are settled."""
    known = [piece for piece in group if piece is not None]
    if len(known) == len(group):
        for first, last, target in ((0, 0, lead + core + trail), (len(lead), len(trail), core)):
            spans = joined_spans(known, target, marker=marker)
            if spans is not None:
                shares: list[int] = np.diff(spans.bounds).tolist()
                shares[0] += first
                shares[-1] += last
                return shares, True
    # A dummy space in front stands for nothing: if one token is left beside it, the bytes are that token's.
    alive = [index for index, piece in enumerate(group) if piece is None or piece.strip(b" ")]
    owner = alive[0] if alive else 0
    whole = lead + core + trail
    settled = alive == [1] and len(group) == 2 and stands_for(group[1], whole, marker)
    return [len(whole) if index == owner else 0 for index in range(len(group))], settled


def stands_for(piece: bytes | None, data: bytes, marker: bytes | None = None) -> bool:
    """Whether a token can be what a normaliser and a tokenizer make of these bytes."""
    if piece is None:
        return bool(data)
    if piece == data or (piece == b" " and not data):
        return True
    if marker:
        data = data.replace(marker, b" ")
    try:
        written, text = piece.decode(), data.decode()
    except UnicodeDecodeError:
        return False
    one, other = _folded(written), _folded(text)
    return one == other if one or other else written.isspace() and text.isspace()


def _folded(text: str) -> str:
    """A text without case, compatibility forms, combining marks, control characters and white space."""
    if text.isascii() and text.isprintable():
        return text.lower().replace(" ", "")
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) not in _UNSEEN)
