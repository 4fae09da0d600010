"""Two runs over the same items: is their difference more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, OptionError
from seqscore.scores.statistics.intervals import Figure, Interval, Items, check_figure, drawable, figures, resampled

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

_BLOCK = 2**21


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedBootstrap:
    """``difference`` = figure of B - figure of A. ``reversed_share``: samples whose difference has the other sign, or
    is none; near 0 the difference holds whichever items are drawn. None where no interval can be given."""

    difference: float | None
    interval: Interval | None
    reversed_share: float | None
    num_items: int
    resamples: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomisation:
    """``p_value`` of ``difference`` = figure of B - figure of A, two-sided, if A and B were exchangeable on every item.
    ``exact``: every assignment was tried (2^n of them), rather than a sample."""

    difference: float | None
    p_value: float | None
    num_items: int
    assignments: int
    exact: bool
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """Items by who was right; ``p_value`` two-sided, from the items on which the runs disagree alone."""

    both: int
    only_a: int
    only_b: int
    neither: int
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One item's values in two runs; ``difference`` = b - a."""

    id: int | str
    a: float
    b: float
    difference: float


def paired_bootstrap(
    a: Items, b: Items, figure: Figure, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> PairedBootstrap:
    """Interval of figure(B) - figure(A) over samples of the items, the same items for both.

    Source: Koehn 2004 (paired bootstrap resampling); the draws are SciPy's.

    Raises:
        InputError: the runs have not equally many items.
        OptionError: an option has no such value.
    """
    count = _same_length(len(a), len(b))
    check_figure(figure)

    def statistic(indices: Any, axis: int = -1) -> Any:
        with np.errstate(invalid="ignore"):  # infinite figures differ by what is no number
            return figures(b, indices, figure) - figures(a, indices, figure)

    usable = min(drawable(a, figure), drawable(b, figure))
    found = resampled(statistic, usable, level=level, resamples=resamples, seed=seed)
    difference = _whole(a, b, figure)
    share = None
    if found is not None and difference is not None:
        share = float(np.mean(found[1] * np.sign(difference) <= 0))
    return PairedBootstrap(
        difference=difference,
        interval=None if found is None else found[0],
        reversed_share=share,
        num_items=count,
        resamples=resamples,
        seed=seed,
    )


def approximate_randomisation(
    a: Items, b: Items, figure: Figure, *, resamples: int = 1999, seed: int = 0
) -> Randomisation:
    """p-value of figure(B) - figure(A) when the two runs' values of each item change places at random.

    With k of R random assignments at least as extreme, p = (k + 1) / (R + 1) on one side; two-sided is twice the
    smaller side. Where all 2^n assignments are no more than R, each is tried once and p is exact. None for fewer than
    two items, which nothing can be said from.
    Source: Noreen 1989, Riezler and Maxwell 2005; SciPy's permutation test of paired samples.

    Raises:
        InputError: the runs have not equally many items.
        OptionError: there are fewer than 99 resamples.
    """
    count = _same_length(len(a), len(b))
    check_figure(figure)
    if resamples < 99:
        raise OptionError(f"{resamples} resamples are too few for a p-value; expected at least 99")
    both = a.joined(b)  # type: ignore[arg-type]  # two runs of one measure have items of one kind
    difference = _whole(a, b, figure)
    p_value = None
    if count > 1 and difference is not None and both.is_finite:
        p_value = _exchange(both, count, figure, resamples, seed)
    exact = p_value is not None and count < 60 and 2**count <= resamples
    tried = (2**count if exact else resamples) if p_value is not None else 0
    return Randomisation(
        difference=difference, p_value=p_value, num_items=count, assignments=tried, exact=exact, seed=seed
    )


def _exchange(both: Items, count: int, figure: Figure, resamples: int, seed: int) -> float:
    from scipy import stats

    def statistic(first: Any, second: Any, axis: int = -1) -> Any:
        # SciPy may put the items on another axis than the last.
        return figures(both, np.moveaxis(second, axis, -1), figure) - figures(
            both, np.moveaxis(first, axis, -1), figure
        )

    found = stats.permutation_test(
        (np.arange(count), np.arange(count, 2 * count)),
        statistic,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, _BLOCK // count),
        alternative="two-sided",
        axis=-1,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def mcnemar_exact(a_correct: Sequence[bool] | BoolArray, b_correct: Sequence[bool] | BoolArray) -> McNemar:
    """Whether two runs are right equally often, from the items that only one of them has right.

    Under the null hypothesis the number that only A has right is binomial(only_a + only_b, 1/2); p is two-sided and 1
    where the runs never disagree. Source: McNemar 1947, in its exact form; the binomial test is SciPy's.

    Raises:
        InputError: the runs have not equally many items.
    """
    a, b = np.asarray(a_correct, np.bool_), np.asarray(b_correct, np.bool_)
    _same_length(len(a), len(b))
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p_value = 1.0
    if only_a + only_b:
        from scipy import stats

        p_value = float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)
    return McNemar(both=int((a & b).sum()), only_a=only_a, only_b=only_b, neither=int((~a & ~b).sum()), p_value=p_value)


def largest_differences(
    a: Sequence[float] | FloatArray, b: Sequence[float] | FloatArray, ids: Sequence[int | str], *, k: int = 10
) -> tuple[Difference, ...]:
    """The ``k`` items that differ most, the greatest |b - a| first, in the items' order where equal.

    Two equal infinities do not differ.

    Raises:
        InputError: the runs have not equally many items.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    _same_length(_same_length(len(x), len(y)), len(ids))
    with np.errstate(invalid="ignore"):
        differences = np.where(x == y, 0.0, y - x)
    order = np.argsort(-np.abs(differences), kind="stable")[:k]
    return tuple(
        Difference(id=ids[i], a=float(x[i]), b=float(y[i]), difference=float(differences[i])) for i in order.tolist()
    )


def _whole(a: Items, b: Items, figure: Figure) -> float | None:
    every = np.arange(len(a))
    with np.errstate(invalid="ignore"):
        value = float(figures(b, every, figure) - figures(a, every, figure))
    return None if np.isnan(value) else value


def _same_length(first: int, second: int) -> int:
    if first != second:
        raise InputError(f"the runs have {first} and {second} items; expected the same items in both")
    return first
