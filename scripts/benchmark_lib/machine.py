"""The machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """``cores``: processors this process may use. ``memory``: bytes."""

    cpu: str
    cores: int
    memory: int
    system: str


def this_machine() -> Machine:
    """What the operating system says."""
    return Machine(
        cpu=_cpu(), cores=usable_cores(), memory=_memory(), system=f"{platform.system()} {platform.machine()}"
    )


def usable_cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    values = {name.strip(): value.strip() for name, value in found.items()}
    name = values.get("model name", platform.machine())
    extensions = [
        one for one in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if one in values.get("flags", "").split()
    ]
    return f"{name} ({', '.join(extensions)})" if extensions else name


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
