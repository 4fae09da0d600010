"""Charts of runs: groups with their intervals, calibration, margins, and two runs against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.evaluation.read.axis_limits import LARGEST_DRAWN, drawable, not_drawn
from seqscore.output.escape import terminal_text
from seqscore.output.plots.canvas import ACCENT, BASE, GREY, count_axis, heading, legend_below, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from seqscore.evaluation.read.charts import CorrelationChart, GroupChart, ValueChart
    from seqscore.evaluation.read.compare import PairedValues
    from seqscore.scores.statistics.calibration import Calibration

_WIDEST_NAME = 48
_MOST_GROUPS = 100
_MANY = 4000  # points that an SVG can hold one by one; more are drawn as a picture within it


@styled
def groups_figure(chart: GroupChart) -> Figure:
    """A point and its interval for each group, the best on top; a dashed line is the figure over all rows.

    Of more than 100 groups the 50 lowest and the 50 highest are drawn, and the title says so.
    """
    every = sorted(chart.bars, key=lambda bar: bar.value)
    bars = every if len(every) <= _MOST_GROUPS else [*every[: _MOST_GROUPS // 2], *every[-_MOST_GROUPS // 2 :]]
    figure = new_figure(8.5, 1.6 + 0.2 * len(bars))
    axes = figure.subplots()
    places = np.arange(len(bars))
    values = np.array([bar.value for bar in bars])
    errors = np.array([[bar.value - bar.low for bar in bars], [bar.high - bar.value for bar in bars]]).clip(min=0.0)
    axes.errorbar(
        values,
        places,
        xerr=errors,
        linestyle="none",
        marker="o",
        markersize=4.5,
        color=BASE,
        ecolor=GREY,
        elinewidth=1.2,
        capsize=2.5,
        label=f"group, {chart.level:.0%} interval",
    )
    axes.axvline(
        chart.whole, color=ACCENT, linewidth=1.4, linestyle=(0, (5, 1.6)), label=f"all rows: {chart.whole:.4f}"
    )
    names = [f"{terminal_text(bar.group, max_width=_WIDEST_NAME)} ({bar.count:,})" for bar in bars]
    axes.set_yticks(places, names, parse_math=False, fontsize=8 if len(bars) > 30 else 9)
    axes.set_ylim(-0.7, len(bars) - 0.3)
    axes.set_xlabel(f"{chart.name.replace('_', ' ')} [{chart.unit}]")
    axes.grid(axis="x", color="#8888884d", linewidth=0.6)
    figure.legend(loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    left = f" (the lowest and highest {len(bars) // 2} of {len(every):,})" if len(bars) < len(every) else ""
    heading(figure, f"{chart.name.replace('_', ' ').capitalize()} by group{left}")
    return figure


@styled
def calibration_figure(found: Calibration) -> Figure:
    """How often the model is right where it is so sure; on the diagonal it knows how sure to be. Below, how many.

    Raises:
        InputError: no bin has a question.
    """
    bins = [one for one in found.bins if one.count]
    if not bins:
        raise InputError("there are no questions with a confidence, so there is no calibration to draw")
    figure = new_figure(6.4, 6.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.0, 1.0))
    confidence = [one.confidence for one in bins]
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle=(0, (4, 2)), label="as sure as right")
    upper.plot(confidence, [one.accuracy for one in bins], color=BASE, marker="o", linewidth=1.6, label="the model")
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy [of 1]")
    lower.bar(
        [(one.low + one.high) / 2 for one in bins],
        [one.count for one in bins],
        width=[(one.high - one.low) * 0.92 for one in bins],
        color=BASE,
    )
    lower.set(xlabel="confidence: probability of the chosen answer [of 1]", ylabel="questions")
    count_axis(lower.yaxis)
    legend_below(figure)
    error = "" if found.error is None else f": expected calibration error {found.error:.4f}"
    heading(figure, f"Calibration{error}")
    return figure


@styled
def margin_figure(chart: ValueChart) -> Figure:
    """How many rows have which margin: of minimal pairs log p(good) - log p(bad), right of 0 the good one is preferred.

    Raises:
        InputError: there is no finite margin.
    """
    values = chart.values[np.isfinite(chart.values)]
    if not len(values):
        raise InputError("there is no finite margin to draw")
    figure = new_figure(8.5, 4.2)
    axes = figure.subplots()
    edges = _edges_around_zero(values)
    right = values > 0.0
    for chosen, color, label, hatch in (
        (right, BASE, f"{chart.sides[0]}: {int(right.sum()):,}", None),
        (~right, ACCENT, f"{chart.sides[1]}: {int((~right).sum()):,}", "///"),
    ):
        axes.hist(values[chosen], bins=edges.tolist(), color=color, label=label, hatch=hatch, edgecolor="white", lw=0.4)
    axes.axvline(0.0, color="#000000", linewidth=1.0)
    if chart.figure is not None:
        axes.axvline(
            chart.figure, color=GREY, linewidth=1.6, linestyle=(0, (5, 1.6)), label=f"mean: {chart.figure:.4g}"
        )
    axes.set(xlabel=f"{chart.axes[0]} [{chart.unit}]", ylabel=chart.axes[1])
    count_axis(axes.yaxis)
    legend_below(figure)
    heading(figure, f"Margins of {len(chart.values):,} {chart.axes[1]}")
    return figure


@styled
def correlation_figure(chart: CorrelationChart) -> Figure:
    """Every row's second number over its first.

    Raises:
        InputError: no row has two numbers that can be drawn.
    """
    good = drawable(chart.x, chart.y)
    x, y = chart.x[good], chart.y[good]
    if not len(x):
        raise InputError(f"no row has two numbers that are at most {LARGEST_DRAWN:g}, so there is nothing to draw")
    figure = new_figure(6.6, 5.2)
    axes = figure.subplots()
    _points(axes, x, y)
    _label(axes, *chart.axes)
    found = "not defined" if chart.figure is None else f"{chart.figure:.4f}"
    left = not_drawn(chart.x, chart.y)
    heading(figure, f"{chart.name.replace('_', ' ').capitalize()} correlation {found}, {len(good):,} rows{left}")
    return figure


_LARGEST_LOG = 1e200
"""On a logarithmic axis there are marks far beyond its end, which must be numbers too."""


def _points(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    alpha = float(np.clip(300.0 / len(x), 0.15, 0.9))
    style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3.5, "color": BASE, "markeredgewidth": 0}
    axes.plot(x, y, alpha=alpha, rasterized=len(x) > _MANY, **style)


def _edges_around_zero(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bins of one width of which one begins at 0, so that no bin holds both kinds."""
    span = float(np.ptp(values)) or 1.0
    width = span / min(60, max(10, int(np.sqrt(len(values)) * 2)))
    low, high = int(np.floor(values.min() / width)), int(np.floor(values.max() / width)) + 1
    return np.asarray(np.arange(min(low, 0), max(high, 1) + 1) * width, np.float64)


@styled
def scatter_figure(pair: PairedValues, *, a: str, b: str) -> Figure:
    """Every row's value in run b over that in run a; on the diagonal they are equal.

    The axes are logarithmic where values are positive and span more than a hundredfold.

    Raises:
        InputError: no row has a value that can be drawn in both.
    """
    good = pair.drawable
    x, y = pair.a[good], pair.b[good]
    if not len(x):
        raise InputError(f"no row has a value of at most {LARGEST_DRAWN:g} in both runs, so there is nothing to draw")
    figure = new_figure(6.6, 6.6)
    axes = figure.subplots()
    both = np.concatenate([x, y])
    low, high = float(both.min()), float(both.max())
    within = low > 1 / _LARGEST_LOG and high < _LARGEST_LOG
    scale = "log" if within and high / low > 100.0 else "linear"
    margin = 0.04 * (high - low or 1.0)
    ends = (low / 1.2, high * 1.2) if scale == "log" else (low - margin, high + margin)
    axes.plot(ends, ends, color=GREY, linewidth=1.2, linestyle=(0, (4, 2)), label="equal")
    _points(axes, x, y)
    axes.set(xscale=scale, yscale=scale, xlim=ends, ylim=ends, aspect="equal")
    name = f"{pair.name.removeprefix('mean_').replace('_', ' ')} [{pair.unit}]"
    _label(axes, f"{name}, a: {a}", f"{name}, b: {b}")
    above, below = int((y > x).sum()), int((y < x).sum())
    axes.set_title(f"b greater: {above:,}   a greater: {below:,}   equal: {len(x) - above - below:,}", fontsize=10)
    heading(figure, f"Two runs over {len(good):,} rows{not_drawn(pair.a, pair.b)}")
    return figure


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(terminal_text(x, max_width=70), parse_math=False)
    axes.set_ylabel(terminal_text(y, max_width=70), parse_math=False)
