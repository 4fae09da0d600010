"""How a score shows itself in a notebook: its tokens, shaded by surprisal. Everything from the text is escaped."""

from __future__ import annotations

from html import escape
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
    bits = score.surprisals("bits").tolist()
    shown = [_token(text, surprisal) for text, surprisal in zip(score.token_texts, bits, strict=True)][:_MAX_TOKENS]
    rest = score.num_tokens - len(shown)
    more = f"<div>and {rest} more tokens</div>" if rest else ""
    return f'{head}<div style="line-height:1.9;white-space:pre-wrap" dir="auto">{"".join(shown)}</div>{more}'


def _token(text: str, bits: float) -> str:
    if bits != bits:
        return f'<span style="opacity:.6" title="not scored">{escape(text)}</span>'
    shade = min(1.0, max(0.0, bits / _FULL_SHADE_BITS)) * 0.75
    return f'<span style="background:rgba(213,94,0,{shade:.2f})" title="{bits:.3f} bits">{escape(text)}</span>'
