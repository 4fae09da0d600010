"""What is measured around a run: seconds, peak memory, positions that went through the model."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Measured:
    """``cpu_seconds``: of all threads together. ``memory``: bytes of the highest resident set above that after loading.
    ``memory_method``: how it was taken. ``positions``: token ids that went through the model.
    """

    scores: list[float]
    seconds: float
    cpu_seconds: float
    memory: int
    memory_method: str
    positions: int


def measure(score: Callable[[], list[float]], *, model: Any, warm_up: Callable[[], object]) -> Measured:
    """Run ``score`` once and measure it.

    The weights are read first, all of them, since a mapped file is in memory only where it was touched. Then memory
    begins to count, a short text warms up threads and kernels, and the clock starts.
    """
    _touch(model)
    gc.collect()
    with peak_memory() as memory:
        warm_up()
        with counted_positions(model) as count:
            start, cpu_start = time.perf_counter(), time.process_time()
            scores = score()
            seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return Measured(scores, seconds, cpu_seconds, memory[0], memory.method, count[0])


def _touch(model: Any) -> None:
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.detach().sum()


@contextmanager
def counted_positions(model: Any) -> Iterator[list[int]]:
    """[positions]: how many token ids were looked up in the model's embedding, padding included."""
    count = [0]

    def add(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        ids = arguments[0] if arguments else next(iter(named.values()))
        count[0] += int(ids.numel())

    handle = model.get_input_embeddings().register_forward_pre_hook(add, with_kwargs=True)
    try:
        yield count
    finally:
        handle.remove()


class Peak(list[int]):
    """[bytes], filled in at the end of the block, and the method."""

    method: str = ""


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """The highest resident set within the block above that at its start.

    Linux's own high-water mark (VmHWM), set back at the start; where that cannot be done, samples of the resident set
    every 5 ms; where there is no /proc, how far the process's highest mark so far was raised.
    """
    peak = Peak()
    if _set_back():
        peak.method = "VmHWM"
        start = _status("VmRSS")
        yield peak
        peak.append(max(0, _status("VmHWM") - start))
    elif _STATUS.exists():
        peak.method = "VmRSS every 5 ms"
        start = _status("VmRSS")
        with _sampled() as highest:
            yield peak
        peak.append(max(0, highest[0] - start))
    else:
        peak.method = "ru_maxrss"
        start = _highest_so_far()
        yield peak
        peak.append(max(0, _highest_so_far() - start))


def _set_back() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return _status("VmHWM") - _status("VmRSS") < 2**24  # some kernels accept it and do nothing


def _status(name: str) -> int:
    for line in _STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def _sampled() -> Iterator[list[int]]:
    highest, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            highest[0] = max(highest[0], _status("VmRSS"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield highest
    finally:
        done.set()
        watcher.join()


def _highest_so_far() -> int:
    import resource

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if os.uname().sysname == "Darwin" else highest * 1024
