"""Target values of the windows of a sequence, put together as one score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import NumericsError
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.sequences import TokenSequence
from seqscore.text.turns import scored_of_turns


@dataclass(frozen=True, slots=True)
class ScoredTargets:
    """Values of consecutive tokens, the first of which is token ``first`` of the sequence. Shape: [k] each."""

    first: int
    logprobs: NDArray[np.float64]
    greedy: NDArray[np.bool_]
    ties: NDArray[np.bool_]
    ranks: NDArray[np.int64] | None
    entropies: NDArray[np.float64] | None


def assemble(
    sequence: TokenSequence,
    targets: Sequence[ScoredTargets],
    *,
    num_cut: int,
    num_unread: int,
    extras: frozenset[str],
    settings: Signature,
) -> SequenceScore:
    """The score of ``sequence`` from the values of its windows.

    Raises:
        NumericsError: a log-probability is NaN; the message names the token.
    """
    n = len(sequence.ids)
    logprobs, scored = np.full(n, np.nan), np.zeros(n, dtype=np.bool_)
    greedy, ties = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    ranks = np.zeros(n, dtype=np.int64) if "rank" in extras else None
    entropies = np.full(n, np.nan) if "entropy" in extras else None
    for part in targets:
        here = slice(part.first, part.first + len(part.logprobs))
        logprobs[here], greedy[here], ties[here], scored[here] = part.logprobs, part.greedy, part.ties, True
        if ranks is not None and part.ranks is not None:
            ranks[here] = part.ranks
        if entropies is not None and part.entropies is not None:
            entropies[here] = part.entropies
    if sequence.turns:
        scored &= scored_of_turns(sequence.turns, n)
        logprobs[~scored], greedy[~scored], ties[~scored] = np.nan, False, False
        if ranks is not None:
            ranks[~scored] = 0
        if entropies is not None:
            entropies[~scored] = np.nan
    score = SequenceScore(
        text=sequence.text,
        context=sequence.context,
        token_ids=sequence.ids.copy(),
        starts=sequence.starts.copy(),
        ends=sequence.ends.copy(),
        logprobs=logprobs,
        scored=scored,
        greedy=greedy,
        ties=ties,
        ranks=ranks,
        entropies=entropies,
        start_token=sequence.start_token,
        boundary=sequence.boundary,
        delimiter=sequence.delimiter,
        turn_spans=sequence.turns,
        exact_spans=sequence.exact,
        num_windows=len(targets),
        num_cut=num_cut,
        num_unread=num_unread,
        num_unknown=0 if sequence.unknown is None else int((sequence.unknown & scored).sum()),
        settings=settings,
    )
    _refuse_nan(score)
    return score


def _refuse_nan(score: SequenceScore) -> None:
    bad = np.flatnonzero(score.scored & np.isnan(score.logprobs))
    if len(bad):
        first = int(bad[0])
        raise NumericsError(
            f"the model's forward pass gives NaN at token {first} ({score.token_texts[first]!r}, id "
            f"{int(score.token_ids[first])}), {len(bad)} of {score.num_scored} tokens in all: its weights are damaged, "
            f"or this dtype overflows; try dtype='float32'"
        )
