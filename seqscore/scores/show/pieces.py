"""A text cut into what can be shown: tokens, those that share a character together, with their surprisal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seqscore.scores.show.surprisal_scale import character_pieces


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens ``first`` to ``last`` (not included), which are whole characters together. ``bits``: the sum of their
    surprisals, None where one of them is not scored."""

    text: str
    first: int
    last: int
    bits: float | None


def pieces_of(data: bytes, starts: Sequence[int], ends: Sequence[int], logprobs: Sequence[float]) -> Iterator[Piece]:
    """The pieces of a UTF-8 text; ``logprobs`` in nats, NaN where not scored."""
    for first, last, begin, end in character_pieces(data, starts, ends):
        bits = -math.fsum(logprobs[first:last]) / math.log(2) + 0.0
        text = data[begin:end].decode("utf-8", "backslashreplace")
        yield Piece(text, first, last, None if bits != bits else bits)
