"""``python -m benchmark_lib.worker JOB.json RESULT.json``: one system, in a process of its own, runs one workload.

A system is a module with a class ``LoadedSystem``, made of a job, which loads the model folder as its users do:
``model`` is the transformers model that runs; ``score(workload)`` gives the log-likelihood of each request in nats,
from the texts on, through its public calls; ``versions()`` those of the libraries whose speed this is.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .measure import measure
from .workloads import Job, Workload, job_from_json

_WARM_UP = Workload(name="warm-up", kind="text", requests=(("", "A short text to begin with."),))


def run_job(job: Job) -> dict[str, Any]:
    """The result of a job, ready for JSON."""
    import torch

    torch.set_num_threads(job.threads)
    module = import_module(f".system_{job.system.replace('-', '_')}", __package__)
    system = module.LoadedSystem(job)
    measured = measure(lambda: system.score(job.workload), model=system.model, warm_up=lambda: system.score(_WARM_UP))
    common = {name: version(name) for name in ("torch", "transformers")}
    return {**dataclasses.asdict(measured), "versions": {**common, **system.versions()}}


if __name__ == "__main__":
    asked = job_from_json(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(run_job(asked)), encoding="utf-8")
