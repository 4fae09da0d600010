"""What the benchmark's two sides tell one another: workloads, jobs, and token sequences, as plain JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

Action: TypeAlias = Literal["encode", "score"]
"""``encode``: tell which token ids would be run. ``score``: run them, and measure."""

Kind: TypeAlias = Literal["text", "continuation", "disjoint", "overlapping"]
"""What is computed for a request (context, text).

``text``: log p(text) behind a start token, the context is empty. ``continuation``: log p(text | context), with a start
token only where the tokenizer itself puts one. ``disjoint``: log p(text) in windows that share one token, the last one
filled up with context (lm-eval's rolling log-likelihood). ``overlapping``: log p(text) in windows that overlap by half,
so that each target behind the first window sees at least half a window (seqscore's).
"""

SystemName: TypeAlias = Literal["seqscore", "lm-eval", "minicons", "transformers"]
SYSTEMS: tuple[SystemName, ...] = get_args(SystemName)
PEERS: tuple[SystemName, ...] = ("lm-eval", "minicons")
"""Systems that run in the peers' own environment; plain transformers is at hand wherever seqscore is."""

UNABLE: dict[tuple[SystemName, Kind], str] = {
    ("minicons", "disjoint"): "has no windows",
    ("minicons", "overlapping"): "has no windows",
    ("lm-eval", "overlapping"): "its windows do not overlap",
}
"""What a system cannot compute, and why."""


class BenchmarkError(Exception):
    """Something that ends the benchmark, told in one line."""


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of tokens: ``ids[:-1]`` is read, ``ids[first_target:]`` is scored."""

    ids: tuple[int, ...]
    first_target: int

    @property
    def inputs(self) -> tuple[int, ...]:
        """What the model reads."""
        return self.ids[:-1]

    @property
    def targets(self) -> tuple[int, ...]:
        """What is scored."""
        return self.ids[self.first_target :]


Encoded: TypeAlias = tuple[Window, ...]
"""A request as token ids: one window, or those of a long text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Requests of one kind. ``max_length``: how many positions a window holds, for the two kinds with windows."""

    name: str
    kind: Kind
    requests: tuple[tuple[str, str], ...]
    max_length: int | None = None

    def choose(self, indices: list[int]) -> Workload:
        """Some of its requests."""
        return dataclasses.replace(self, requests=tuple(self.requests[i] for i in indices))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of a worker. ``limit``: the longest input of the model. ``batch_tokens`` and ``engine`` are seqscore's,
    ``batch_size`` is the others'.
    """

    action: Action
    system: SystemName
    model: str
    dtype: str
    threads: int
    engine: str
    batch_tokens: int | None
    batch_size: int
    limit: int | None
    workloads: tuple[Workload, ...]


def job_from_json(data: dict[str, Any]) -> Job:
    """The job that ``dataclasses.asdict`` made ``data`` of."""
    workloads = tuple(
        Workload(**{**one, "requests": tuple((context, text) for context, text in one["requests"])})
        for one in data["workloads"]
    )
    return Job(**{**data, "workloads": workloads})


def encoded_to_json(requests: list[Encoded]) -> list[list[list[Any]]]:
    """[[ids, first_target], ...] for each request."""
    return [[[list(window.ids), window.first_target] for window in one] for one in requests]


def encoded_from_json(data: list[list[list[Any]]]) -> list[Encoded]:
    """The inverse of ``encoded_to_json``."""
    return [tuple(Window(tuple(ids), first_target) for ids, first_target in one) for one in data]
