"""Jobs in processes of their own, one after another; none outlives the benchmark."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .workloads import BenchmarkError, Job, SystemName

_SCRIPTS = Path(__file__).resolve().parent.parent
_TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class Workers:
    """Runs jobs. ``pythons``: the interpreter of each system. ``busy``: how many processes work beside a scoring."""

    pythons: Mapping[SystemName, Path]
    busy: int = 0

    def run(self, job: Job) -> dict[str, Any]:
        """The result of a job.

        Raises:
            BenchmarkError: the worker failed; the message has the end of what it said.
        """
        with tempfile.TemporaryDirectory(prefix="seqscore-benchmark-") as temporary:
            job_file, result_file, log = (Path(temporary) / name for name in ("job.json", "result.json", "log"))
            job_file.write_text(json.dumps(dataclasses.asdict(job)), encoding="utf-8")
            command = [str(self.pythons[job.system]), "-m", f"{__package__.rpartition('.')[2]}.worker"]
            with log.open("wb") as output, busy_processes(self.busy):
                status = run_to_end([*command, str(job_file), str(result_file)], output, _environment(job))
            if status != 0 or not result_file.exists():
                raise BenchmarkError(_failure(job, status, log))
            result: dict[str, Any] = json.loads(result_file.read_text(encoding="utf-8"))
            return result


@contextmanager
def busy_processes(number: int) -> Iterator[None]:
    """So many processes keep a core each busy for as long as the block runs."""
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(number)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()


def run_to_end(command: list[str], output: Any, environment: Mapping[str, str]) -> int:
    """Exit status of a command in a process group of its own, which is killed if this process is interrupted."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
    )
    try:
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def _environment(job: Job) -> dict[str, str]:
    """The same for all: so many threads, nothing fetched. seqscore, the one of this source tree, waits as its command
    line makes it wait."""
    from seqscore.cli.environment import spin_settings

    threads = str(job.threads)
    return {
        **os.environ,
        **(spin_settings(dict(os.environ)) if job.system == "seqscore" else {}),
        "PYTHONPATH": os.pathsep.join([str(_SCRIPTS), str(_SCRIPTS.parent)]),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
    }


def _failure(job: Job, status: int, log: Path) -> str:
    what = f"{job.system} failed on {job.workload.name}"
    if status == -signal.SIGKILL:
        return f"{what}: it was killed, most likely because memory ran out (--limit takes fewer rows)"
    said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return "\n    ".join([f"{what} (exit status {status}):", *said[-_TAIL_LINES:]])
