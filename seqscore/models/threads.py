"""How many threads a run uses: as asked for, else torch's own number, and never more than a container may use.

torch counts the processors of the machine. A control group that grants two of 64 leaves 64 threads to wait for one
another at every product, most of them not running.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from threading import Lock

from seqscore.errors import OptionError

_MOST = 1024
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def checked_threads(threads: int | None) -> int | None:
    """The number that was asked for.

    Raises:
        OptionError: no whole number from 1 to 1024.
    """
    if threads is None:
        return None
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= _MOST:
        raise OptionError(f"threads={threads!r} must be a whole number from 1 to {_MOST} (--threads)")
    return threads


def threads_of_run(asked: int | None) -> int:
    """How many threads a run uses.

    ``asked``, else torch's number; that is cut to what the control group grants, unless ``OMP_NUM_THREADS`` is set.
    """
    import torch

    if asked is not None:
        return asked
    usual = _SWITCH.usual or torch.get_num_threads()
    return usual if os.environ.get("OMP_NUM_THREADS") else min(usual, usable_cores())


@contextmanager
def running_threads(asked: int | None) -> Iterator[None]:
    """torch uses ``threads_of_run(asked)`` threads within the block.

    It is a switch of the process: with several blocks at once the last one to begin decides, and the last one to end
    puts back what the first one found.
    """
    import torch

    number = threads_of_run(asked)
    with _SWITCH.lock:
        _SWITCH.usual = _SWITCH.usual or torch.get_num_threads()
        _SWITCH.users += 1
        if number != torch.get_num_threads():
            torch.set_num_threads(number)
    try:
        yield
    finally:
        with _SWITCH.lock:
            _SWITCH.users -= 1
            if torch.get_num_threads() != _SWITCH.usual:
                torch.set_num_threads(_SWITCH.usual)
            if not _SWITCH.users:
                _SWITCH.usual = 0


@dataclass(slots=True)
class _Switch:
    """``usual``: torch's number before anybody switched it, 0 while nobody does."""

    lock: Lock = field(default_factory=Lock)
    users: int = 0
    usual: int = 0


_SWITCH = _Switch()


def usable_cores() -> int:
    """Processors that this process may use: those that it is bound to, cut to the control group's share of time."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = granted_cores()
    return bound if granted is None else max(1, min(bound, ceil(granted)))


def granted_cores(root: Path | None = None, own: Path | None = None) -> float | None:
    """How many processors' time the control groups above this process grant it; None for no limit.

    Both versions of control groups are read: ``cpu.max`` holds quota and period, or ``max``; the older
    ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us`` each one of them, the quota -1 for none.
    """
    root, own = root or _CONTROL_GROUPS, own or _OWN_GROUPS
    limits = [
        limit
        for folder in _folders(root, _read(own))
        for quota, period in (_both(folder),)
        if (limit := _share(quota, period)) is not None
    ]
    return min(limits, default=None)


def _folders(root: Path, groups: str) -> list[Path]:
    """The folders of this process's groups and of those above them. In a container the root is the group itself."""
    found = [root, root / "cpu", root / "cpu,cpuacct"]
    for line in groups.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        bases = [root / controllers, root / "cpu"] if controllers else [root]
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        found += [base.joinpath(*parts[:depth]) for base in bases for depth in range(1, len(parts) + 1)]
    return found


def _both(folder: Path) -> tuple[str, str]:
    words = _read(folder / "cpu.max").split()
    if len(words) == 2:
        return words[0], words[1]
    return _read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()


def _share(quota: str, period: str) -> float | None:
    if not (quota.isdecimal() and period.isdecimal()) or int(quota) < 1 or int(period) < 1:
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
