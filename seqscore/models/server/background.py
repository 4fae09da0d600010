"""An event loop in a thread of its own, so that requests are under way while the caller waits or is stopped."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Runs coroutines. Its thread is a daemon, so that nothing waits for an answer once the program wants to end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin some work; cancelling the future stops it at once."""
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def stop(self, work: Coroutine[Any, Any, None]) -> None:
        """Some last work, and then no more; nothing waits for it."""
        loop = self._loop
        if loop is None or self._process != os.getpid() or loop.is_closed():
            work.close()
            return
        asyncio.run_coroutine_threadsafe(work, loop).add_done_callback(lambda _: _end(loop))

    def _running(self) -> asyncio.AbstractEventLoop:
        """The loop; a forked process, which has no thread but the one that forked, makes its own."""
        with self._lock:
            if self._loop is None or self._process != os.getpid():
                self._loop, self._process = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=_run, args=(self._loop,), name="seqscore-server", daemon=True).start()
            return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _end(loop: asyncio.AbstractEventLoop) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
