"""What the charts of a run show, as numbers: distributions, groups, calibration, two runs side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, OptionError, SeqscoreWarning
from seqscore.evaluation.read.axis_limits import drawable
from seqscore.evaluation.read.export import exported
from seqscore.evaluation.read.measures import measures_of_run, task_of_run
from seqscore.evaluation.read.word_cells import Placed, WordChartOptions
from seqscore.evaluation.read.word_charts import WordChart, word_chart
from seqscore.evaluation.run.figures import Measured, row_values, stored_interval
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.stored_rows import stored_rows
from seqscore.evaluation.tasks.charts import CHARTS, ChartNumbers
from seqscore.scores.statistics.calibration import Calibration, CalibrationBin
from seqscore.scores.statistics.frequency import RankFrequency, rank_frequency
from seqscore.scores.statistics.intervals import Interval

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ValueChart:
    """The own values of the rows that count in a measure, with the figure that they come to. Shape: ``values`` [rows].
    ``axes``, ``sides``: see ``Measure``."""

    name: str
    unit: str
    values: FloatArray
    figure: float | None
    interval: Interval | None
    axes: tuple[str, str] = ("value", "rows")
    sides: tuple[str, str] = ("above 0", "0 or below")


@dataclass(frozen=True, slots=True)
class GroupBar:
    """A group's figure with its interval, over ``count`` rows."""

    group: str
    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class GroupChart:
    """A measure by group, in the order of the data, beside its figure over all rows."""

    name: str
    unit: str
    level: float
    whole: float
    bars: tuple[GroupBar, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CorrelationChart:
    """Two numbers of every row against each other, with the figure that they come to. Shape: ``x``, ``y`` [rows]."""

    name: str
    axes: tuple[str, str]
    x: FloatArray
    y: FloatArray
    figure: float | None


RunCharts: TypeAlias = Mapping[str, Any]
"""Of the charts in ``tasks.charts.CHARTS`` those that a run has something finite for, by name: what they show, a
``ValueChart``, ``CorrelationChart``, ``GroupChart``, ``Calibration``, ``RankFrequency`` (which needs stored tokens),
``WordChart`` or ``PairedValues``."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A complete run: its summary, its figures by name and group, and what its rows add up to."""

    run: Run
    summary: Mapping[str, Any]
    figures: Mapping[tuple[str, str | None], Mapping[str, Any]]
    measured: Mapping[str, Measured]

    def drawn_by(self, chart: str) -> tuple[str, Measured] | None:
        """The first measure that asks for a chart and has rows."""
        found = ((name, one) for name, one in self.measured.items() if one.measure.chart == chart and len(one.numbers))
        return next(found, None)


def charts_of_run(run: Run) -> RunCharts:
    """The charts of a complete run, but for those of two.

    Raises:
        InputError: the run is not complete, or a part is damaged.
    """
    if run.summary is None:
        raise InputError(f"{str(run.path)!r} is not complete; run its eval again, which goes on where it was left")
    figures = {(one["name"], one["group"]): one for one in run.summary["figures"]}
    source = _Source(run, run.summary, figures, measures_of_run(run))
    made = {name: _MAKERS[chart.numbers](source, name) for name, chart in CHARTS.items() if chart.numbers in _MAKERS}
    return {name: one for name, one in made.items() if one is not None}


def _values(source: _Source, chart: str) -> ValueChart | None:
    drawn = source.drawn_by(chart)
    if drawn is None:
        return None
    name, found = drawn
    figure, measure = source.figures.get((name, None)), found.measure
    if figure is None:
        raise InputError(f"the summary of {str(source.run.path)!r} has no figure {name!r}; was it changed?")
    own = row_values(measure, found.sums)
    own = own[~np.isnan(own)]
    if not np.isfinite(own).any():
        return None
    interval = stored_interval(figure["interval"])
    return ValueChart(name, measure.unit, own, _number(figure["value"]), interval, measure.axes, measure.sides)


def _points(source: _Source, chart: str) -> CorrelationChart | None:
    for name, one in source.measured.items():
        if one.measure.chart == chart and len(one.numbers):
            x, y = one.sums.columns
            stored = source.figures.get((name, None))
            if drawable(x, y).any():
                value = None if stored is None else _number(stored["value"])
                return CorrelationChart(name, one.measure.axes, x, y, value)
    return None


def _groups(summary: Mapping[str, Any]) -> GroupChart | None:
    grouped = [one for one in summary["figures"] if one["group"] is not None and one["value"] is not None]
    if not grouped:
        return None
    name = grouped[0]["name"]
    whole = next(one for one in summary["figures"] if one["name"] == name and one["group"] is None)
    if whole["value"] is None:
        return None
    bars = []
    for one in grouped:
        if one["name"] == name:
            interval = stored_interval(one["interval"])
            value = float(one["value"])
            low, high = (value, value) if interval is None else (interval.low, interval.high)
            bars.append(GroupBar(one["group"], value, low, high, one["count"]))
    level = float(whole["interval"]["level"]) if whole["interval"] else 0.0
    return GroupChart(name, whole["unit"], level, float(whole["value"]), tuple(bars))


def _calibration(summary: Mapping[str, Any]) -> Calibration | None:
    if not summary.get("calibration"):
        return None
    error = next((one["value"] for one in summary["figures"] if one["name"] == "calibration_error"), None)
    if error is None:  # no row was scored
        return None
    return Calibration(error=error, bins=tuple(map(_bin, summary["calibration"])))


def _bin(stored: Mapping[str, Any]) -> CalibrationBin:
    return CalibrationBin(**{one.name: stored[one.name] for one in fields(CalibrationBin)})


def _frequencies(run: Run) -> RankFrequency | None:
    found = rank_frequency(_token_ids(run))
    return found if len(found.counts) else None


def _token_ids(run: Run) -> Iterator[list[int]]:
    """Tokens of the items that are texts of the data: of alternatives all, of a choice without its context none."""
    helpers = task_of_run(run).helpers
    for row in stored_rows(run, ["items.list.element.role", "items.list.element.token_ids"]):
        for item in row["items"] or ():
            if item["token_ids"] is not None and item["role"] not in helpers:
                yield item["token_ids"]


def region_rows(run: Run) -> Iterator[Placed]:
    """The regions of a run's texts, a row each, with the columns that were kept.

    Raises:
        OptionError: the run's task has no regions.
    """
    if not task_of_run(run).reads_spans:
        raise OptionError(
            f"a run of task {task_of_run(run).name!r} has no regions; expected a run over regions, or a file "
            f"that seqscore words wrote"
        )
    for record in exported(run, per="region", unit="bits"):
        yield f"{str(run.path)!r}, row {record.fields['row']}", {**record.columns, **record.fields}


def _regions(run: Run) -> WordChart | None:
    """Of a test suite with few conditions; of others a caller says what is to be shown."""
    if not task_of_run(run).reads_spans:
        return None
    try:
        return word_chart(region_rows(run), WordChartOptions(by=("condition",)))
    except InputError:  # no value
        return None
    except OptionError as error:  # more conditions or regions than a picture can show
        warnings.warn(f"there is no picture of surprisal by region: {error.message}", SeqscoreWarning, stacklevel=2)
        return None


def _number(stored: float | str | None) -> float | None:
    """A figure as it was stored; infinities are stored as text."""
    return None if stored is None else float(stored)


_MAKERS: Mapping[ChartNumbers, Callable[[_Source, str], Any]] = {
    "values": _values,
    "points": _points,
    "groups": lambda source, _: _groups(source.summary),
    "calibration": lambda source, _: _calibration(source.summary),
    "frequencies": lambda source, _: _frequencies(source.run),
    "regions": lambda source, _: _regions(source.run),
}
"""What makes the numbers of a chart; those of two runs are theirs who have both."""
