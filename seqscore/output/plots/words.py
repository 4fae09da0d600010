"""Surprisal by word or region: a line a condition, with the intervals of its means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqscore.evaluation.read.axis_limits import LARGEST_DRAWN
from seqscore.output.escape import terminal_text
from seqscore.output.plots.canvas import LINE_STYLES, count_axis, heading, legend_below, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from seqscore.evaluation.read.word_charts import WordChart, WordLine, WordPanel

    FloatArray = NDArray[np.float64]

_NAMED = 48  # places that can be named below a picture
_UPRIGHT = 50  # characters of names, each as broad as the broadest, that stand below a picture without being turned
_MARKED = 200  # places that have a mark each
_MANY = 4000  # points that an SVG can hold one by one; more are drawn as a picture within it
_WIDEST_WORD, _WIDEST_NAME = 20, 60


@styled
def word_figure(chart: WordChart) -> Figure:
    """Means by word or region: a line a condition, a panel a facet, all with the same vertical axis.

    A place without a value leaves a gap; an infinite mean is a mark at the edge. What is not shown is said below.
    """
    columns = 1 if len(chart.panels) <= 3 else 2 if len(chart.panels) <= 12 else 3
    rows = -(-len(chart.panels) // columns)
    width = max(7.0 if columns == 1 else 5.0, min(14.0 / columns, 0.42 * len(chart.places) + 2.2))
    figure = new_figure(width * columns, 1.1 + 3.1 * rows)
    styles = {name: LINE_STYLES[number] for number, name in enumerate(_names(chart))}
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(grid, chart.panels, strict=False):
        _draw_panel(axes, chart, panel, styles)
    for axes in grid[len(chart.panels) :]:
        axes.set_axis_off()
    named = {name: style for name, style in styles.items() if name}
    if named:
        labels = [f"{_short(name)} ({_texts(chart, name)})" for name in named]
        legend_below(figure, [_sample(style) for style in named.values()], labels)
    _title(figure, chart)
    return figure


def _names(chart: WordChart) -> list[str]:
    """The lines of all panels, in the order in which they come."""
    return list(dict.fromkeys(line.name for panel in chart.panels for line in panel.lines))


def _title(figure: Figure, chart: WordChart) -> None:
    what = f"{chart.value.replace('_', ' ').capitalize()} by {'word' if chart.at == 'position' else chart.at}"
    texts = f"{chart.texts:,} text" + "s" * (chart.texts != 1)
    means = f", means of {texts} with {chart.method}" if chart.method else f", {texts}"
    heading(figure, f"{what}{means}")
    if chart.left:
        figure.supxlabel(f"not shown: {'; '.join(chart.left)}", fontsize=8.5, parse_math=False)


def _texts(chart: WordChart, name: str) -> str:
    """Of how many texts a line's means are."""
    counts = np.concatenate([line.counts for panel in chart.panels for line in panel.lines if line.name == name])
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" + (f" to {high:,}" if high > low else "") + (" text" if high == 1 else " texts")


def _sample(style: tuple[str, Any, str]) -> Artist:
    from matplotlib.lines import Line2D

    color, dashes, marker = style
    return Line2D([], [], color=color, linestyle=dashes, marker=marker, markersize=5, linewidth=1.5)


def _draw_panel(axes: Axes, chart: WordChart, panel: WordPanel, styles: dict[str, tuple[str, Any, str]]) -> None:
    from matplotlib.ticker import MaxNLocator

    few = len(chart.places) <= _NAMED
    places = _across(chart)
    for number, line in enumerate(panel.lines):
        aside = (number - (len(panel.lines) - 1) / 2) * min(0.1, 0.5 / len(panel.lines)) if few else 0.0
        _draw_line(axes, places + aside, line, styles[line.name], few)
    names = chart.at != "position" or (few and panel.labels != tuple(map(str, chart.places)))
    if names:
        labels = [_short(label, _WIDEST_WORD) for label in panel.labels]
        upright = len(labels) * max(map(len, labels)) < _UPRIGHT
        turned: dict[str, Any] = {} if upright else {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(places, labels, parse_math=False, fontsize=9 if few else 6, **turned)
    else:
        count_axis(axes.xaxis)
    axes.set_xlim(places[0] - 0.6, places[-1] + 0.6)
    axes.set_ylim(*_limits(chart))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.grid(axis="y", color="#8888884d", linewidth=0.6)
    axes.set_ylabel(_short(_measure(chart)), parse_math=False)
    if chart.at == "position" and not names:
        axes.set_xlabel("position of the word")
    if panel.name:
        axes.set_title(_short(panel.name), loc="left", parse_math=False)


def _across(chart: WordChart) -> FloatArray:
    """Where places stand: at their numbers, or one beside the other."""
    if chart.at == "position":
        return np.array(chart.places, np.float64)
    return np.arange(1.0, len(chart.places) + 1)


def _measure(chart: WordChart) -> str:
    summed = "" if chart.at == "position" else ", summed"
    return f"{chart.value.replace('_', ' ')}{summed}" + (f" [{chart.unit}]" if chart.unit else "")


def _draw_line(axes: Axes, places: FloatArray, line: WordLine, style: tuple[str, Any, str], few: bool) -> None:
    color, dashes, marker = style
    means, low, high = (_dense(one, line, len(places)) for one in (line.means, line.low, line.high))
    many = len(places) > _MANY
    mark, size = (marker, 5.0 if few else 3.0) if len(places) <= _MARKED else (".", 1.5)
    axes.fill_between(places, low, high, color=color, alpha=0.15, linewidth=0, rasterized=many)
    axes.plot(
        places, means, color=color, linestyle=dashes, linewidth=1.5, rasterized=many, marker=mark, markersize=size
    )
    there = np.isfinite(low) & np.isfinite(means)
    if few and there.any():
        errors = np.array([means - low, high - means])[:, there].clip(min=0.0)
        axes.errorbar(
            places[there], means[there], yerr=errors, linestyle="none", ecolor=color, elinewidth=1.0, capsize=2.5
        )
    _draw_infinite(axes, places[line.places], line.means, color)


def _draw_infinite(axes: Axes, places: FloatArray, means: FloatArray, color: str) -> None:
    """Marks at the upper edge for what is infinite (or too large to be drawn), at the lower for what is so below."""
    for edge, marker, found in ((1.0, "^", means > LARGEST_DRAWN), (0.0, "v", means < -LARGEST_DRAWN)):
        if found.any():
            axes.plot(
                places[found],
                np.full(int(found.sum()), edge),
                marker=marker,
                markersize=9,
                markerfacecolor="white",
                linestyle="none",
                color=color,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )


def _dense(values: FloatArray, line: WordLine, count: int) -> FloatArray:
    """The values at all places, NaN where there is none that can be drawn."""
    found = np.full(count, np.nan)
    found[line.places] = np.where(np.abs(values) <= LARGEST_DRAWN, values, np.nan)
    return found


def _limits(chart: WordChart) -> tuple[float, float]:
    """The vertical axis of all panels; from 0 where nothing is below."""
    lines = [line for panel in chart.panels for line in panel.lines]
    every = np.concatenate([one for line in lines for one in (line.means, line.low, line.high)])
    every = every[np.abs(every) <= LARGEST_DRAWN]
    if not len(every):
        return 0.0, 1.0
    low, high = float(every.min()), float(every.max())
    margin = 0.06 * (high - min(low, 0.0)) or 1.0
    return (0.0 if low >= 0.0 else low - margin), high + margin


def _short(text: str, width: int = _WIDEST_NAME) -> str:
    return terminal_text(text, max_width=width)
