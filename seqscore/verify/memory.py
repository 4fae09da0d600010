"""The highest memory that a block of code needed above what was in use before it."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROCESS = Path("/proc/self")


@dataclass(slots=True)
class Peak:
    """Filled in at the end of the block; None where it cannot be known. ``method``: how it was taken."""

    bytes: int | None = None
    method: str = ""


@contextmanager
def peak_memory(device: str) -> Iterator[Peak]:
    """On CUDA the allocator's own mark; on a CPU under Linux the high-water mark of the resident set (VmHWM), set back
    before, or where that cannot be done samples of the resident set every 5 ms.
    """
    _give_back_free_memory()
    peak = Peak()
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.bytes, peak.method = torch.cuda.max_memory_allocated(device) - before, "torch's allocator"
    elif device == "cpu" and _set_back():
        before = _status("VmRSS")
        yield peak
        peak.bytes, peak.method = max(0, _status("VmHWM") - before), "VmHWM"
    elif device == "cpu" and (_PROCESS / "status").exists():
        before = _status("VmRSS")
        with _sampled() as highest:
            yield peak
        peak.bytes, peak.method = max(0, highest[0] - before), "VmRSS every 5 ms"
    else:
        yield peak


def _give_back_free_memory() -> None:
    """Garbage, and pages that malloc keeps for later: what the block takes from them would not show as growth."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None  # glibc has it
    if trim is not None:
        trim(0)


def _set_back() -> bool:
    """Some kernels accept it and do nothing. Another thread that frees memory meanwhile looks the same: tried again."""
    for _ in range(3):
        try:
            (_PROCESS / "clear_refs").write_text("5", encoding="ascii")
            if _status("VmHWM") - _status("VmRSS") < 2**24:
                return True
        except (OSError, LookupError):
            return False
    return False


@contextmanager
def _sampled() -> Iterator[list[int]]:
    """[bytes]: the highest resident set so far."""
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


def _status(name: str) -> int:
    for line in (_PROCESS / "status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
