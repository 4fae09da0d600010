"""lm-scorer's reductions, by exact arithmetic and by the numbers that its README shows."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqscore import OptionError
from seqscore.scores.reductions import REDUCTIONS, Reduction, reduced
from tests.output.scored import scored

# GPT-2, "I like this package." between start and end token: lm-scorer's README shows the tokens' probabilities, five
# digits each, and what they are reduced to.
PUBLISHED = [0.018321, 0.0066431, 0.080633, 0.00060745, 0.27772, 0.0036381]
SHOWN = {"prod": 6.0231e-12, "mean": 0.064593, "gmean": 0.013489, "hmean": 0.0028008}


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_numbers_that_lm_scorer_shows(reduction: Reduction) -> None:
    found = reduced(np.log(PUBLISHED), reduction)
    # Half a unit of the fifth digit in each of six factors, and in the result.
    assert found == pytest.approx(SHOWN[reduction], rel=7 * 0.5e-4)
    assert reduced(np.log(PUBLISHED), "prod", log=True) == pytest.approx(-25.835, abs=1e-3)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=12))
def test_against_fractions(numerators: list[int]) -> None:
    """p = k / 64: products and means are exact fractions."""
    exact = [Fraction(one, 64) for one in numerators]
    n = len(exact)
    product = math.prod(exact)
    wanted = {"prod": product, "mean": sum(exact) / n, "hmean": n / sum(1 / one for one in exact)}
    logprobs = np.log(np.array(numerators) / 64)
    # A logarithm is rounded, of at most log 64, and n of them are added: the error of a log is that of a ratio.
    tolerance = 4 * n * math.log(64) * 2.0**-52
    for reduction, fraction in wanted.items():
        found, log = reduced(logprobs, reduction), reduced(logprobs, reduction, log=True)  # type: ignore[arg-type]
        assert found is not None and log is not None
        assert abs(Fraction(found) / fraction - 1) <= tolerance
        assert log == pytest.approx(math.log(fraction), abs=tolerance)
    geometric = reduced(logprobs, "gmean")
    assert geometric is not None and float(abs(Fraction(geometric) ** n / product - 1)) <= n * tolerance


def test_the_edges() -> None:
    for reduction in REDUCTIONS:
        assert reduced(np.empty(0), reduction) is None
    impossible = np.array([-1.0, -np.inf])
    assert [reduced(impossible, one) for one in REDUCTIONS] == [0.0, pytest.approx(math.exp(-1) / 2), 0.0, 0.0]
    assert reduced(np.array([-np.inf]), "mean", log=True) == -math.inf
    long = np.full(1000, -800.0)  # exp(-800) is no float64
    assert [reduced(long, one, log=True) for one in REDUCTIONS] == [-800000.0, -800.0, -800.0, -800.0]
    assert reduced(long, "prod") == 0.0
    with pytest.raises(OptionError, match="reduction='sum' is unknown; expected one of prod, mean, gmean, hmean"):
        reduced(long, "sum")  # type: ignore[arg-type]


def test_a_score_reduces_what_is_scored() -> None:
    score = scored("abcdefgh", pieces=2, unscored=1)
    values = score.logprobs[1:]
    for reduction in REDUCTIONS:
        assert score.reduced(reduction) == reduced(values, reduction)
    assert score.reduced("prod", log=True) == score.log_likelihood
    assert score.reduced("gmean") == pytest.approx(1 / (score.perplexity or 0.0), rel=1e-15)
    assert scored("ab", unscored=1).reduced("mean") is None
