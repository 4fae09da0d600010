"""Target values of the windows of a sequence, put together as one score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import NumericsError
from seqscore.plan.requests import Values
from seqscore.policies import Extra, top_k_of
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.end import EndToken
from seqscore.text.sequences import TokenSequence
from seqscore.text.turns import scored_of_turns

_UNSCORED: Mapping[str, object] = {
    "logprobs": np.nan,
    "greedy": False,
    "ties": False,
    "ranks": 0,
    "entropies": np.nan,
    "top_ids": -1,
    "top_logprobs": np.nan,
}
"""The per-token arrays of a score, and what stands in them at a token that is not scored."""

_ASKED: Mapping[str, Callable[[frozenset[Extra]], bool]] = {
    "ranks": lambda extras: "rank" in extras,
    "entropies": lambda extras: "entropy" in extras,
    "top_ids": lambda extras: top_k_of(extras) > 0,
    "top_logprobs": lambda extras: top_k_of(extras) > 0,
}
"""Those that are there only where they were asked for."""


def assemble(
    sequence: TokenSequence,
    values: Sequence[Values],
    *,
    firsts: Sequence[int],
    num_cut: int,
    num_unread: int,
    extras: frozenset[Extra],
    settings: Signature,
    end: EndToken | None = None,
    leaves_last: bool = False,
    shown: Callable[[int], str] | None = None,
) -> SequenceScore:
    """The score of a sequence from the values of its windows.

    Args:
        sequence: its tokens.
        values: of the targets of each window, which are consecutive tokens; the same are given for every window.
        firsts: the token of the sequence that each window's first target is.
        num_cut: tokens that were cut.
        num_unread: tokens of a context that no window reads.
        extras: what was asked for as well.
        settings: the signature.
        end: what the last token is where the text's end is scored.
        leaves_last: the last value is of a target behind the sequence, and no part of the score.
        shown: a token as people read it, by its id.

    Raises:
        NumericsError: a log-probability is NaN; the message names the token.
    """
    if leaves_last:
        values = _without_last(values)
        firsts = firsts[: len(values)]
    n = len(sequence.ids)
    scored = np.zeros(n, dtype=np.bool_)
    for first, part in zip(firsts, values, strict=True):
        scored[first : first + len(part.logprobs)] = True
    if sequence.turns:
        scored &= scored_of_turns(sequence.turns, n)
    names = [name for name in _UNSCORED if name not in _ASKED or _ASKED[name](extras)]
    arrays = {name: _per_token(name, values, firsts, scored, width=top_k_of(extras)) for name in names}
    score = SequenceScore(
        text=sequence.text,
        context=sequence.context,
        token_ids=sequence.ids.copy(),
        starts=sequence.starts.copy(),
        ends=sequence.ends.copy(),
        scored=scored,
        **arrays,
        top_texts=_texts(arrays.get("top_ids"), shown),
        start_token=sequence.start_token,
        boundary=sequence.boundary,
        delimiter=sequence.delimiter,
        turn_spans=sequence.turns,
        exact_spans=sequence.exact,
        num_windows=len(values),
        num_cut=num_cut,
        num_unread=num_unread,
        num_unknown=0 if sequence.unknown is None else int((sequence.unknown & scored).sum()),
        end_token=None if end is None else end.token_id,
        end_name="" if end is None else end.name,
        settings=settings,
    )
    _refuse_nan(score)
    return score


def _without_last(values: Sequence[Values]) -> list[Values]:
    """The windows' values but for the last target's; a window of that target alone is left out."""
    *others, last = values
    count = len(last.logprobs) - 1
    return [*others, last.take(slice(0, count))] if count else others


def _texts(ids: NDArray[np.int64] | None, shown: Callable[[int], str] | None) -> tuple[tuple[str, ...], ...] | None:
    if ids is None or shown is None:
        return None
    texts = {number: shown(number) for number in np.unique(ids[ids >= 0]).tolist()}
    return tuple(tuple(texts[number] for number in row if number >= 0) for row in ids.tolist())


def _per_token(
    name: str, values: Sequence[Values], firsts: Sequence[int], scored: NDArray[np.bool_], *, width: int
) -> Any:
    """One array [n] of the score, or [n, width]; None where the model did not give it."""
    parts = [getattr(one, name) for one in values]
    if any(part is None for part in parts):
        return None
    unscored = _UNSCORED[name]
    found = np.full((len(scored), width) if name.startswith("top") else len(scored), unscored)
    for first, part in zip(firsts, parts, strict=True):
        found[first : first + len(part)] = part
    found[~scored] = unscored
    return found


def _refuse_nan(score: SequenceScore) -> None:
    bad = np.flatnonzero(score.scored & np.isnan(score.logprobs))
    if len(bad):
        first = int(bad[0])
        raise NumericsError(
            f"the model's forward pass gives NaN at token {first} ({score.token_texts[first]!r}, id "
            f"{int(score.token_ids[first])}), {len(bad)} of {score.num_scored} tokens in all: its weights are damaged, "
            f"or this dtype overflows; try dtype='float32'"
        )
