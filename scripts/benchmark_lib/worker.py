"""A worker: one system, loaded in a process of its own, which encodes or scores what its job says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from .jobs import Job, Workload, encoded_to_json, job_from_json
from .measure import measure
from .systems import System, load_system

_WARM_UP = Workload(name="warm-up", kind="text", requests=(("", "A short text to begin with."),))


def run_job(job: Job) -> dict[str, Any]:
    """The result of a job, ready for JSON."""
    import torch

    torch.set_num_threads(job.threads)
    system = load_system(job)
    if job.action == "encode":
        return {"encoded": {one.name: encoded_to_json(system.encode(one)) for one in job.workloads}}
    return _score(system, job)


def _score(system: System, job: Job) -> dict[str, Any]:
    (workload,) = job.workloads
    measured = measure(lambda: system.score(workload), model=system.model, warm_up=lambda: system.score(_WARM_UP))
    return {**dataclasses.asdict(measured), "versions": system.versions()}


def main(job_file: str, result_file: str) -> None:
    """Read a job, do it, write its result."""
    job = job_from_json(json.loads(Path(job_file).read_text(encoding="utf-8")))
    Path(result_file).write_text(json.dumps(run_job(job)), encoding="utf-8")
