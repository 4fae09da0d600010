"""Surprisal by word or region as numbers: a mean with its interval for every condition and place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.evaluation.read.word_cells import MAX_LABELS, Placed, WordCells, WordChartOptions
from seqscore.scores.statistics.intervals import Sums, bootstrap_interval

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class WordLine:
    """The means of one condition. ``places``: which of the chart's, in order; ``low``, ``high``: NaN where there is no
    interval (fewer than two texts, or a value that is not finite); ``counts``: of texts. Shape: [n] each."""

    name: str
    places: IntArray
    means: FloatArray
    low: FloatArray
    high: FloatArray
    counts: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class WordPanel:
    """Conditions over one another. ``labels``: what stands below each place of the chart: its name, the words there
    (nothing where this panel has none), or where these are too many its number."""

    name: str
    lines: tuple[WordLine, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class WordChart:
    """Means of ``value`` by place. ``at``: the column of places; ``unit``: of the value, where it has one; ``places``:
    from left to right; ``method``: of the intervals, None where there are none; ``texts``: how many there are;
    ``left``: what is not shown, and why."""

    value: str
    unit: str | None
    at: str
    places: tuple[int | str, ...]
    panels: tuple[WordPanel, ...]
    method: str | None
    texts: int
    left: tuple[str, ...]


def word_chart(rows: Iterable[Placed], options: WordChartOptions) -> WordChart:
    """mean over texts of the sum over the words at a place, for every panel, condition and place, with its interval.

    Rows of one word (of several readers) count as their mean. At a region the words of a text are added up. A text that
    has a word without a score there has no value at that place, and is counted in ``left``; one with an infinite value
    makes the mean infinite. Intervals are of every mean by itself: mean ± t(n - 1) s / √n over n texts, or a percentile
    bootstrap of 1,000 samples of texts. They are none of differences between conditions.

    Raises:
        InputError: a row is none of a word or region, units differ, or there is no value at all.
        OptionError: a column is named that is not there, or has more values than a picture can show.
    """
    cells = WordCells.of(rows, options)
    if not len(cells) or np.isnan(cells.values).all():
        raise InputError(f"there is no value in the column {options.value!r}, so there is nothing to draw")
    order = cells.order()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    panel, line, _, place, value = _of_texts(cells, rank)
    known = ~np.isnan(value)
    names = list(cells.places)
    places = tuple(names[code] for code in order)
    panels = []
    for number in range(len(cells.panels)):
        mine = (panel == number) & known
        lines = tuple(_lines(cells, options, line[mine], place[mine], value[mine]))
        panels.append(_panel(cells, number, order, lines))
    drawn = tuple(one for one in panels if one.lines)
    several = any(bool((line.counts > 1).any()) for one in drawn for line in one.lines)
    return WordChart(
        options.value,
        cells.unit if _is_logarithm(options.value) else None,
        cells.at,
        places,
        drawn,
        _method(options) if several else None,
        len(cells.texts),
        tuple(_left(cells, int((~known).sum()))),
    )


def _of_texts(cells: WordCells, rank: IntArray) -> tuple[IntArray, IntArray, IntArray, IntArray, FloatArray]:
    """Panel, line, text, place and value of each place of a text, sorted in this order."""
    panel, line, text, place, word = cells.codes
    keys = np.stack([panel, line, text, rank[place], word])
    by_word, values = _reduced(keys, cells.values, _mean_of_equals)
    by_text, sums = _reduced(by_word[:-1], values, np.add.reduceat)
    panel, line, text, place = by_text
    return panel, line, text, place, np.asarray(sums, np.float64)


def _reduced(keys: IntArray, values: FloatArray, reduce: Callable[..., FloatArray]) -> tuple[IntArray, FloatArray]:
    """The different columns of ``keys`` [k, n], sorted, and what the values of each come to."""
    order = np.lexsort(keys[::-1])
    keys, values = keys[:, order], values[order]
    begins = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
    with np.errstate(invalid="ignore", over="ignore"):
        return keys[:, begins], reduce(values, begins)


def _mean_of_equals(values: FloatArray, begins: IntArray) -> FloatArray:
    """Means; of equal values exactly that value."""
    counts = np.diff(np.r_[begins, len(values)])
    low, high = np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins)
    return np.where(low == high, low, np.add.reduceat(values, begins) / counts)


def _lines(
    cells: WordCells, options: WordChartOptions, line: IntArray, place: IntArray, value: FloatArray
) -> Iterator[WordLine]:
    """The lines of a panel, from the values of its texts."""
    for key, number in cells.lines.items():
        mine = line == number
        if not mine.any():
            continue
        order = np.argsort(place[mine], kind="stable")
        places, values = place[mine][order], value[mine][order]
        there, begins = np.unique(places, return_index=True)
        parts = np.split(values, begins[1:])
        found = np.array([(mean_of(one), *_interval(one, options)) for one in parts]).T
        counts = np.array([len(one) for one in parts], np.int64)
        yield WordLine(", ".join(key), there, found[0], found[1], found[2], counts)


def mean_of(values: FloatArray) -> float:
    """The mean, exactly rounded where it is finite; NaN of infinities of both signs."""
    try:
        return math.fsum(values) / len(values)
    except (OverflowError, ValueError):
        with np.errstate(invalid="ignore", over="ignore"):
            return float(values.mean())


def _interval(values: FloatArray, options: WordChartOptions) -> tuple[float, float]:
    """The interval of a mean; NaN where there is none."""
    if len(values) < 2 or not np.isfinite(values).all():
        return math.nan, math.nan
    if options.interval == "bootstrap":
        found = bootstrap_interval(Sums.of(values), "ratio", level=options.level)
        return (math.nan, math.nan) if found is None else (found.low, found.high)
    from scipy import stats

    with np.errstate(over="ignore", invalid="ignore"):
        mean = mean_of(values)
        half = float(
            stats.t.ppf((1 + options.level) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
        )
    low, high = mean - half, mean + half
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (math.nan, math.nan)


def _panel(cells: WordCells, number: int, order: list[int], lines: tuple[WordLine, ...]) -> WordPanel:
    names = list(cells.places)
    words = [list(cells.words.get((number, code), ())) for code in order]
    by_word = cells.at == "position" and any(words) and all(len(one) <= MAX_LABELS for one in words)
    # A shorter text has no word at the last places of the others.
    labels = tuple(" / ".join(found) if by_word else str(names[code]) for code, found in zip(order, words, strict=True))
    return WordPanel(", ".join(list(cells.panels)[number]), lines, labels)


def _method(options: WordChartOptions) -> str:
    name = "t intervals" if options.interval == "t" else "bootstrap intervals"
    return f"{100 * options.level:g} % {name}"


def _is_logarithm(column: str) -> bool:
    return column.startswith(("surprisal", "entropy", "log_likelihood"))


def _left(cells: WordCells, unscored: int) -> Iterator[str]:
    counted = (
        (unscored, "place of a text without a value", "places of texts without a value"),
        (cells.failed, "row not scored", "rows not scored"),
        (cells.ends, "end token", "end tokens"),
        (cells.elsewhere, f"row without a {cells.at}", f"rows without a {cells.at}"),
    )
    for count, one, more in counted:
        if count:
            yield f"{count:,} {one if count == 1 else more}"
