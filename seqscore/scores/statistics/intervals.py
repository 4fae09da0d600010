"""How sure a figure is: confidence intervals of accuracies, means and perplexities."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, OptionError
from seqscore.policies import whole_number
from seqscore.scores.reductions import exp

FloatArray: TypeAlias = NDArray[np.float64]

SumFigure: TypeAlias = Literal["ratio", "perplexity"]
"""Of n items with totals x and counts m: sum x / sum m (a mean, an accuracy, where every m is 1), or
exp(-sum x / sum m) for log-likelihoods x in nats and counts m of tokens, words or bytes."""

Statistic: TypeAlias = Callable[..., Any]
"""A function of arrays [..., n], one for each number that an item has, to an array [...]; NaN where it is not defined.
It must not depend on the order of the items."""

Figure: TypeAlias = SumFigure | Statistic
"""What n items come to: by their sums (``Sums``), or any function of their numbers (``Numbers``)."""

FIGURES: tuple[SumFigure, ...] = get_args(SumFigure)

# Items that a block of resamples holds at once: about 64 MB of indices and values.
_BLOCK = 2**21


@dataclass(frozen=True, slots=True)
class Interval:
    """``low`` to ``high`` holds the figure with confidence ``level``; ``method``: how it was computed."""

    low: float
    high: float
    level: float
    method: str


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What each of n items adds to a figure: ``totals`` [n] float64 and ``counts`` [n] float64 of at least 0."""

    totals: FloatArray
    counts: FloatArray

    @classmethod
    def of(cls, totals: Any, counts: Any = 1.0) -> Sums:
        """From anything that NumPy reads as numbers; a single count is that of every item.

        Raises:
            InputError: the shapes differ, a total is NaN, or a count is negative or not finite.
        """
        x = np.asarray(totals, np.float64)
        if x.ndim != 1:
            raise InputError(f"totals must be numbers in one row, got an array of shape {x.shape}")
        m = np.asarray(counts, np.float64)
        m = np.broadcast_to(m, x.shape) if m.ndim == 0 else m
        if m.shape != x.shape:
            raise InputError(f"every item needs a total and a count, got {len(x)} totals and {m.size} counts")
        for name, bad in (("total", np.isnan(x)), ("count", ~(np.isfinite(m) & (m >= 0)))):
            if bad.any():
                place = int(bad.argmax())
                value = (x if name == "total" else m)[place]
                raise InputError(
                    f"the {name} of item {place} is {value}; expected a number" + (" >= 0" * (name == "count"))
                )
        return cls(x, m)

    def __len__(self) -> int:
        return len(self.totals)

    @property
    def columns(self) -> tuple[FloatArray, ...]:
        """The numbers of the items, [n] each."""
        return (self.totals, self.counts)

    def taken(self, places: Any) -> Sums:
        """Those of the items at ``places``."""
        return Sums(self.totals[places], self.counts[places])

    def joined(self, other: Sums) -> Sums:
        """These items, then the ``other`` ones."""
        return Sums(*map(np.concatenate, zip(self.columns, other.columns, strict=True)))

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are."""
        return bool(np.isfinite(self.totals).all())


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What each of n items has, for a figure that is no ratio of sums: ``columns`` of float64 [n]."""

    columns: tuple[FloatArray, ...]

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def taken(self, places: Any) -> Numbers:
        """Those of the items at ``places``."""
        return Numbers(tuple(column[places] for column in self.columns))

    def joined(self, other: Numbers) -> Numbers:
        """These items, then the ``other`` ones."""
        both = zip(self.columns, other.columns, strict=True)
        return Numbers(tuple(np.concatenate(columns) for columns in both))

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are."""
        return all(bool(np.isfinite(column).all()) for column in self.columns)


Items: TypeAlias = Sums | Numbers


def wilson_interval(hits: int, count: int, *, level: float = 0.95) -> Interval | None:
    """Interval of a proportion ``hits / count`` by inverting the score test; None for no trials.

    It stays within 0 and 1 and is of use for few trials and for proportions of 0 or 1, where the normal
    approximation is not. Source: Wilson 1927; SciPy computes it.

    Raises:
        OptionError: the level is not between 0 and 1.
        InputError: there are more hits than trials, or fewer than none.
    """
    _check_level(level)
    if not 0 <= hits <= count:
        raise InputError(f"{hits} hits of {count} trials are not possible")
    if count == 0:
        return None
    from scipy import stats

    found = stats.binomtest(hits, count).proportion_ci(confidence_level=level, method="wilson")
    return Interval(float(found.low), float(found.high), level, "wilson")


def ratio_interval(sums: Sums, figure: SumFigure, *, level: float = 0.95) -> Interval | None:
    """Interval of a figure of sums by its standard error: of r = sum x / sum m that is

        sqrt(n / (n - 1) * sum (x - r m)^2) / sum m,

    and r is taken to be normal, of a perplexity the logarithm. Its cost is a pass over the items, where a bootstrap
    takes one a sample; with many items both give the same. None where no interval can be given, see
    ``bootstrap_interval``. Source: Cochran 1977, the ratio estimator.

    Raises:
        OptionError: the level is not between 0 and 1.
    """
    _check_level(level)
    if drawable(sums, figure) < 2 or not sums.counts.sum() > 0:
        return None
    from scipy import stats

    count, total = len(sums), sums.counts.sum()
    ratio = sums.totals.sum() / total
    error = np.sqrt(count / (count - 1) * np.square(sums.totals - ratio * sums.counts).sum()) / total
    width = float(stats.norm.ppf((1 + level) / 2) * error)
    low, high = float(ratio) - width, float(ratio) + width
    if figure == "perplexity":
        low, high = exp(-high), exp(-low)
    return Interval(low, high, level, "standard error of a ratio")


def bootstrap_interval(
    sums: Items, figure: Figure, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Interval | None:
    """Percentile interval of a figure over ``resamples`` samples of the items, drawn with replacement.

    Items are what is drawn: a text's tokens stay together. None where no interval can be given: fewer than two items,
    a total that is not finite, a figure that is not defined, of the items or of a sample of them. The same seed gives
    the same interval. Memory is bounded; 1,000 resamples of 1,000,000 items take about half a minute. Source: Efron
    1979; SciPy computes it.

    Raises:
        OptionError: the level is not between 0 and 1, or there are fewer than 100 resamples.
    """
    check_figure(figure)

    def statistic(indices: Any, axis: int = -1) -> Any:
        return figures(sums, indices, figure)

    found = resampled(statistic, drawable(sums, figure), level=level, resamples=resamples, seed=seed)
    return None if found is None else found[0]


def drawable(sums: Items, figure: Figure) -> int:
    """How many items can be drawn from: none where their own figure is not defined, of sums also where it is infinite.
    Any other figure says itself, by NaN, which numbers it cannot take."""
    if isinstance(figure, str):
        return len(sums) if sums.is_finite else 0
    return len(sums) if len(sums) and not np.isnan(figure(*sums.columns)) else 0


def resampled(
    statistic: Callable[..., Any], count: int, *, level: float, resamples: int, seed: int
) -> tuple[Interval, FloatArray] | None:
    """The percentile interval of ``statistic(indices)`` over samples of ``count`` items, and its values [resamples]."""
    check_resampling(level=level, resamples=resamples, seed=seed)
    if count < 2:
        return None
    from scipy import stats

    with warnings.catch_warnings(), np.errstate(invalid="ignore", over="ignore"):  # told by the values, below
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (np.arange(count),),
            statistic,
            n_resamples=resamples,
            batch=max(1, _BLOCK // count),
            vectorized=True,
            axis=-1,
            confidence_level=level,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    values = np.asarray(found.bootstrap_distribution, np.float64)
    if not np.isfinite(values).all():
        return None
    low, high = found.confidence_interval
    return Interval(float(low), float(high), level, f"percentile bootstrap, {resamples} resamples, seed {seed}"), values


def figures(items: Items, indices: NDArray[np.int64], figure: Figure) -> Any:
    """The figure of the items at ``indices`` [..., n], NaN where it is not defined. Shape: [...]."""
    if not isinstance(figure, str):
        return figure(*(column[indices] for column in items.columns))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        totals, counts = (column[indices].sum(-1) for column in items.columns)
        ratios = np.where(counts > 0, totals / counts, np.nan)
        return ratios if figure == "ratio" else np.exp(-ratios)


MAX_RESAMPLES = 1_000_000
"""More than any interval needs; each takes 8 bytes and a pass over the items."""


def check_resampling(*, level: float, resamples: int, seed: int = 0) -> None:
    """Refuse what no interval can be made with.

    Raises:
        OptionError: ``level`` does not lie between 0 and 1, there are fewer than 100 resamples or more than a million,
            or the seed is negative.
    """
    _check_level(level)
    whole_number("resamples", resamples)
    whole_number("seed", seed)
    if resamples < 100:
        raise OptionError(f"{resamples} resamples are too few for an interval; expected at least 100")
    if resamples > MAX_RESAMPLES:
        raise OptionError(f"{resamples} resamples are too many; expected at most {MAX_RESAMPLES:,}")
    if seed < 0:
        raise OptionError(f"seed={seed} must be at least 0")


def _check_level(level: float) -> None:
    if not isinstance(level, int | float | np.floating) or not 0 < level < 1:
        raise OptionError(f"level={level!r} must lie between 0 and 1, for instance 0.95")


def check_figure(figure: Figure) -> None:
    """Make sure that a figure is a function, or that one has this name.

    Raises:
        OptionError: none has.
    """
    if not callable(figure) and figure not in FIGURES:
        raise OptionError(f"figure={figure!r} is unknown; expected one of {', '.join(FIGURES)}")
