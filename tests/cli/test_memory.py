"""Memory does not grow with the input: 200,000 lines through a pipe."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

LINES = 200_000
SETTLED = 20_000
ROOM = 24 * 2**20  # what the allocator may keep; 180,000 scores held would take more than 200 MB


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
def test_resident_memory_stays_flat(tiny_folder: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "seqscore", "score", "--file", "-", "--format", "jsonl", "--model"]
    process = subprocess.Popen(
        [*command, str(tiny_folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    feeder = threading.Thread(target=_feed, args=(process,), daemon=True)
    feeder.start()
    sizes = dict(_sizes(process))
    assert process.wait() == 0 and max(sizes) == LINES
    settled = sizes[SETTLED]
    assert max(sizes.values()) <= settled + ROOM, sizes


def _feed(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with process.stdin as stream:
        for number in range(LINES):
            stream.write(b"line %d of many\n" % number)


def _sizes(process: subprocess.Popen[bytes]) -> Iterator[tuple[int, int]]:
    """(lines that came back, resident bytes) now and then."""
    assert process.stdout is not None
    for number, _ in enumerate(process.stdout, start=1):
        if number % SETTLED == 0:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            yield number, 1024 * int(status.split("VmRSS:")[1].split()[0])
