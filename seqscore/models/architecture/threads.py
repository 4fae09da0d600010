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
from threading import Lock, local

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
    if asked is not None:
        return asked
    usual = _switch().own_number()
    return usual if os.environ.get("OMP_NUM_THREADS") else min(usual, usable_cores())


@contextmanager
def running_threads(asked: int | None) -> Iterator[None]:
    """torch uses ``threads_of_run(asked)`` threads within the block, and afterwards the calling thread's own number.

    A thread of Python has a number of its own in torch, and the one that it begins with is what was set last in any
    thread. So a thread that uses torch for the first time during another's block, outside of ours, keeps the number of
    that block; ``torch.set_num_threads`` in that thread mends it.
    """
    import torch

    switch, number = _switch(), threads_of_run(asked)
    with switch.lock:
        found = torch.get_num_threads()
        outside = switch.enter(number)
        _set_threads(number)
    try:
        yield
    finally:
        if switch.pid == os.getpid():
            with switch.lock:
                nested = switch.leave(number)
                _set_threads(found if nested else outside)
        else:  # forked within the block: nothing is known here of the blocks of then
            _set_threads(outside)


def _set_threads(number: int) -> None:
    import torch

    if number != torch.get_num_threads():
        torch.set_num_threads(number)


@dataclass(slots=True)
class _Switch:
    """The open blocks of one process.

    ``numbers``: what they switched to. ``usual``: torch's number where the first of them began. ``thread``: of each
    thread how many blocks it is in (``depth``, absent before its first) and its number ``outside`` of them.
    """

    pid: int = field(default_factory=os.getpid)
    lock: Lock = field(default_factory=Lock)
    numbers: list[int] = field(default_factory=list)
    usual: int = 0
    thread: local = field(default_factory=local)

    def own_number(self) -> int:
        """This thread's number outside of all blocks.

        A thread that is new here and has the number of an open block is taken to have got it from that block.
        """
        import torch

        if getattr(self.thread, "depth", 0):
            return int(self.thread.outside)
        found = torch.get_num_threads()
        return self.usual if not hasattr(self.thread, "depth") and found in self.numbers else found

    def enter(self, number: int) -> int:
        """Count a block of this thread; gives its number outside."""
        self.thread.outside = self.own_number()
        self.thread.depth = getattr(self.thread, "depth", 0) + 1
        if not self.numbers:
            self.usual = self.thread.outside
        self.numbers.append(number)
        return int(self.thread.outside)

    def leave(self, number: int) -> bool:
        """End a block of this thread; gives whether it is still in another."""
        self.numbers.remove(number)
        self.thread.depth -= 1
        return bool(self.thread.depth)


_SWITCH = _Switch()


def _switch() -> _Switch:
    """That of this process: a fork copies locks that nobody opens any more, and blocks that nobody leaves."""
    global _SWITCH
    if _SWITCH.pid != os.getpid():
        _SWITCH = _Switch()
    return _SWITCH


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
