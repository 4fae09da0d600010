"""Memory does not grow with the input: texts through a pipe, and what is held when more of them are asked for."""

from __future__ import annotations

import io
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest

from seqscore.cli import main

LINES = 1_200
SETTLED = 300
ROOM = 700_000
"""Bytes that may come on top, for texts that are read ahead; 900 scores that are kept take more than 2,000,000."""


class Lines(io.RawIOBase):
    """A pipe in which a line stands at a time; notes what is held whenever the next one is read."""

    def __init__(self) -> None:
        self.held: list[int] = []

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if len(self.held) == LINES:
            return 0
        self.held.append(tracemalloc.get_traced_memory()[0])
        line = b"line %d of many\n" % len(self.held)
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
    assert max(lines.held[SETTLED:]) <= max(lines.held[:SETTLED]) + ROOM
