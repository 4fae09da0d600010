"""Calibration of multiple choice: do probabilities say how often the model is right?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, OptionError
from seqscore.scores.statistics.intervals import Interval, resampled

FloatArray: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Questions whose confidence lies in (``low``, ``high``], 0 with the first; means are None in an empty bin."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """``error`` = sum over bins of count / n * |accuracy - confidence|; None where there is no question."""

    error: float | None
    bins: tuple[CalibrationBin, ...]


def choice_probabilities(scores: Sequence[float] | FloatArray) -> FloatArray:
    """softmax of a question's scores: p_k = exp(s_k - logsumexp(s)). Shape: [choices], float64.

    Scores are log-likelihoods in nats, or such divided by a length. Choices of score -inf get 0.

    Raises:
        InputError: there is no choice, a score is NaN or inf, or all are -inf.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or not len(values) or np.isnan(values).any() or np.isposinf(values).any():
        raise InputError(f"probabilities need the scores of one question's choices, got {scores!r}")
    top = values.max()
    if np.isneginf(top):
        raise InputError("every choice has probability zero, so none can be weighed against another")
    weights = np.exp(values - top)
    return np.asarray(weights / math.fsum(weights.tolist()), np.float64)


def brier_score(probabilities: Sequence[FloatArray], gold: Sequence[int]) -> float | None:
    """Mean over questions of sum_k (p_k - y_k)^2, y the right choice's one-hot: 0 is best, 2 worst; None for none.

    Source: Brier 1950, in its form for several classes.

    Raises:
        InputError: there are not as many right answers as questions, or one is no choice of its question.
    """
    _check_gold(probabilities, gold)
    squares = [
        math.fsum((p - (k == right)) ** 2 for k, p in enumerate(row.tolist()))
        for row, right in zip(probabilities, gold, strict=True)
    ]
    return math.fsum(squares) / len(squares) if squares else None


def calibration_of(confidence: FloatArray, right: FloatArray, *, num_bins: int = 10) -> Calibration:
    """How far accuracy and confidence part (expected calibration error), over ``num_bins`` bins of equal width.

    ``confidence``: each question's greatest probability. ``right``: 1.0 where the first choice that has it is the right
    one, else 0.0. Shape: [n] each. Source: Naeini et al. 2015, Guo et al. 2017.

    Raises:
        OptionError: there is no bin.
    """
    if num_bins < 1:
        raise OptionError(f"num_bins={num_bins} must be at least 1")
    places = _bins(confidence, num_bins)
    edges = np.arange(num_bins + 1) / num_bins
    bins = tuple(
        _bin(confidence[places == i], right[places == i], float(edges[i]), float(edges[i + 1])) for i in range(num_bins)
    )
    gaps = (
        one.count * abs(one.accuracy - one.confidence)
        for one in bins
        if one.accuracy is not None and one.confidence is not None
    )
    return Calibration(error=math.fsum(gaps) / len(confidence) if len(confidence) else None, bins=bins)


def calibration_interval(
    confidence: FloatArray,
    right: FloatArray,
    *,
    num_bins: int = 10,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """Percentile interval of the calibration error over samples of the questions, see ``bootstrap_interval``.

    The error of a sample is sum over bins of |sum of (right - confidence)| / n.
    """
    places, gaps = _bins(confidence, num_bins), right - confidence

    def statistic(indices: Any, axis: int = -1) -> Any:
        drawn, bins = gaps[indices], places[indices]
        errors = [np.abs(np.where(bins == place, drawn, 0.0).sum(-1)) for place in range(num_bins)]
        return np.sum(errors, axis=0) / indices.shape[-1]

    found = resampled(statistic, len(gaps), level=level, resamples=resamples, seed=seed)
    return None if found is None else found[0]


def _bins(confidence: FloatArray, num_bins: int) -> NDArray[np.int64]:
    """The bin of each confidence."""
    edges = np.arange(num_bins + 1) / num_bins
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, num_bins - 1)


def _bin(confidence: FloatArray, right: FloatArray, low: float, high: float) -> CalibrationBin:
    count = len(confidence)
    return CalibrationBin(
        low=low,
        high=high,
        count=count,
        confidence=math.fsum(confidence.tolist()) / count if count else None,
        accuracy=math.fsum(right.tolist()) / count if count else None,
    )


def _check_gold(probabilities: Sequence[FloatArray], gold: Sequence[int]) -> None:
    if len(probabilities) != len(gold):
        raise InputError(f"every question needs one right answer, got {len(probabilities)} questions and {len(gold)}")
    for place, (row, right) in enumerate(zip(probabilities, gold, strict=True)):
        if not 0 <= right < len(row):
            raise InputError(f"the right answer of question {place} is {right}; it has choices 0 to {len(row) - 1}")
