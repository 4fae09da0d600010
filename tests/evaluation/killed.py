"""Processes that are killed before a chosen one of their calls, so that a moment is the same on every machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any

__all__ = ["FILES", "calls_of", "killed_before"]

FILES = frozenset(
    {"open", "write", "flush", "close", "fsync", "replace", "rename", "unlink", "mkdir", "flock", "scandir", "stat"}
)
"""What functions that touch files are called."""


def calls_of(act: Callable[[], object], names: Collection[str] | None = None, *, stop: int = 0) -> int:
    """How many functions written in C (with these names) ``act`` calls; this process dies before number ``stop``."""
    count = 0

    def watch(frame: FrameType, event: str, called: Any) -> None:
        nonlocal count
        if event == "c_call" and (names is None or called.__name__ in names):
            count += 1
            if count == stop:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def killed_before(stop: int, act: Callable[[], object], names: Collection[str] | None = None) -> bool:
    """Run ``act`` in a fork of this process, killed before its call number ``stop``; whether it came to that."""
    child = os.fork()
    if child == 0:
        signal.alarm(240)  # ends it should it hang, and is told from the signal that is meant
        try:
            calls_of(act, names, stop=stop)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status == signal.SIGKILL
