"""What a server reports of the tokens of a prompt, checked before it is believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import ServerError
from seqscore.plan.requests import Values

T = TypeVar("T")


class Likely(NamedTuple):
    """A token that is probable at a place: its log-probability, and its id or text, or both."""

    logprob: float
    id: int | None
    text: str | None


Top: TypeAlias = Sequence[Likely] | None
"""The most probable tokens of a place, the most probable one first; None where none are told."""

PART = "\ufffd"
"""What servers put in place of a part of a character, where they do not leave it out."""

ABOVE = 1e-4
"""How far above 0 rounding may put a log-probability."""


class AnswerError(ServerError):
    """An answer that is none to what was asked."""

    code = "bad_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The tokens of a prompt as a server reports them, and perhaps those that it wrote behind it.

    Attributes:
        logprobs: nats, [n]; None where the server gives none (at the first token).
        texts: what each token stands for as text, where that is told.
        offsets: the character of the prompt at which each begins, where that is told.
        ids: token ids, where those are told.
        tops: the most probable tokens of each place, where those are told.
        model: the name of the model that answered, where that is told.
    """

    logprobs: Sequence[float | None]
    texts: Sequence[str] | None = None
    offsets: Sequence[int] | None = None
    ids: Sequence[int] | None = None
    tops: Sequence[Top] | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        for name in ("texts", "offsets", "ids", "tops"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.logprobs):
                raise AnswerError(
                    f"the server answers with {len(values)} {name} of {len(self.logprobs)} log-probabilities"
                )

    @property
    def best(self) -> Sequence[Likely | None] | None:
        """The most probable token of each place, where that is told."""
        return None if self.tops is None else [one[0] if one else None for one in self.tops]

    def from_token(self, first: int) -> Reported:
        """All but the first tokens."""
        parts: dict[str, Any] = {}
        for name in ("logprobs", "texts", "offsets", "ids", "tops"):
            values = getattr(self, name)
            parts[name] = None if values is None else values[first:]
        return replace(self, **parts)


def values_of(reported: Reported, first: int, last: int, *, top: int = 0) -> Values:
    """Log-probabilities and greedy flags of tokens ``first`` to ``last``, [last - first], and the ``top`` most probable
    tokens of each place, [last - first, top], as many as are told.

    Raises:
        AnswerError: a token has none, or one that is none.
    """
    given = reported.logprobs[first:last]
    missing = [index for index, value in enumerate(given, first) if value is None]
    if missing or len(given) != last - first:
        raise AnswerError(
            f"the server gives no log-probability for token {missing[0] if missing else len(reported.logprobs)} of the "
            f"{last} that it was asked for"
        )
    logprobs = np.array(given, np.float64)
    wrong = np.flatnonzero(np.isnan(logprobs) | (logprobs > ABOVE))
    if len(wrong):
        raise AnswerError(
            f"the server gives {logprobs[wrong[0]]:g} for the log-probability of token {first + int(wrong[0])}, "
            f"expected a number of at most 0"
        )
    greedy = _greedy(logprobs, reported.best, first, last)
    if not top:
        return Values(logprobs=logprobs, greedy=greedy)
    top_ids, top_logprobs = np.full((last - first, top), -1, np.int64), np.full((last - first, top), np.nan)
    for place, likely in enumerate(likely_at(reported, first, last, top=top)):
        top_ids[place, : len(likely)] = [-1 if one.id is None else one.id for one in likely]
        top_logprobs[place, : len(likely)] = [one.logprob for one in likely]
    if (top_logprobs > ABOVE).any():
        raise AnswerError("the server gives a log-probability above 0 for one of the most probable tokens of a place")
    return Values(logprobs=logprobs, greedy=greedy, top_ids=top_ids, top_logprobs=top_logprobs)


def likely_at(reported: Reported, first: int, last: int, *, top: int) -> list[Sequence[Likely]]:
    """At tokens ``first`` to ``last`` each the most probable tokens, at most ``top``."""
    told = reported.tops or [None] * len(reported.logprobs)
    return [(one or ())[:top] for one in told[first:last]]


def in_order(likely: Iterable[Likely]) -> list[Likely]:
    """The most probable one first, of equally probable ones that of the smaller id."""
    return sorted(likely, key=lambda one: (-one.logprob, -1 if one.id is None else one.id))


def _greedy(
    logprobs: NDArray[np.float64], best: Sequence[Likely | None] | None, first: int, last: int
) -> NDArray[np.bool_] | None:
    """Whether none is more probable; None where the server does not say what is most probable.

    Tokens that are parts of characters have all the same text: of those, one is left in an answer that names tokens by
    their text, and if that is as probable as the token itself, it may be the token itself.
    """
    places = [] if best is None else [one for one in best[first:last] if one is not None]
    if len(places) != len(logprobs) or best is None:
        return None
    most = np.array([one.logprob for one in places], np.float64)
    unsure = np.array([one.id is None and not (one.text or "").strip(PART) for one in places], np.bool_)
    return None if (unsure & (most <= logprobs)).any() else logprobs >= most


def part(answer: Any, *path: str | int) -> Any:
    """What stands in an answer under ``path``.

    Raises:
        AnswerError: nothing does.
    """
    found = answer
    for step in path:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            raise AnswerError(f"the server's answer has no {'.'.join(map(str, path))}") from None
    return found


def listed(value: Any, read: Callable[[Any], T], what: str) -> list[T]:
    """A list of an answer, each of its members read.

    Raises:
        AnswerError: it is no list, or ``read`` takes a member for something else (``ValueError``).
    """
    if not isinstance(value, list):
        raise AnswerError(f"the server's answer has {type(value).__name__} for {what}, expected a list")
    try:
        return [read(one) for one in value]
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        raise AnswerError(f"the server's answer has {what} that cannot be read") from None


def text_of(value: Any) -> str:
    """A str; ``ValueError`` where it is none."""
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def whole_of(value: Any) -> int:
    """A whole number of at least 0; ``ValueError`` where it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError(value)
    return value


def logprob_of(value: Any) -> float | None:
    """A number or None; ``ValueError`` where it is neither. NaN is left for ``values_of`` to tell with its token."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)
    return float(value)


def known_logprob(value: Any) -> float:
    """A number; ``ValueError`` where it is none, NaN included."""
    number = logprob_of(value)
    if number is None or math.isnan(number):
        raise ValueError(value)
    return number
