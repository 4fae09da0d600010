"""What a reader of a score should know besides its numbers."""

from __future__ import annotations

from seqscore.scores.sequence_score import SequenceScore

GIVEN_ALL_OTHERS = (
    "each token was given all others of its text: log p is a pseudo-log-likelihood and a perplexity a "
    "pseudo-perplexity, not to be compared with a causal model's"
)
"""What the numbers of a masked model are."""


def notes(score: SequenceScore) -> list[tuple[str, str]]:
    """Pairs (note, detail): the note is the same for all scores that it concerns, the detail ("3") may be empty."""
    found: list[tuple[str, str]] = []
    if score.perplexity_name != "perplexity":
        found.append((GIVEN_ALL_OTHERS, ""))
    if score.num_windows > 1:
        found.append(
            (
                "longer than the model's context, scored in as many overlapping windows as stands in parentheses",
                str(score.num_windows),
            )
        )
    if score.num_cut:
        found.append(
            (
                "longer than the model's context, as many tokens as stands in parentheses were cut off",
                str(score.num_cut),
            )
        )
    if score.num_unread:
        found.append(
            (
                "longer than the model's context, as many of the first tokens as stands in parentheses were not read",
                str(score.num_unread),
            )
        )
    if score.boundary == "spanned":
        found.append(("context and text have other tokens together than apart; split as the context's own tokens", ""))
    if score.boundary == "shifted":
        found.append(("white space at the end of the context was scored with the text", ""))
    if score.runs_together:
        found.append(
            ("context and text meet in the middle of a word; give the text its leading space if it needs one", "")
        )
    if score.boundary == "apart":
        found.append(("a token would reach from the context into the text, so the two were tokenised apart", ""))
    if score.boundary == "healed":
        found.append(("a token reaches from the context into the text, scored given the context's bytes in it", ""))
    if score.boundary == "swallowed":
        found.append(("one token would span the whole boundary, so context and text were tokenised apart", ""))
    if score.num_unknown:
        found.append(
            (
                "as many of the scored tokens as stands in parentheses are the tokenizer's unknown token, which may "
                "stand for any text",
                str(score.num_unknown),
            )
        )
    elif not score.exact_spans:
        found.append(("the tokenizer changes the text, so the bytes given for some tokens are approximate", ""))
    if score.num_tokens == 0:
        found.append(("empty text, log-likelihood 0 by definition and no perplexity", ""))
    elif score.num_scored == 0:
        found.append(("no token has a log-probability, so there is no perplexity", ""))
    return found
