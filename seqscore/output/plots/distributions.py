"""Wide ranges on a linear beside a logarithmic axis: token frequencies and perplexities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.output.plots.canvas import ACCENT, BASE, GREY, count_axis, heading, legend_below, new_figure, styled
from seqscore.scores.statistics.frequency import RankFrequency

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from seqscore.evaluation.read.charts import ValueChart
    from seqscore.scores.statistics.intervals import Interval

_BINS = 40
_MARKED = 300  # ranks that have a point each; of more the line alone is drawn


@styled
def frequency_figure(found: RankFrequency) -> Figure:
    """How often the token of each rank occurs, beside Zipf's law; left linear axes, right both logarithmic.

    Raises:
        InputError: no token was counted.
    """
    if not len(found.counts):
        raise InputError("no token was counted, so there are no frequencies to draw")
    figure = new_figure(11.0, 4.4)
    for axes, scale in zip(figure.subplots(1, 2), ("linear", "log"), strict=True):
        ranks = np.arange(1, len(found.counts) + 1)
        axes.plot(
            ranks,
            found.expected,
            color=GREY,
            linewidth=1.2,
            linestyle=(0, (4, 2)),
            label="Zipf: proportional to 1 / rank",
        )
        axes.plot(
            ranks,
            found.counts,
            color=BASE,
            linewidth=1.2,
            marker="o" if len(ranks) <= _MARKED else None,
            markersize=3.5,
            label="tokens of the corpus",
        )
        axes.set(xscale=scale, yscale=scale, xlabel="rank of the token", ylabel="how often it occurs")
        axes.set_title(
            "Linear axes" if scale == "linear" else "Logarithmic axes: Zipf's law is a straight line", loc="left"
        )
        if scale == "linear":  # there is no rank and no count between two whole numbers
            axes.locator_params(integer=True)
        _plain_numbers(axes, scale)
    legend_below(figure)
    heading(figure, f"Token frequencies: {found.total:,} tokens, {len(found.counts):,} different ones")
    return figure


def perplexities_of(chart: ValueChart) -> Figure:
    """``perplexity_figure`` of the chart of a run."""
    name = chart.name.replace("_", " ")
    return perplexity_figure(chart.values, corpus=chart.figure, interval=chart.interval, name=name)


@styled
def perplexity_figure(
    values: NDArray[np.float64],
    *,
    corpus: float | None = None,
    interval: Interval | None = None,
    name: str = "perplexity",
) -> Figure:
    """How many texts have which perplexity; left a linear axis, right a logarithmic one, with equal bins on each.

    ``corpus``: the corpus's own perplexity, drawn as a line with its confidence interval as a band. Infinite
    perplexities cannot be drawn and are counted in the title.

    Raises:
        InputError: no value is finite.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise InputError("no text has a finite perplexity, so there is no distribution to draw")
    figure = new_figure(11.0, 4.4)
    for axes, scale in zip(figure.subplots(1, 2), ("linear", "log"), strict=True):
        axes.hist(finite, bins=_edges(finite, scale).tolist(), color=BASE, edgecolor="white", linewidth=0.4)
        if corpus is not None:
            _draw_corpus(axes, corpus, interval)
        axes.set(xscale=scale, xlabel=f"{name} of a text", ylabel="texts")
        axes.set_title("Linear axis" if scale == "linear" else "Logarithmic axis", loc="left")
        _plain_numbers(axes, scale, y=False)
        count_axis(axes.yaxis)
    legend_below(figure)
    infinite = len(values) - len(finite)
    more = f" ({infinite:,} infinite, not drawn)" if infinite else ""
    heading(figure, f"{name.capitalize()} of {len(values):,} texts{more}")
    return figure


def _edges(values: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = 0.9 * low, 1.1 * high
    bins = min(_BINS, max(8, int(np.sqrt(len(values)) * 2)))
    return np.linspace(low, high, bins + 1) if scale == "linear" else np.geomspace(low, high, bins + 1)


def _draw_corpus(axes: Axes, corpus: float, interval: Interval | None) -> None:
    shown = f"{corpus:.4g}"
    if interval is not None and np.isfinite([interval.low, interval.high]).all():
        axes.axvspan(interval.low, interval.high, color=ACCENT, alpha=0.25, linewidth=0, zorder=0)
        shown += f" ({interval.level:.0%}: {interval.low:.4g} to {interval.high:.4g})"
    if np.isfinite(corpus):
        axes.axvline(corpus, color=ACCENT, linewidth=1.8, linestyle=(0, (5, 1.6)), label=f"corpus: {shown}")


def _plain_numbers(axes: Axes, scale: str, *, y: bool = True) -> None:
    """1, 10, 100 and not powers of ten; on a short logarithmic axis also the numbers between."""
    from matplotlib.ticker import LogFormatter, LogLocator

    for axis in (axes.xaxis, axes.yaxis) if y else (axes.xaxis,):
        if scale == "log":
            low, high = axis.get_view_interval()
            short = high / max(low, 1e-300) < 100
            axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0) if short else (1.0,), numticks=12))
            axis.set_minor_formatter(LogFormatter(minor_thresholds=(0, 0)))
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
