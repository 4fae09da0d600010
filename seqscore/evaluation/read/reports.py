"""What a report shows: one run, or two over the same data, with the rows that the page can open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, TypeAlias

from seqscore.errors import InputError
from seqscore.evaluation.read.charts import RunCharts, charts_of_run
from seqscore.evaluation.read.compare import Comparison, compare_runs, with_scatter
from seqscore.evaluation.read.measures import task_of_run
from seqscore.evaluation.read.views import RowView, view_run
from seqscore.evaluation.run.run_folder import Run, read_run
from seqscore.evaluation.run.summary import run_signature
from seqscore.evaluation.tasks.measure import Measure

Kind: TypeAlias = Literal["number", "flag"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of rows. ``key``: the measure, or ``num_scored``, ``log_likelihood``; ``run``: whose value,
    "a", "b", or "difference" for b - a; ``headline``: whether rows are right or wrong by it."""

    key: str
    title: str
    unit: str
    kind: Kind
    run: Literal["a", "b", "difference"] = "a"
    headline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRun:
    """A run as a report names it."""

    name: str
    summary: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``runs``: one or two. ``num_rows``: rows of the first run, of which at most ``limit`` are on the page.
    ``rows`` gives them, each with the same row of the second run where there is one."""

    task: str
    runs: tuple[ReportedRun, ...]
    charts: RunCharts
    comparison: Comparison | None
    columns: tuple[Column, ...]
    num_rows: int
    limit: int
    opened: tuple[Run, ...]

    def rows(self) -> Iterator[tuple[RowView, RowView | None]]:
        """The rows that are shown, in order, each with its partner in the other run; read from the disk each time."""
        views = [view_run(run, limit=self.limit) for run in self.opened]
        for row, other in zip_longest(views[0], views[1] if len(views) > 1 else ()):
            if row is not None:
                yield row, other if other is not None and other.id == row.id else None


def report_of_runs(paths: tuple[Path, ...], *, limit: int = 20_000) -> Report:
    """A report of one run, or of two runs over the same data.

    Raises:
        InputError: a run cannot be read or is not complete.
        OptionError: two runs cannot be compared.
    """
    opened = tuple(read_run(path) for path in paths)
    charts = charts_of_run(opened[0])
    comparison = None
    if len(opened) > 1:
        charts = with_scatter(charts, opened[0], opened[1])
        comparison = compare_runs(paths[0], paths[1])
    return Report(
        task=str(opened[0].fingerprint["task"]["task"]),
        runs=tuple(_reported(run) for run in opened),
        charts=charts,
        comparison=comparison,
        columns=tuple(_columns(opened[0], charts)),
        num_rows=opened[0].num_rows,
        limit=limit,
        opened=opened,
    )


def _reported(run: Run) -> ReportedRun:
    if run.summary is None:
        raise InputError(f"{str(run.path)!r} is not complete; run its eval again, which goes on where it was left")
    return ReportedRun(
        name=str(run.path), summary=run.summary, fingerprint=run.fingerprint, signature=str(run_signature(run))
    )


def _columns(run: Run, charts: RunCharts) -> Iterator[Column]:
    """Of one run all that a row has; of two the hits and the measure that tells most, side by side."""
    task = task_of_run(run)
    if "scatter" not in charts:
        for one in task.measures():
            if one.use == "figure" and one.column:
                yield _column(one, _title(one.name))
        if task.single_item:
            yield Column("log_likelihood", "log-likelihood", "nats", "number")
            yield Column("num_scored", "tokens", "", "number")
        return
    for one in task.measures():
        if one.headline and one.is_hit:
            yield _column(one, f"{_title(one.name)} a")
            yield replace(_column(one, f"{_title(one.name)} b"), run="b")
    name, unit = charts["scatter"].name, charts["scatter"].unit
    yield Column(name, f"{_title(name)} a", unit, "number", "a")
    yield Column(name, f"{_title(name)} b", unit, "number", "b")
    yield Column(name, "difference b − a", unit, "number", "difference")


def _column(measure: Measure, title: str) -> Column:
    kind: Kind = "flag" if measure.is_hit else "number"
    return Column(measure.name, title, measure.unit, kind, headline=measure.headline and measure.is_hit)


def _title(name: str) -> str:
    return name.removeprefix("mean_").replace("_", " ")
