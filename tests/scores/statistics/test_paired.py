"""Paired statistics against enumeration with exact fractions and against closed forms."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from seqscore.errors import InputError, OptionError
from seqscore.scores.statistics.intervals import Sums
from seqscore.scores.statistics.paired import (
    approximate_randomisation,
    largest_differences,
    mcnemar_exact,
    paired_bootstrap,
)


def enumerated_p(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> float:
    """Two-sided p over all 2^n exchanges of (total, count) pairs, in exact fractions."""

    def ratio(items: list[tuple[int, int]]) -> Fraction:
        return Fraction(sum(x for x, _ in items), sum(m for _, m in items))

    seen = ratio(b) - ratio(a)
    values = []
    for flips in itertools.product([False, True], repeat=len(a)):
        first = [y if flip else x for x, y, flip in zip(a, b, flips, strict=True)]
        second = [x if flip else y for x, y, flip in zip(a, b, flips, strict=True)]
        values.append(ratio(second) - ratio(first))
    sides = [sum(v >= seen for v in values), sum(v <= seen for v in values)]
    return min(1.0, 2 * min(sides) / len(values))


@pytest.mark.parametrize("seed", range(4))
def test_few_items_are_enumerated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = [(int(x), int(m)) for x, m in zip(rng.integers(-64, 0, 7), rng.integers(1, 9, 7), strict=True)]
    b = [(int(x), int(m)) for x, m in zip(rng.integers(-64, 0, 7), rng.integers(1, 9, 7), strict=True)]
    found = approximate_randomisation(Sums.of(*zip(*a, strict=True)), Sums.of(*zip(*b, strict=True)), "ratio")
    assert found.exact and found.assignments == 128
    assert found.p_value == pytest.approx(enumerated_p(a, b), abs=1e-12)


def test_many_items_are_sampled() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=300)
    same = approximate_randomisation(Sums.of(a), Sums.of(a + rng.normal(0, 1, 300)), "ratio", resamples=999)
    other = approximate_randomisation(Sums.of(a), Sums.of(a + 0.5 + rng.normal(0, 1, 300)), "ratio", resamples=999)
    assert same.p_value is not None and same.p_value > 0.05
    assert other.p_value == pytest.approx(2 / 1000)  # none of 999 is as extreme: (0 + 1) / (999 + 1) a side
    assert not other.exact and other.assignments == 999


def test_randomisation_without_items_has_no_p() -> None:
    found = approximate_randomisation(Sums.of([]), Sums.of([]), "ratio")
    assert (found.p_value, found.difference, found.assignments) == (None, None, 0)
    infinite = approximate_randomisation(Sums.of([-math.inf, 0.0]), Sums.of([0.0, 0.0]), "ratio")
    assert infinite.p_value is None


def test_paired_bootstrap_takes_the_same_items_of_both_runs() -> None:
    rng = np.random.default_rng(2)
    counts = rng.integers(1, 30, 100)
    a = -rng.gamma(2.0, 1.0, 100) * counts
    better = paired_bootstrap(Sums.of(a, counts), Sums.of(a + 0.01 * counts, counts), "ratio")
    # Every token of B is better by 0.01: on the same items the difference is 0.01 in every sample.
    assert better.interval is not None
    assert better.interval.low == pytest.approx(0.01, abs=1e-12)
    assert better.interval.high == pytest.approx(0.01, abs=1e-12)
    assert better.reversed_share == 0.0
    assert better.difference == pytest.approx(0.01, abs=1e-12)


def test_paired_bootstrap_of_perplexities_and_of_no_difference() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(-3, 1, 200), rng.normal(-3, 1, 200)
    found = paired_bootstrap(Sums.of(a), Sums.of(b), "perplexity")
    assert found.difference == pytest.approx(math.exp(-b.mean()) - math.exp(-a.mean()), rel=1e-12)
    assert found.interval is not None and found.interval.low < found.difference < found.interval.high
    equal = paired_bootstrap(Sums.of(a), Sums.of(a), "ratio")
    assert (equal.difference, equal.reversed_share) == (0.0, 1.0)
    assert paired_bootstrap(Sums.of([1.0]), Sums.of([2.0]), "ratio").interval is None


def exact_mcnemar(only_a: int, only_b: int) -> float:
    n, k = only_a + only_b, min(only_a, only_b)
    return float(min(Fraction(1), 2 * sum(Fraction(math.comb(n, i), 2**n) for i in range(k + 1)))) if n else 1.0


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (0, 1), (3, 3), (1, 9), (40, 61)])
def test_mcnemar_is_the_exact_binomial(only_a: int, only_b: int) -> None:
    a = [True] * (5 + only_a) + [False] * (only_b + 2)
    b = [True] * 5 + [False] * only_a + [True] * only_b + [False] * 2
    found = mcnemar_exact(a, b)
    assert (found.both, found.only_a, found.only_b, found.neither) == (5, only_a, only_b, 2)
    assert found.p_value == pytest.approx(exact_mcnemar(only_a, only_b), rel=1e-12)


def test_largest_differences_come_first() -> None:
    inf = math.inf
    found = largest_differences([1.0, 5.0, -inf, -inf, 2.0], [2.0, 1.0, -inf, 0.0, 1.0], ["a", "b", "c", "d", "e"], k=5)
    assert [(one.id, one.difference) for one in found] == [("d", inf), ("b", -4.0), ("a", 1.0), ("e", -1.0), ("c", 0.0)]


def test_runs_of_different_length_are_refused() -> None:
    with pytest.raises(InputError, match="2 and 1 items"):
        paired_bootstrap(Sums.of([1.0, 2.0]), Sums.of([1.0]), "ratio")
    with pytest.raises(InputError, match="1 and 2 items"):
        mcnemar_exact([True], [True, False])
    with pytest.raises(OptionError, match="too few for a p-value"):
        approximate_randomisation(Sums.of([1.0]), Sums.of([1.0]), "ratio", resamples=10)
