"""What a score is made of: tokens, words, turns, and these as parts of a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqscore.files import plain
from seqscore.scores.reductions import Unit, in_unit, perplexity


@dataclass(frozen=True, slots=True)
class TopToken:
    """One of the most probable tokens at a place: its id (None where it is not known), its text, log p in nats."""

    id: int | None
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenScore:
    """One token of a scored sequence. ``logprob`` and ``entropy`` are in nats; None where not scored or not asked for.

    ``start`` and ``end`` are byte offsets into the UTF-8 text. ``rank`` is 1 + the number of strictly greater logits.
    ``top``: the most probable tokens at its place, where they were asked for.
    """

    id: int
    text: str
    start: int
    end: int
    logprob: float | None
    rank: int | None
    entropy: float | None
    is_greedy: bool | None
    top: tuple[TopToken, ...] | None = None


@dataclass(frozen=True, slots=True)
class WordScore:
    """A word and the log-likelihood of its tokens, in nats; None where one of them is not scored."""

    text: str
    start: int
    end: int
    first_token: int
    last_token: int
    log_likelihood: float | None


@dataclass(frozen=True, slots=True)
class TurnScore:
    """A scored turn of a conversation: the index of its message, its text as the template wrote it, its bytes in the
    rendered text, and the log-likelihood of its tokens given everything before, in nats; None where one was cut."""

    message: int
    text: str
    start: int
    end: int
    first_token: int
    last_token: int
    log_likelihood: float | None

    @property
    def num_tokens(self) -> int:
        """Tokens of the turn."""
        return self.last_token - self.first_token

    @property
    def perplexity(self) -> float | None:
        """exp(-log_likelihood / num_tokens)."""
        return None if self.log_likelihood is None else perplexity(self.log_likelihood, self.num_tokens)


def turn_dict(turn: TurnScore, unit: Unit) -> dict[str, Any]:
    """A turn in a record."""
    return {
        "message": turn.message,
        "text": turn.text,
        "start": turn.start,
        "end": turn.end,
        "num_tokens": turn.num_tokens,
        "log_likelihood": None if turn.log_likelihood is None else plain(in_unit(turn.log_likelihood, unit)),
        "perplexity": plain(turn.perplexity),
    }


def token_dict(token: TokenScore, unit: Unit, *, lists_top: bool) -> dict[str, Any]:
    """A token in a record; with ``lists_top`` the most probable ones at its place too, null where it is not scored."""
    record = {
        "id": token.id,
        "text": token.text,
        "start": token.start,
        "end": token.end,
        "logprob": None if token.logprob is None else plain(in_unit(token.logprob, unit)),
        "rank": token.rank,
        "entropy": None if token.entropy is None else plain(in_unit(token.entropy, unit)),
        "is_greedy": token.is_greedy,
    }
    if lists_top:
        record["top"] = None if token.top is None else [_top_dict(one, unit) for one in token.top]
    return record


def _top_dict(one: TopToken, unit: Unit) -> dict[str, Any]:
    return {"id": one.id, "text": one.text, "logprob": plain(in_unit(one.logprob, unit))}
