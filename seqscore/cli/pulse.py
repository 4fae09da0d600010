"""Signs of life where no bar can be shown: a line on standard error every ten seconds, however long a step takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 10.0
"""Seconds between two lines."""


@contextmanager
def pulse(describe: Callable[[], str | None], show: Callable[[str], None]) -> Iterator[None]:
    """Show what ``describe`` says, if anything, every ten seconds for as long as the block runs."""
    ended = threading.Event()
    thread = threading.Thread(target=beat, args=(describe, show, ended.wait), name="seqscore-pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def beat(describe: Callable[[], str | None], show: Callable[[str], None], ended: Callable[[float], bool]) -> None:
    """Until ``ended``, which waits for as many seconds as it is given."""
    while not ended(EVERY):
        try:
            line = describe()
            if line is not None:
                show(line)
        except OSError:  # nobody reads standard error any more
            return
