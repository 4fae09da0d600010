"""How a score shows itself in a notebook: its tokens, coloured by surprisal. Everything from the text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from itertools import islice

from seqscore.scores.show.pieces import Piece
from seqscore.scores.show.surprisal_scale import COLOURS, LABELS, LETTER_COLOURS, colour_of

_MAX_PIECES = 2000


def coloured_html(head: str, pieces: Iterable[Piece], about: Callable[[int], str], *, num_tokens: int) -> str:
    """An HTML fragment: the line ``head``, the tokens, the darker the more surprising, and what the colours mean.

    ``head``: HTML. ``about``: what is said of a token while the pointer is on it.
    """
    shown = list(islice(pieces, _MAX_PIECES))
    line = f"<div>{head}</div>"
    if not shown:
        return line
    rest = num_tokens - shown[-1].last
    more = f"<div>and {rest:,} more tokens</div>" if rest else ""
    tokens = "".join(_piece(piece, about) for piece in shown)
    return f'{line}<div style="line-height:1.9;white-space:pre-wrap" dir="auto">{tokens}</div>{more}{_legend()}'


def _piece(piece: Piece, about: Callable[[int], str]) -> str:
    if piece.bits is None:
        return f'<span style="opacity:.6" title="not scored">{escape(piece.text)}</span>'
    title = escape("; ".join(about(token) for token in range(piece.first, piece.last)))
    return f'<span style="{_style(colour_of(piece.bits))}" title="{title}">{escape(piece.text)}</span>'


def _legend() -> str:
    colours = " ".join(f'<span style="{_style(i)};padding:0 .4em">{label}</span>' for i, label in enumerate(LABELS))
    return f'<div style="font-size:85%">surprisal [bits]: {colours}</div>'


def _style(number: int) -> str:
    return f"background:{COLOURS[number]};color:{LETTER_COLOURS[number]}"
