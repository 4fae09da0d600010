"""Scores made by hand, for the tests of output."""

from __future__ import annotations

import numpy as np

from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature

SIGNATURE = Signature((("seqscore", "0.1.0"), ("model", "tiny"), ("bos", "auto")))


def scored(
    text: str,
    *,
    context: str | None = None,
    pieces: int = 4,
    unscored: int = 0,
    extras: bool = False,
    logprobs: list[float] | None = None,
    **more: object,
) -> SequenceScore:
    """A score of ``text`` cut into tokens of ``pieces`` bytes; ``unscored`` tokens at the beginning have none."""
    data = ((context or "") + text).encode()
    starts = np.arange(0, len(data), pieces, dtype=np.int64)
    ends = np.minimum(starts + pieces, len(data))
    n = len(starts)
    values = -0.5 - np.arange(n) / 3 if logprobs is None else np.array(logprobs)
    mask = np.arange(n) >= unscored
    return SequenceScore(
        text=data.decode(),
        context=context,
        token_ids=np.arange(n, dtype=np.int64) + 1000,
        starts=starts,
        ends=ends,
        logprobs=np.where(mask, values, np.nan),
        scored=mask,
        greedy=mask & (values > -1),
        ties=np.zeros(n, dtype=bool),
        ranks=np.where(mask, np.arange(n) + 1, 0) if extras else None,
        entropies=np.where(mask, 2.0 + np.arange(n), np.nan) if extras else None,
        **{"settings": SIGNATURE, **more},  # type: ignore[arg-type]
    )
