"""Rows of the benchmark: one for each workload and system."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .equal import Counts
from .jobs import SystemName


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the repetitions."""

    median: float
    least: float
    greatest: float


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Run:
    """One repetition of one system on one workload, as its worker measured it."""

    seconds: float
    cpu_seconds: float
    memory: int
    memory_method: str
    positions: int
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Seconds, ratios and memory are of scoring alone, after loading.

    ``ratio``: this system's seconds over seqscore's in the same repetition; None where seqscore did not run.
    ``run_positions``: what went through the model's embedding, padding included. ``memory``: the greatest of the
    repetitions' peaks, in bytes above the loaded weights. ``cores_busy``: processor time over time, the median: well
    below the number of threads where the machine had other things to do. ``unable``: why there are no figures.
    """

    workload: str
    kind: str
    system: SystemName
    requests: int
    left_out: Mapping[str, int]
    counts: Counts
    batch: str
    unable: str | None = None
    seconds: Spread | None = None
    ratio: Spread | None = None
    run_positions: int | None = None
    memory: int | None = None
    memory_method: str | None = None
    cores_busy: float | None = None
    largest_difference: float | None = None
    repetitions: tuple[float, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def positions_per_second(self) -> float | None:
        """Positions asked for in a second: the same work for all systems, however much of it they save."""
        return None if self.seconds is None else self.counts.asked / self.seconds.median

    @property
    def scored_per_second(self) -> float | None:
        """Tokens that got a log-probability in a second."""
        return None if self.seconds is None else self.counts.scored / self.seconds.median


def with_figures(row: Row, runs: Sequence[Run], ours: Sequence[Run] | None, *, largest_difference: float) -> Row:
    """The row with what its runs say; ``ours`` are seqscore's, repetition by repetition."""
    ratios = None if ours is None else [run.seconds / our.seconds for run, our in zip(runs, ours, strict=True)]
    return dataclasses.replace(
        row,
        seconds=spread([run.seconds for run in runs]),
        ratio=None if ratios is None else spread(ratios),
        run_positions=runs[-1].positions,
        memory=max(run.memory for run in runs),
        memory_method=runs[-1].memory_method,
        cores_busy=statistics.median(run.cpu_seconds / run.seconds for run in runs),
        largest_difference=largest_difference,
        repetitions=tuple(run.seconds for run in runs),
        versions=runs[-1].versions,
    )


def flat(row: Row) -> dict[str, Any]:
    """The row as plain values, one a column; None where there is no figure."""
    versions = row.versions
    seconds, ratio = row.seconds, row.ratio
    return {
        "workload": row.workload,
        "system": row.system,
        "status": "ok" if row.unable is None else f"n/a: {row.unable}",
        "kind": row.kind,
        "requests": row.requests,
        "requests_left_out": sum(row.left_out.values()),
        "tokens_scored": row.counts.scored,
        "positions_asked": row.counts.asked,
        "positions_unique": row.counts.unique,
        "positions_run": row.run_positions,
        "seconds_median": None if seconds is None else seconds.median,
        "seconds_min": None if seconds is None else seconds.least,
        "seconds_max": None if seconds is None else seconds.greatest,
        "cores_busy": row.cores_busy,
        "repetitions": len(row.repetitions),
        "positions_per_second": row.positions_per_second,
        "scored_per_second": row.scored_per_second,
        "time_over_seqscore_median": None if ratio is None else ratio.median,
        "time_over_seqscore_min": None if ratio is None else ratio.least,
        "time_over_seqscore_max": None if ratio is None else ratio.greatest,
        "peak_bytes_above_weights": row.memory,
        "memory_method": row.memory_method,
        "largest_difference_nats": row.largest_difference,
        "batch": row.batch,
        "engine": versions.get("engine"),
        "version_system": versions.get({"lm-eval": "lm_eval"}.get(row.system, row.system)),
        "version_torch": versions.get("torch"),
        "version_transformers": versions.get("transformers"),
    }
