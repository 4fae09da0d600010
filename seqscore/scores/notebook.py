"""How a score shows itself in a notebook: its tokens, shaded by surprisal. Everything from the text is escaped."""

from __future__ import annotations

import math
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

from seqscore.scores.pieces import Piece, pieces_of_score
from seqscore.scores.shades import INKS, LABELS, SHADES, shade_of

if TYPE_CHECKING:
    from seqscore.scores.sequence import SequenceScore

__all__ = ["sequence_html"]

_MAX_PIECES = 2000


def sequence_html(score: SequenceScore) -> str:
    """An HTML fragment: the sums in one line, the tokens, the darker the more surprising, and what the shades mean."""
    perplexity = "not defined" if score.perplexity is None else f"{score.perplexity:.6g}"
    head = (
        f"<div>log-likelihood <b>{score.log_likelihood:.6g}</b> nats, perplexity <b>{perplexity}</b>, "
        f"{score.num_scored} of {score.num_tokens} tokens scored</div>"
    )
    pieces = list(islice(pieces_of_score(score), _MAX_PIECES))
    if not pieces:
        return head
    rest = score.num_tokens - pieces[-1].last
    more = f"<div>and {rest:,} more tokens</div>" if rest else ""
    shown = "".join(_piece(piece, score) for piece in pieces)
    return f'{head}<div style="line-height:1.9;white-space:pre-wrap" dir="auto">{shown}</div>{more}{_legend()}'


def _piece(piece: Piece, score: SequenceScore) -> str:
    if piece.bits is None:
        return f'<span style="opacity:.6" title="not scored">{escape(piece.text)}</span>'
    title = escape("; ".join(_about(score, token) for token in range(piece.first, piece.last)))
    return f'<span style="{_style(shade_of(piece.bits))}" title="{title}">{escape(piece.text)}</span>'


def _about(score: SequenceScore, token: int) -> str:
    """What is known of a token: surprisal, probability, and rank and entropy where they were asked for."""
    logprob = float(score.logprobs[token])
    words = [f"{-logprob / math.log(2) + 0.0:.3f} bits", f"p = {math.exp(logprob):.4g}"]
    if score.ranks is not None:
        words.append(f"rank {int(score.ranks[token])}")
    if score.entropies is not None:
        words.append(f"entropy {float(score.entropies[token]):.3f} nats")
    return ", ".join(words)


def _legend() -> str:
    shades = " ".join(f'<span style="{_style(i)};padding:0 .4em">{label}</span>' for i, label in enumerate(LABELS))
    return f'<div style="font-size:85%">surprisal [bits]: {shades}</div>'


def _style(shade: int) -> str:
    return f"background:{SHADES[shade]};color:{INKS[shade]}"
