"""One scale for surprisal, wherever tokens are coloured: on the terminal, in notebooks, figures and pages."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence

BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Bits at which the next colour begins: each is twice as surprising as the one before, p = 1/2, 1/4, 1/16, 1/256 ..."""

COLOURS = ("#fff5eb", "#fee0c0", "#fdbb7c", "#fb8d3d", "#c94a02", "#7a2503")
"""From white to dark orange: one hue, each darker than the one before, so that they read in grey and by everyone."""

LETTER_COLOURS = ("#16191d", "#16191d", "#16191d", "#16191d", "#ffffff", "#ffffff")
"""Colours of letters on them: a contrast of 4.5 or more."""

LABELS = ("under 1 bit", "1 to 2", "2 to 4", "4 to 8", "8 to 16", "16 and more")


def colour_of(bits: float) -> int:
    """The number of the colour of a surprisal in bits, 0 to 5; infinite surprisal has the last."""
    return bisect.bisect_right(BOUNDS, bits)


def character_pieces(data: bytes, starts: Sequence[int], ends: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
    """Tokens that share a character, together: (first token, one past the last, begin, end) in bytes of ``data``.

    A tokenizer that works on bytes cuts within characters; such tokens can be shown only together.
    """
    first = 0
    for place, end in enumerate(ends):
        whole = end >= len(data) or data[end] & 0xC0 != 0x80  # no character goes on behind it
        apart = place + 1 == len(ends) or starts[place + 1] >= end
        if whole and apart:
            yield first, place + 1, starts[first], end
            first = place + 1
    if first < len(ends):
        yield first, len(ends), starts[first], ends[-1]
