"""What the figures of a run show, as numbers: distributions, groups, calibration, two runs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.evaluate.read.compare import PairedValues
from seqscore.evaluate.read.measures import measures_of_run, task_of_run
from seqscore.evaluate.run.figures import Measured, row_values, stored_interval
from seqscore.evaluate.run.run_folder import Run
from seqscore.evaluate.run.stored_rows import stored_rows
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunCharts:
    """The charts that a run has something finite for; None the others. ``frequencies`` needs stored tokens."""

    perplexities: ValueChart | None
    margins: ValueChart | None
    groups: GroupChart | None
    calibration: Calibration | None
    frequencies: RankFrequency | None
    pair: PairedValues | None = None
    correlation: CorrelationChart | None = None


def charts_of_run(run: Run, *, frequencies: bool = True) -> RunCharts:
    """The charts of a complete run. ``frequencies``: also count its tokens, which reads them all.

    Raises:
        InputError: the run is not complete, or a part is damaged.
    """
    if run.summary is None:
        raise InputError(f"{str(run.path)!r} is not complete; run its eval again, which goes on where it was left")
    figures = {(one["name"], one["group"]): one for one in run.summary["figures"]}
    found = measures_of_run(run)

    def values(chart: str) -> ValueChart | None:
        drawn = (one for one, own in found.items() if own.measure.chart == chart and len(own.numbers))
        name = next(drawn, None)
        if name is None:
            return None
        figure, measure = figures.get((name, None)), found[name].measure
        if figure is None:
            raise InputError(f"the summary of {str(run.path)!r} has no figure {name!r}; was it changed?")
        own = row_values(measure, found[name].sums)
        own = own[~np.isnan(own)]
        if not np.isfinite(own).any():
            return None
        return ValueChart(
            name,
            measure.unit,
            own,
            _number(figure["value"]),
            stored_interval(figure["interval"]),
            measure.axes,
            measure.sides,
        )

    return RunCharts(
        perplexities=values("perplexities"),
        margins=values("margins"),
        groups=_groups(run.summary),
        calibration=_calibration(run.summary),
        frequencies=_frequencies(run) if frequencies else None,
        correlation=_correlation(found, figures),
    )


def _correlation(
    found: Mapping[str, Measured], figures: Mapping[tuple[str, str | None], Mapping[str, Any]]
) -> CorrelationChart | None:
    for name, one in found.items():
        if one.measure.chart == "correlation" and len(one.numbers):
            x, y = one.sums.columns
            stored = figures.get((name, None))
            if (np.isfinite(x) & np.isfinite(y)).any():
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


def _number(stored: float | str | None) -> float | None:
    """A figure as it was stored; infinities are stored as text."""
    return None if stored is None else float(stored)
