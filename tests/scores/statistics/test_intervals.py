"""Intervals against SciPy's other ways, a loop of our own, and their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from seqscore.errors import InputError, OptionError
from seqscore.scores.statistics.intervals import (
    SumFigure,
    Sums,
    bootstrap_interval,
    figures,
    ratio_interval,
    wilson_interval,
)


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (0, 12), (12, 12), (7, 12), (812, 1000)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_wilson_is_the_closed_form(hits: int, count: int, level: float) -> None:
    z = stats.norm.ppf((1 + level) / 2)
    share = hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    found = wilson_interval(hits, count, level=level)
    assert found is not None
    assert found.low == pytest.approx(max(0.0, middle - half), abs=1e-12)
    assert found.high == pytest.approx(min(1.0, middle + half), abs=1e-12)
    assert (found.level, found.method) == (level, "wilson")


def test_wilson_of_nothing_and_of_the_impossible() -> None:
    assert wilson_interval(0, 0) is None
    with pytest.raises(InputError, match="5 hits of 4 trials"):
        wilson_interval(5, 4)
    with pytest.raises(OptionError, match="level=95"):
        wilson_interval(1, 2, level=95)


def _corpus(count: int) -> Sums:
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 60, count)
    return Sums.of(-rng.gamma(3.0, 1.2, count) * counts, counts)


@pytest.mark.parametrize("figure", ["ratio", "perplexity"])
def test_the_interval_of_a_ratio_is_the_bootstrap_of_many_items(figure: SumFigure) -> None:
    sums = _corpus(4000)
    found = ratio_interval(sums, figure, level=0.9)
    drawn = bootstrap_interval(sums, figure, level=0.9, resamples=2000, seed=1)
    assert found is not None and drawn is not None
    assert (found.level, found.method) == (0.9, "standard error of a ratio")
    # A 5 % point of 2,000 draws has a standard error of about 0.05 standard deviations, of which an end is 1.64 away.
    width = (found.high - found.low) / 2
    assert abs(found.low - drawn.low) < 0.1 * width and abs(found.high - drawn.high) < 0.1 * width


def test_the_interval_of_a_ratio_is_that_of_a_mean_where_every_count_is_one() -> None:
    x = np.random.default_rng(2).normal(3.0, 2.0, 50)
    found = ratio_interval(Sums.of(x), "ratio")
    low, high = stats.norm.interval(0.95, loc=x.mean(), scale=stats.sem(x))
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(low, rel=1e-12), pytest.approx(high, rel=1e-12))


def test_no_interval_of_a_ratio_where_there_is_no_error() -> None:
    assert ratio_interval(Sums.of([-1.0], [2]), "perplexity") is None
    assert ratio_interval(Sums.of([-1.0, -math.inf], [2, 3]), "perplexity") is None
    assert ratio_interval(Sums.of([0.0, 0.0], [0, 0]), "perplexity") is None
    with pytest.raises(OptionError, match="level=95"):
        ratio_interval(_corpus(3), "ratio", level=95)


def test_bootstrap_is_the_percentiles_of_drawn_items() -> None:
    rng = np.random.default_rng(7)
    counts = rng.integers(1, 40, 200)
    totals = -rng.gamma(2.0, 1.5, 200) * counts
    found = bootstrap_interval(Sums.of(totals, counts), "perplexity", resamples=4000, seed=3)
    assert found is not None
    drawn = np.random.default_rng(11)
    values = []
    for _ in range(4000):
        picked = drawn.integers(0, 200, 200)
        values.append(math.exp(-totals[picked].sum() / counts[picked].sum()))
    low, high = np.quantile(values, [0.025, 0.975])
    spread = np.std(values)
    # The 2.5 % point of 4,000 draws has a standard error of about 0.04 standard deviations; two of them are compared.
    assert abs(found.low - low) < 0.25 * spread
    assert abs(found.high - high) < 0.25 * spread
    assert found.low < math.exp(-totals.sum() / counts.sum()) < found.high


def test_bootstrap_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for trial in range(200):
        found = bootstrap_interval(Sums.of(rng.normal(2.0, 1.0, 60)), "ratio", level=0.9, resamples=300, seed=trial)
        assert found is not None
        hits += found.low <= 2.0 <= found.high
    assert stats.binomtest(hits, 200, 0.9).pvalue > 1e-4


def test_bootstrap_is_the_same_for_a_seed_and_another_for_another() -> None:
    sums = Sums.of(np.random.default_rng(0).normal(size=50))
    first, again = (bootstrap_interval(sums, "ratio", seed=4) for _ in range(2))
    assert first == again
    assert first != bootstrap_interval(sums, "ratio", seed=5)


def test_blocks_do_not_change_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = Sums.of(np.random.default_rng(0).normal(size=50))
    whole = bootstrap_interval(sums, "ratio", resamples=500)
    monkeypatch.setattr("seqscore.scores.statistics.intervals._BLOCK", 120)
    assert bootstrap_interval(sums, "ratio", resamples=500) == whole


@pytest.mark.parametrize(
    ("totals", "counts"),
    [([], []), ([-1.0], [2]), ([-1.0, -math.inf, -2.0], [1, 1, 1]), ([0.0, 0.0], [0, 0]), ([-3.0, 0.0], [1, 0])],
)
def test_no_interval_where_none_can_be_given(totals: list[float], counts: list[int]) -> None:
    assert bootstrap_interval(Sums.of(totals, counts), "perplexity") is None


def test_figures() -> None:
    sums = Sums.of([-2.0, -4.0], [1, 3])
    assert figures(sums, np.arange(2), "ratio") == -1.5
    assert figures(sums, np.arange(2), "perplexity") == pytest.approx(math.exp(1.5), rel=1e-15)
    assert math.isnan(figures(Sums.of([], []), np.arange(0), "ratio"))
    assert figures(Sums.of([-math.inf]), np.arange(1), "perplexity") == math.inf


@pytest.mark.parametrize(
    ("totals", "counts", "said"),
    [
        ([1.0, math.nan], [1, 1], "total of item 1 is nan"),
        ([1.0, 2.0], [1, -1], r"count of item 1 is -1.0; expected a number >= 0"),
        ([1.0, 2.0], [1], "2 totals and 1 counts"),
        ([[1.0]], [1], r"shape \(1, 1\)"),
    ],
)
def test_sums_refuse(totals: list[float], counts: list[int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Sums.of(totals, counts)


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="figure='mean'"):
        bootstrap_interval(Sums.of([1.0, 2.0]), "mean")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="10 resamples are too few"):
        bootstrap_interval(Sums.of([1.0, 2.0]), "ratio", resamples=10)
