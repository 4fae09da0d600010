"""How a score shows itself in a notebook: its tokens, shaded by surprisal. Everything from the text is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqscore.scores.sequence import SequenceScore

__all__ = ["sequence_html"]

_FULL_SHADE_BITS = 16.0
_MAX_TOKENS = 2000


def sequence_html(score: SequenceScore) -> str:
    """An HTML fragment: the sums in one line, and below it the tokens, the darker the more surprising."""
    perplexity = "not defined" if score.perplexity is None else f"{score.perplexity:.6g}"
    head = (
        f"<div>log-likelihood <b>{score.log_likelihood:.6g}</b> nats, perplexity <b>{perplexity}</b>, "
        f"{score.num_scored} of {score.num_tokens} tokens scored</div>"
    )
    pieces = list(islice(_pieces(score), _MAX_TOKENS))
    shown = [_piece(text, bits) for text, _, bits in pieces]
    rest = score.num_tokens - sum(count for _, count, _ in pieces)
    more = f"<div>and {rest} more tokens</div>" if rest else ""
    return f'{head}<div style="line-height:1.9;white-space:pre-wrap" dir="auto">{"".join(shown)}</div>{more}'


def _pieces(score: SequenceScore) -> Iterator[tuple[str, int, float]]:
    """Text, number of tokens and surprisal in bits of each token; tokens that share a character are one piece."""
    data = (score.text or "").encode()
    bits, begin, first = score.surprisals("bits").tolist(), 0, 0
    for i, end in enumerate(score.ends.tolist()):
        if end == len(data) or data[end] & 0xC0 != 0x80:  # no character goes on behind it
            yield data[begin:end].decode("utf-8", "backslashreplace"), i + 1 - first, sum(bits[first : i + 1])
            begin, first = end, i + 1


def _piece(text: str, bits: float) -> str:
    if bits != bits:
        return f'<span style="opacity:.6" title="not scored">{escape(text)}</span>'
    shade = min(1.0, max(0.0, bits / _FULL_SHADE_BITS)) * 0.75
    return f'<span style="background:rgba(213,94,0,{shade:.2f})" title="{bits:.3f} bits">{escape(text)}</span>'
