"""The benchmark itself: encode, agree on requests, run the systems in turn, compare scores, keep the figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .equal import TOLERANCES, Common, common_requests, count, require_equal
from .jobs import UNABLE, Encoded, Job, SystemName, Workload, encoded_from_json
from .results import Row, Run, with_figures

BATCH_SIZES: Mapping[str, Mapping[SystemName, int]] = {
    "pairs": {"lm-eval": 16, "minicons": 16, "transformers": 16},
    "paragraphs": {"lm-eval": 4, "minicons": 2, "transformers": 4},
    "choices": {"lm-eval": 8, "minicons": 8, "transformers": 8},
    "passages": {"lm-eval": 4, "minicons": 4, "transformers": 4},
    "document": {"lm-eval": 4, "minicons": 4, "transformers": 4},
    "document-overlap": {"lm-eval": 4, "minicons": 4, "transformers": 4},
}
"""Texts side by side for the systems that leave this to the user."""

_SHORT = ("pairs", "choices")


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
    tune: bool
    busy: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares systems on workloads. ``tell`` gets progress, one line each time."""

    workers: Runs
    settings: Settings
    tell: Callable[[str], None]

    def rows(self, workloads: list[Workload]) -> Iterator[list[Row]]:
        """The rows of each workload as soon as it is done.

        Raises:
            BenchmarkError: a worker failed, or scores differ.
        """
        encoded = self._encode(workloads)
        for workload in workloads:
            yield self._compare(workload, encoded[workload.name])

    def _encode(self, workloads: list[Workload]) -> dict[str, dict[SystemName, list[Encoded]]]:
        """The token ids of every request, by workload and system, from the systems themselves."""
        encoded: dict[str, dict[SystemName, list[Encoded]]] = {one.name: {} for one in workloads}
        for system in self.settings.systems:
            able = tuple(one for one in workloads if (system, one.kind) not in UNABLE)
            if able:
                self.tell(f"asking {system} for its token ids")
                result = self.workers.run(self._job("encode", system, able, 1))
                for name, requests in result["encoded"].items():
                    encoded[name][system] = encoded_from_json(requests)
        return encoded

    def _compare(self, workload: Workload, encoded: dict[SystemName, list[Encoded]]) -> list[Row]:
        if not encoded:
            return [self._row(workload, system, Common(workload, [], {}), 1) for system in self.settings.systems]
        common = common_requests(workload, encoded, limit=self.settings.limit)
        sizes = {system: self._batch_size(system, common.workload) for system in encoded}
        runs: dict[SystemName, list[Run]] = {system: [] for system in encoded}
        scores: dict[str, list[float]] = {}
        largest = 0.0
        order = list(encoded)
        for repetition in range(self.settings.repeat):
            for system in order[repetition % len(order) :] + order[: repetition % len(order)]:
                self.tell(f"{workload.name}, {repetition + 1} of {self.settings.repeat}: {system}")
                run, got = self._run(system, common.workload, sizes[system])
                runs[system].append(run)
                scores[f"{system} ({repetition + 1})"] = got
                largest = self._require_equal(common, scores)
        rows = []
        for system in self.settings.systems:
            row = self._row(workload, system, common, sizes.get(system, 1))
            if system in runs:
                row = with_figures(row, runs[system], runs.get("seqscore"), largest_difference=largest)
            rows.append(row)
        return rows

    def _require_equal(self, common: Common, scores: Mapping[str, list[float]]) -> float:
        targets = [sum(len(window.targets) for window in one) for one in common.encoded]
        tolerance = TOLERANCES[self.settings.dtype]
        return require_equal(common.workload, scores, num_targets=targets, tolerance=tolerance)

    def _run(self, system: SystemName, workload: Workload, batch_size: int) -> tuple[Run, list[float]]:
        result = self.workers.run(self._job("score", system, (workload,), batch_size))
        scores = result.pop("scores")
        return Run(**result), scores

    def _batch_size(self, system: SystemName, workload: Workload) -> int:
        """As stated, or with ``--tune`` the quickest of a few on the first requests."""
        if system == "seqscore" or not self.settings.tune:
            return BATCH_SIZES[workload.name].get(system, 1)
        tried = (4, 16, 64) if workload.name in _SHORT else (1, 4, 16)
        some = workload.choose(list(range(min(tried[-1], len(workload.requests)))))
        seconds = {}
        for size in tried:
            self.tell(f"{workload.name}: trying {system} with batches of {size}")
            seconds[size] = min(self._run(system, some, size)[0].seconds for _ in range(2))
        best = min(seconds, key=lambda size: seconds[size])
        self.tell(f"{workload.name}: {system} is quickest with batches of {best}")
        return best

    def _row(self, workload: Workload, system: SystemName, common: Common, batch_size: int) -> Row:
        tokens = "default" if self.settings.batch_tokens is None else str(self.settings.batch_tokens)
        return Row(
            workload=workload.name,
            kind=workload.kind,
            system=system,
            requests=len(common.encoded),
            left_out=common.left_out,
            counts=count(common.encoded),
            batch=f"batch_tokens {tokens}" if system == "seqscore" else f"batches of {batch_size}",
            unable=UNABLE.get((system, workload.kind)),
        )

    def _job(self, action: Any, system: SystemName, workloads: tuple[Workload, ...], batch_size: int) -> Job:
        settings = self.settings
        return Job(
            action=action,
            system=system,
            model=settings.model,
            dtype=settings.dtype,
            threads=settings.threads,
            engine=settings.engine,
            batch_tokens=settings.batch_tokens,
            batch_size=batch_size,
            limit=settings.limit,
            workloads=workloads,
        )


def own_conventions(rows: list[Row]) -> float | None:
    """lm-eval's rolling windows against seqscore's overlapping ones, each its own way: tokens scored a second, ours
    over theirs.
    """
    rates = {(row.workload, row.system): row.scored_per_second for row in rows}
    ours, theirs = rates.get(("document-overlap", "seqscore")), rates.get(("document", "lm-eval"))
    return None if ours is None or theirs is None else ours / theirs


def settings_record(settings: Settings) -> dict[str, Any]:
    """As it stands in the JSON file, without this machine's folder."""
    return {name: value for name, value in dataclasses.asdict(settings).items() if name != "model"}
