"""Memory does not grow with the input: texts through a pipe, and what is held when more of them are asked for."""

from __future__ import annotations

import gc
import io
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest

from seqscore.cli import main

LINES = 1_200
SETTLED = 300
EVERY = 100
ROOM = 1_500_000
"""Bytes that may come on top, for texts that are read ahead and a chunk that was scored, of up to 512 lines by then.
The scores of 900 lines, were they kept, would take 2,000,000 more."""


class Lines(io.RawIOBase):
    """A pipe in which a line stands at a time; notes now and then what is held when the next one is read."""

    def __init__(self) -> None:
        self.read_so_far = 0
        self.held: dict[int, int] = {}

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self.read_so_far == LINES:
            return 0
        self.read_so_far += 1
        if self.read_so_far % EVERY == 0:
            gc.collect()
            self.held[self.read_so_far] = tracemalloc.get_traced_memory()[0]
        line = b"line %d of many\n" % self.read_so_far
        buffer[: len(line)] = line
        return len(line)


def test_what_is_held_does_not_grow(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, out = Lines(), tmp_path / "scores.jsonl"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(lines, 256)))
    tracemalloc.start()
    try:
        status = main(["score", "--file", "-", "-o", str(out), "--model", str(tiny_folder)])
    finally:
        tracemalloc.stop()
    assert status == 0, capsys.readouterr().err
    assert len(out.read_bytes().splitlines()) == LINES
    settled = max(held for read, held in lines.held.items() if read <= SETTLED)
    assert max(lines.held.values()) <= settled + ROOM, lines.held
