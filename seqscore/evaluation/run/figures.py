"""The figures that rows come to, with their intervals."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.evaluation.run.stored_rows import stored_batches, stored_rows, values_of
from seqscore.evaluation.tasks.measure import ColumnValues, Measure, RowValues
from seqscore.scores.reductions import exp
from seqscore.scores.statistics.intervals import (
    Interval,
    Items,
    Numbers,
    Sums,
    bootstrap_interval,
    ratio_interval,
    wilson_interval,
)

if TYPE_CHECKING:
    from seqscore.evaluation.run.run_folder import Run
    from seqscore.evaluation.run.run_options import RunOptions
    from seqscore.evaluation.tasks.base import Task
    from seqscore.evaluation.tasks.rows import Stored

FloatArray: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    """One figure: of all rows (``group`` None) or of a group, over ``count`` rows. ``value`` is None where it is not
    defined, ``interval`` where none can be given, and ``reason`` says why where that is not plain from the rows.
    ``closed_interval``: another one, by a formula, of figures that have one."""

    name: str
    group: str | None
    value: float | None
    unit: str
    count: int
    interval: Interval | None
    better: str
    use: str = "figure"
    closed_interval: Interval | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        own = {name: getattr(self, name) for name in ("name", "group", "value", "unit", "better", "use", "count")}
        return {
            **own,
            "interval": None if self.interval is None else asdict(self.interval),
            "closed_interval": None if self.closed_interval is None else asdict(self.closed_interval),
            "reason": self.reason,
        }

    @classmethod
    def stored(cls, stored: Mapping[str, Any]) -> FigureRow:
        """The figure of a summary, in which infinities are texts; what else stands there is left alone."""
        own = {one.name: stored[one.name] for one in fields(cls) if one.name in stored}
        value = stored["value"]
        intervals = {name: stored_interval(stored.get(name)) for name in ("interval", "closed_interval")}
        return cls(**{**own, "value": None if value is None else float(value), **intervals})


def stored_interval(stored: Mapping[str, Any] | None) -> Interval | None:
    """The interval of a summary, in which infinities are texts."""
    if stored is None:
        return None
    return Interval(float(stored["low"]), float(stored["high"]), stored["level"], stored["method"])


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What every row adds to a measure. ``numbers`` [n] int64: the rows that have a part in it; ``groups``: theirs, of
    measures that are shown by group; ``sums``: what each has."""

    measure: Measure
    numbers: NDArray[np.int64]
    groups: Sequence[str | None]
    sums: Items


_NEEDED = (
    *("number", "group", "gold", "error_code"),
    *(
        f"items.list.element.{name}"
        for name in (
            *("role", "log_likelihood", "num_scored", "num_bytes_scored", "numbers", "is_greedy", "tokens_hash"),
        )
    ),
)


_ITEM_NUMBERS = ("log_likelihood", "num_scored", "num_bytes_scored")
_NUMBERS = tuple(f"items.list.element.{name}" for name in _ITEM_NUMBERS)


def measured(run: Run, task: Task) -> dict[str, Measured]:
    """Every measure of the task over the scored rows; 8 bytes a row, a measure and a number of it, and 8 more."""
    held = _Held(task.measures())
    if task.adds_columns:
        for found in _found_in_batches(run, task):
            held.add_many(found)
        return held.measured()
    spans = ["starts", "ends"] if task.reads_spans else []
    of_tokens = [*(["logprobs", "token_ids"] if task.reads_tokens else []), *spans]
    for row in stored_rows(run, [*_NEEDED, *(f"items.list.element.{name}" for name in of_tokens)]):
        if row["error_code"] is None:
            held.add(row, values_of(task, row))
    return held.measured()


class _Held:
    """What the rows added so far to every measure."""

    def __init__(self, measures: Sequence[Measure]) -> None:
        self._measures = {measure.name: measure for measure in measures}
        self._columns: dict[str, list[array[float]]] = {name: [] for name in self._measures}
        self._numbers = {name: array("q") for name in self._measures}
        self._groups: dict[str, list[str | None]] = {name: [] for name in self._measures}

    def add(self, row: Stored, values: RowValues) -> None:
        """What one row adds."""
        for name, own in values.items():
            for column, value in zip(self._of(name, len(own)), own, strict=True):
                column.append(value)
            self._numbers[name].append(row["number"])
            if self._measures[name].by_group:
                self._groups[name].append(row["group"])

    def add_many(self, found: ColumnValues) -> None:
        """What many rows add, by their numbers; they have no groups."""
        for name, (numbers, own) in found.items():
            for column, values in zip(self._of(name, len(own)), own, strict=True):
                column.frombytes(values.astype(np.float64).tobytes())
            self._numbers[name].frombytes(numbers.astype(np.int64).tobytes())

    def _of(self, name: str, count: int) -> list[array[float]]:
        if not self._columns[name]:
            self._columns[name] = [array("d") for _ in range(count)]
        return self._columns[name]

    def measured(self) -> dict[str, Measured]:
        """Every measure."""
        return {
            name: Measured(
                measure,
                np.array(self._numbers[name], np.int64),
                self._groups[name],
                _items(measure, self._columns[name]),
            )
            for name, measure in self._measures.items()
        }


def _found_in_batches(run: Run, task: Task) -> Iterator[ColumnValues]:
    """What the rows of each batch add, and their numbers."""
    for batch in stored_batches(run, [*_NUMBERS, "number", "error_code"]):
        places = batch.column("number").filter(batch.column("error_code").is_null()).to_numpy()
        items = batch.column("items").flatten().flatten()
        held = dict(zip(_ITEM_NUMBERS, (column.to_numpy() for column in items), strict=True))
        yield {name: (places[own], values) for name, (own, values) in task.column_values(held).items()}


def _items(measure: Measure, columns: Sequence[array[float]]) -> Items:
    arrays = [np.array(column, np.float64) for column in columns]
    if not measure.sums_up:
        return Numbers(tuple(arrays))  # of no rows none: how many numbers a row has, rows alone tell
    return Sums.of(*arrays) if arrays else Sums.of([], [])


def figure_rows(found: Measured, options: RunOptions) -> Iterator[FigureRow]:
    """The figure of all rows, and of every group where the measure is shown by group."""
    yield _figure(found.measure, None, found.sums, options)
    if found.measure.by_group:
        groups = np.array(found.groups, dtype=object)  # None: in no group, which a group "" is not
        for group in dict.fromkeys(one for one in found.groups if one is not None):
            yield _figure(found.measure, group, found.sums.taken(groups == group), options)


def _figure(measure: Measure, group: str | None, sums: Items, options: RunOptions) -> FigureRow:
    value, interval = exact_figure(sums, measure), _interval(sums, measure, options)
    closed = None if measure.closed_form is None or not len(sums) else measure.closed_form(sums, options.level)
    return FigureRow(
        name=measure.name,
        group=group,
        value=value,
        unit=measure.unit,
        count=len(sums),
        interval=interval,
        better=measure.better,
        use=measure.use,
        closed_interval=closed,
        reason=_reason(measure, sums, value, interval),
    )


def _reason(measure: Measure, sums: Items, value: float | None, interval: Interval | None) -> str | None:
    """Why a figure that is no sum has no value, or no interval; or a sum no value although there is what counts."""
    if isinstance(sums, Sums):
        overflows = value is None and len(sums) and sums.columns[1].any()
        return "the sum is too large for a float64" if overflows else None
    if not len(sums):
        return "no row has a part in it"
    if value is None:
        said = "" if measure.why_undefined is None else measure.why_undefined(*sums.columns)
        return said or "it is not defined for these rows"
    return None if interval is not None else "no bootstrap interval: it is not defined for some samples of the rows"


def exact_figure(sums: Items, measure: Measure) -> float | None:
    """sum totals / sum counts, or exp of minus that, the sums rounded once; or the measure's function of the rows'
    numbers. None where it is not defined."""
    if not len(sums):
        return None
    if not isinstance(measure.figure, str):
        value = float(measure.figure(*sums.columns))
        return None if math.isnan(value) else value
    totals, counts = sums.columns
    count = math.fsum(counts.tolist())
    if not count:
        return None
    try:
        ratio = math.fsum(totals.tolist()) / count
    except OverflowError:
        return None
    return ratio if measure.figure == "ratio" else exp(-ratio)


def row_values(measure: Measure, sums: Items) -> FloatArray:
    """Every row's own value of a measure of sums: the figure of that row alone; NaN where nothing counts."""
    totals, counts = sums.columns
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = np.where(counts > 0, totals / counts, np.nan)
        return np.exp(-ratios) if measure.figure == "perplexity" else ratios


def _interval(sums: Items, measure: Measure, options: RunOptions) -> Interval | None:
    if measure.use == "sweep":
        return None
    if measure.method == "wilson":
        return wilson_interval(int(sums.columns[0].sum()), len(sums), level=options.level)
    if measure.method == "ratio":
        assert isinstance(sums, Sums) and isinstance(measure.figure, str), "a figure of sums"
        return ratio_interval(sums, measure.figure, level=options.level)
    return bootstrap_interval(sums, measure.figure, level=options.level, resamples=options.resamples, seed=options.seed)
