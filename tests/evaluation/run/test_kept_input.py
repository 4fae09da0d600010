from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from seqscore.errors import OptionError
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.run.kept_input import keep_streams
from seqscore.evaluation.run.run_folder import held

LINES = b'{"text": "a"}\n{"text": "b"}\n'


@pytest.fixture(autouse=True)
def _input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(LINES))))  # type: ignore[type-var]


def keep(folder: Path) -> list[str]:
    return keep_streams(["-"], folder, DataOptions())


def test_what_a_killed_copy_left_behind_is_no_stranger(tmp_path: Path) -> None:
    (tmp_path / ".input.0.tmp").write_bytes(LINES[:5])
    (tmp_path / ".lock").touch()
    assert keep(tmp_path) == [str(tmp_path / "input.jsonl")]
    assert (tmp_path / "input.jsonl").read_bytes() == LINES
    assert {one.name for one in tmp_path.iterdir()} <= {"input.jsonl", ".lock"}


def test_others_temporary_files_are_strangers(tmp_path: Path) -> None:
    (tmp_path / ".mine.tmp").touch()
    with pytest.raises(OptionError, match=r"is not empty and no run \('\.mine\.tmp' is in it\)"):
        keep(tmp_path)


def test_one_process_copies_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path):
        (tmp_path / ".input.0.tmp").write_bytes(b"of the other")
        with pytest.raises(OptionError, match="another process is working on"):
            keep(tmp_path)
        assert (tmp_path / ".input.0.tmp").read_bytes() == b"of the other"
    assert keep(tmp_path)


def test_the_bytes_are_on_the_disk_before_they_have_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    original, rename = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        synced.append(os.fstat(handle).st_size)
        original(handle)

    def replace(self: Path, target: Path) -> Any:
        assert synced == [len(LINES)], "before the rename"
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    keep(tmp_path)
