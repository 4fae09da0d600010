"""The benchmark itself: run the systems in turn, compare scores, keep the figures."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from .equal import TOLERANCES, require_equal
from .windows import Counts, Encoded, count
from .workloads import UNABLE, BenchmarkError, Job, SystemName, Workload

BATCH_SIZES: Mapping[str, Mapping[SystemName, int]] = {
    "pairs": {"lm-eval": 16, "minicons": 16, "transformers": 16},
    "paragraphs": {"lm-eval": 4, "minicons": 2, "transformers": 4},
    "choices": {"lm-eval": 8, "minicons": 8, "transformers": 8},
}
"""Texts side by side for the systems that leave this to the user; 4 where nothing is said."""


class Runs(Protocol):
    """Whatever runs jobs."""

    def run(self, job: Job) -> dict[str, Any]:
        """The result of a job."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was asked for. ``limit``: the longest input of the model, None where it has none. ``busy``: how many other
    processes work meanwhile.
    """

    systems: tuple[SystemName, ...]
    model: str
    dtype: str
    threads: int
    engine: str
    batch_tokens: int | None
    limit: int | None
    repeat: int
    busy: int = 0


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the repetitions."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A workload and a system. ``unable``: why there are no ``runs``, else these are its repetitions as the worker
    measured them (see ``measure.Measured``), of scoring alone, after loading. ``ours``: seqscore's, none where it did
    not run.
    """

    workload: str
    kind: str
    system: SystemName
    requests: int
    left_out: int
    counts: Counts
    batch: str
    unable: str | None = None
    runs: Sequence[Mapping[str, Any]] = ()
    ours: Sequence[Mapping[str, Any]] = ()
    largest_difference: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> Spread | None:
        """Of the repetitions."""
        return Spread.of([run["seconds"] for run in self.runs]) if self.runs else None

    @property
    def ratio(self) -> Spread | None:
        """This system's seconds over seqscore's in the same repetition."""
        pairs = zip(self.runs, self.ours, strict=False)
        return Spread.of([run["seconds"] / our["seconds"] for run, our in pairs]) if self.runs and self.ours else None

    @property
    def memory(self) -> int | None:
        """The greatest of the repetitions' peaks, in bytes above the loaded weights."""
        return max((run["memory"] for run in self.runs if run["memory"] is not None), default=None)

    @property
    def cores_busy(self) -> float | None:
        """Processor time over time: well below the number of threads where the machine had other things to do."""
        busy = [run["cpu_seconds"] / run["seconds"] for run in self.runs]
        return statistics.median(busy) if busy else None

    def per_second(self, number: int) -> float | None:
        """So many things in the median of the seconds."""
        return None if self.seconds is None else number / self.seconds.median


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares systems on workloads. ``encode``: the token ids of a workload. ``tell`` gets progress, line by line."""

    workers: Runs
    settings: Settings
    encode: Callable[[Workload], list[Encoded]]
    tell: Callable[[str], None]

    def rows(self, workload: Workload) -> list[Row]:
        """A row for each system.

        Raises:
            BenchmarkError: a worker failed, or scores differ.
        """
        workload, encoded, left_out = self._within_the_limit(workload)
        able = [one for one in self.settings.systems if (one, workload.kind) not in UNABLE]
        runs: dict[SystemName, list[dict[str, Any]]] = {system: [] for system in able}
        scores: dict[str, list[float]] = {}
        largest = None
        targets = [sum(len(window.targets) for window in one) for one in encoded]
        for repetition in range(self.settings.repeat):
            turn = repetition % max(1, len(able))
            for system in able[turn:] + able[:turn]:
                self.tell(f"{workload.name}, {repetition + 1} of {self.settings.repeat}: {system}")
                result = self.workers.run(self._job(system, workload))
                scores[f"{system} ({repetition + 1})"] = result.pop("scores")
                runs[system].append(result)
                largest = require_equal(
                    workload, scores, num_targets=targets, tolerance=TOLERANCES[self.settings.dtype]
                )
        return [
            Row(
                workload=workload.name,
                kind=workload.kind,
                system=system,
                requests=len(encoded),
                left_out=left_out,
                counts=count(encoded),
                batch=self._batch(system, workload),
                unable=UNABLE.get((system, workload.kind)),
                runs=runs.get(system, ()),
                ours=runs.get("seqscore", ()),
                largest_difference=largest if system in runs else None,
                versions=runs[system][-1]["versions"] if system in runs else {},
            )
            for system in self.settings.systems
        ]

    def _within_the_limit(self, workload: Workload) -> tuple[Workload, list[Encoded], int]:
        """The requests that every system can read at once, and how many are left out: they cut too long ones apart."""
        limit = self.settings.limit
        found = [
            (request, one)
            for request, one in zip(workload.requests, self.encode(workload), strict=True)
            if one and (limit is None or all(len(window.inputs) <= limit for window in one))
        ]
        if not found:
            raise BenchmarkError(f"{workload.name}: no request fits the model's context of {limit} positions")
        kept = Workload(**{**asdict(workload), "requests": tuple(request for request, _ in found)})
        return kept, [one for _, one in found], len(workload.requests) - len(found)

    def _batch(self, system: SystemName, workload: Workload) -> str:
        if system == "seqscore":
            return f"batch_tokens {self.settings.batch_tokens or 'default'}"
        return f"batches of {self._size(system, workload)}"

    @staticmethod
    def _size(system: SystemName, workload: Workload) -> int:
        return BATCH_SIZES.get(workload.name, {}).get(system, 4)

    def _job(self, system: SystemName, workload: Workload) -> Job:
        settings = self.settings
        return Job(
            system=system,
            model=settings.model,
            dtype=settings.dtype,
            threads=settings.threads,
            engine=settings.engine,
            batch_tokens=settings.batch_tokens,
            batch_size=self._size(system, workload),
            limit=settings.limit,
            workload=workload,
        )


def own_conventions(rows: Sequence[Row]) -> float | None:
    """lm-eval's rolling windows against seqscore's overlapping ones, each its own way: tokens scored a second, ours
    over theirs.
    """
    rates = {(row.workload, row.system): row.per_second(row.counts.scored) for row in rows}
    ours, theirs = rates.get(("document-overlap", "seqscore")), rates.get(("document", "lm-eval"))
    return None if ours is None or theirs is None else ours / theirs
