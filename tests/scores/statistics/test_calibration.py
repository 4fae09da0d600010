"""Calibration against exact fractions and cases worked by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from seqscore.errors import InputError, OptionError
from seqscore.scores.statistics.calibration import (
    Calibration,
    brier_score,
    calibration_interval,
    calibration_of,
    choice_probabilities,
)


def calibration(probabilities: list[np.ndarray], gold: list[int], *, num_bins: int = 10) -> Calibration:
    """Of the first choice with the greatest probability."""
    confidence = np.array([row.max() for row in probabilities])
    right = np.array([float(row.argmax() == one) for row, one in zip(probabilities, gold, strict=True)])
    return calibration_of(confidence, right, num_bins=num_bins)


def rows(*values: list[float]) -> list[np.ndarray]:
    return [np.array(value, np.float64) for value in values]


def test_probabilities_are_a_softmax_that_does_not_overflow() -> None:
    found = choice_probabilities([-1000.0, -1000.0 + math.log(3), -math.inf])
    np.testing.assert_allclose(found, [0.25, 0.75, 0.0], rtol=1e-13)
    assert choice_probabilities([700.0 * 3]).tolist() == [1.0]


@pytest.mark.parametrize("scores", [[], [math.nan], [math.inf, 0.0], [-math.inf, -math.inf]])
def test_probabilities_of_what_is_no_score(scores: list[float]) -> None:
    with pytest.raises(InputError):
        choice_probabilities(scores)


def test_brier_score_by_hand() -> None:
    # (1/2 - 1)^2 + 2 (1/4)^2 = 3/8 and (1 - 0)^2 + (0 - 1)^2 = 2.
    expected = (Fraction(3, 8) + 2) / 2
    assert brier_score(rows([0.5, 0.25, 0.25], [1.0, 0.0]), [0, 1]) == float(expected)
    assert brier_score(rows([0.0, 1.0]), [1]) == 0.0
    assert brier_score([], []) is None


def test_calibration_error_by_hand() -> None:
    found = calibration(rows([0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [1.0, 0.0]), [0, 0, 1, 0], num_bins=4)
    # (0.25, 0.5]: confidence 1/2, right 0; (0.5, 0.75]: 3/4, right 1 of 2; (0.75, 1]: 1, right.
    assert [(one.count, one.confidence, one.accuracy) for one in found.bins] == [
        (0, None, None),
        (1, 0.5, 0.0),
        (2, 0.75, 0.5),
        (1, 1.0, 1.0),
    ]
    assert found.error == float(Fraction(1, 4) * Fraction(1, 2) + Fraction(2, 4) * Fraction(1, 4))


def test_every_question_is_in_one_bin() -> None:
    rng = np.random.default_rng(0)
    probabilities = [choice_probabilities(rng.normal(size=rng.integers(1, 6)) * 3) for _ in range(500)]
    gold = [int(rng.integers(len(row))) for row in probabilities]
    found = calibration(probabilities, gold)
    assert sum(one.count for one in found.bins) == 500
    for one in found.bins:
        assert one.confidence is None or one.low <= one.confidence <= one.high
    right = sum(one.count * (one.accuracy or 0.0) for one in found.bins)
    assert right == pytest.approx(sum(int(row.argmax()) == k for row, k in zip(probabilities, gold, strict=True)))
    assert calibration([], []).error is None


def test_wrong_answers_are_refused() -> None:
    with pytest.raises(InputError, match="right answer of question 0 is 2; it has choices 0 to 1"):
        brier_score(rows([0.5, 0.5]), [2])
    with pytest.raises(InputError, match="1 questions and 0"):
        brier_score(rows([0.5, 0.5]), [])
    with pytest.raises(OptionError, match="num_bins=0"):
        calibration([], [], num_bins=0)


def test_the_interval_is_that_of_resampled_questions() -> None:
    """Beside a loop that draws the same samples and sums them up bin by bin."""
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.25, 1, 30)
    right = (generator.random(30) < 0.6).astype(float)
    found = calibration_interval(confidence, right, level=0.9, resamples=200, seed=5)
    assert found is not None
    drawn = np.random.default_rng(5).integers(0, 30, (200, 30))
    errors = [calibration_of(confidence[one], right[one]).error for one in drawn]
    low, high = np.percentile(np.array(errors, float), [5, 95])
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
    assert calibration_interval(confidence[:1], right[:1]) is None
