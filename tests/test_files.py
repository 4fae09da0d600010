from __future__ import annotations

import errno
import json
import math
import os
import stat
from pathlib import Path

import pytest

from seqscore.errors import NumericsError, OptionError
from seqscore.files import NewFile, plain, sync, write_whole, writing


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("fails", [(os, "fsync"), (Path, "replace"), (Path, "open")], ids=lambda it: it[1])
@pytest.mark.parametrize("beside", [None, ".file.tmp"])
def test_an_interrupted_write_leaves_the_old_content_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: tuple[object, str], beside: str | None
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    monkeypatch.setattr(*fails, full)
    with pytest.raises(OptionError, match=r"cannot write '.*file': No space left"), writing(path):
        write_whole(path, b"new", beside=beside and tmp_path / beside)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_nothing_appears_before_it_is_complete_and_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced, rename = tmp_path / "file", [], Path.replace

    def fsync(handle: int) -> None:
        synced.append(os.fstat(handle).st_size)

    def replace(self: Path, target: Path) -> Path:
        assert synced == [3], "its bytes are on the disk before it has its name"
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    with NewFile(path) as new:
        new.stream.write(b"new")
        assert not path.exists()
        new.complete()
    assert path.read_bytes() == b"new" and len(synced) == 2, "the folder too"


def test_a_block_that_does_not_complete_leaves_nothing(tmp_path: Path) -> None:
    with NewFile(tmp_path / "file") as new:
        new.stream.write(b"half")
    assert not list(tmp_path.iterdir())


def test_permissions_are_those_of_a_new_file_or_of_the_old_one(tmp_path: Path) -> None:
    path, before = tmp_path / "file", os.umask(0o027)
    try:
        write_whole(path, b"a")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    write_whole(path, b"b")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_file_whose_permissions_cannot_be_taken_over_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    path = tmp_path / "file"
    write_whole(path, b"a")
    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(PermissionError):
        write_whole(path, b"b")
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == b"a"


def test_a_file_system_that_syncs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    sync(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        sync(tmp_path)


def test_json_has_no_infinities() -> None:
    found = plain({1: (math.inf, [-math.inf, {"a": 0.1}]), "b": None, "c": True, "d": "x"})
    assert found == {"1": ["Infinity", ["-Infinity", {"a": 0.1}]], "b": None, "c": True, "d": "x"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_not_a_number_is_refused_unless_it_has_a_form() -> None:
    value = {"a": [math.nan]}
    with pytest.raises(NumericsError, match="a number to be written is NaN"):
        plain(value)
    assert plain(value, nan="null") == {"a": [None]}
    assert plain(value, nan="text") == {"a": ["NaN"]}
