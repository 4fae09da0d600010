"""The third role of the logarithm: on a logarithmic axis a wide range becomes visible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.explain.training import LossCurve, train_tiny
from seqscore.scorer import Scorer
from seqscore.scores.reductions import log_likelihood, perplexity
from seqscore.scores.statistics.frequency import RankFrequency, rank_frequency


@dataclass(frozen=True, eq=False)
class AxesLesson:
    """Three things of a corpus that span powers of ten: frequencies, perplexities, a loss.

    Shape: ``perplexities`` [texts that have one], float64, in the order of the texts. ``perplexity``: of the corpus,
    exp(-total log-likelihood / tokens).
    """

    name: ClassVar[str] = "axes"

    frequencies: RankFrequency
    perplexities: NDArray[np.float64]
    perplexity: float | None
    loss: LossCurve
    signature: str

    def to_dict(self) -> dict[str, Any]:
        """The lesson as plain values."""
        return {
            "frequencies": self.frequencies.counts.tolist(),
            "perplexities": self.perplexities.tolist(),
            "perplexity": self.perplexity,
            "loss": self.loss.to_dict(),
            "signature": self.signature,
        }


def axes_lesson(scorer: Scorer, texts: Sequence[str], **policies: Any) -> AxesLesson:
    """Score the texts, count their tokens, and train a tiny model on their beginning.

    Raises:
        InputError: no text has a token that can be scored.
    """
    perplexities, totals, num_scored, signature = [], [], 0, ""

    def token_ids() -> Iterator[NDArray[np.int64]]:
        nonlocal num_scored, signature
        for score in scorer.stream(texts, **policies):
            if score.perplexity is not None:
                perplexities.append(score.perplexity)
            totals.append(score.log_likelihood)
            num_scored, signature = num_scored + score.num_scored, score.signature
            yield score.token_ids

    frequencies = rank_frequency(token_ids())
    if not perplexities:
        raise InputError("no text has a scored token, so there is nothing to draw; give texts with words")
    return AxesLesson(
        frequencies=frequencies,
        perplexities=np.array(perplexities),
        perplexity=perplexity(log_likelihood(np.array(totals)), num_scored),
        loss=train_tiny("\n".join(texts)),
        signature=signature,
    )
