"""What a task measures: the figures that the rows of a run come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import OptionError
from seqscore.evaluation.tasks.charts import charts_of_rows
from seqscore.scores.statistics.intervals import Figure, Interval, Items

RowValues: TypeAlias = Mapping[str, tuple[float, ...]]
"""Measure -> what one row adds to it: (total, count), or the numbers that its function takes."""


ColumnValues: TypeAlias = Mapping[str, tuple[NDArray[np.int64], tuple[NDArray[np.float64], ...]]]
"""Measure -> the places of the rows that add to it, [m], and what they add, [m] each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure that rows come to: sum totals / sum counts, exp of minus that, or any function of the rows' numbers
    (then its interval is a bootstrap over rows); see ``Figure``.

    Args:
        name: of the figure, in summaries and files.
        figure: how rows come to it.
        unit: what a value of it counts.
        method: of its interval; ``ratio``: by the standard error of a ratio of sums, of corpora of many rows.
        better: which way is up.
        by_group: also shown for every group.
        use: a ``figure`` of the task, one of a ``sweep`` over a setting (without an interval), or a ``hidden`` part of
            others.
        left_out: why a scored row may have no part in it.
        headline: the figure that stands for the task; where it counts hits, rows are right or wrong by it.
        per_row: the one that tells most of a single row, by which rows of two runs are compared.
        column: whether a table of rows has a column for it.
        chart: which chart shows the rows by it, by its name in ``charts.CHARTS``.
        axes: of a picture, what stands on its axes.
        sides: of margins, what a row is on either side of 0: above, and below or at it.
        why_undefined: of a function, why it has no value for these numbers of the rows.
        closed_form: of a function, another interval, by a formula, of the rows at a level of confidence.
    """

    name: str
    figure: Figure
    unit: str
    method: Literal["wilson", "bootstrap", "ratio"] = "bootstrap"
    better: Literal["higher", "lower"] = "lower"
    by_group: bool = False
    use: Literal["figure", "sweep", "hidden"] = "figure"
    left_out: str = ""
    headline: bool = False
    per_row: bool = False
    column: bool = True
    chart: str | None = None
    axes: tuple[str, str] = ("value", "rows")
    sides: tuple[str, str] = ("above 0", "0 or below")
    why_undefined: Callable[..., str] | None = None
    closed_form: Callable[[Items, float], Interval | None] | None = None

    def __post_init__(self) -> None:
        if self.chart is not None and self.chart not in charts_of_rows():
            raise OptionError(
                f"measure {self.name!r}: chart={self.chart!r} is unknown; expected one of {', '.join(charts_of_rows())}"
            )

    @property
    def sums_up(self) -> bool:
        """Whether rows add up to it; else it is a function of all of them."""
        return isinstance(self.figure, str)

    @property
    def is_hit(self) -> bool:
        """Whether every row has it or has it not: 1 or 0."""
        return self.method == "wilson"
