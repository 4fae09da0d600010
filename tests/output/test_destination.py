from __future__ import annotations

import errno
import io
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from seqscore.errors import OptionError
from seqscore.output.destination import Output, refuse_overwriting


def test_a_file_appears_at_the_end_and_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with Output(target) as output:
        output.write(b"first ")
        output.write(b"second")
        assert not target.exists()
        assert len(list(tmp_path.iterdir())) == 1
    assert target.read_bytes() == b"first second"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_read_is_not_written_into(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    (folder / "a.txt").write_text("a\n")
    (tmp_path / "link.txt").symlink_to(folder / "a.txt")
    for target in (folder / "out.csv", folder / "below" / ".." / "out.csv"):
        with pytest.raises(OptionError, match="the next run would read it as data"):
            refuse_overwriting(target, ["x.txt", str(folder)])
    for target in (folder / "a.txt", tmp_path / "link.txt"):
        with pytest.raises(OptionError, match="is also the input and would be replaced"):
            refuse_overwriting(target, [str(folder)])
    for target in (tmp_path / "out.csv", folder / "below" / "out.csv", None):
        refuse_overwriting(target, [str(folder), "-", "no\0file"])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, BrokenPipeError, OSError, SystemExit])
def test_an_interrupted_block_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "out.txt"
    target.write_bytes(b"old")
    with pytest.raises(error) as caught, Output(target) as output:
        output.write(b"half")
        raise error("of the block")
    assert caught.value.args == ("of the block",)  # not turned into an error about the output
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_permissions_are_those_of_a_new_file_or_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    before = os.umask(0o027)
    try:
        with Output(target) as output:
            output.write(b"a")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    target.chmod(0o604)
    with Output(target) as output:
        output.write(b"b")
    assert stat.S_IMODE(target.stat().st_mode) == 0o604


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "folder" / "real.txt")
    with Output(link) as output:
        output.write(b"a")
    assert link.is_symlink()
    assert (tmp_path / "folder" / "real.txt").read_bytes() == b"a"


def test_names_as_long_as_a_file_system_allows(tmp_path: Path) -> None:
    target = tmp_path / ("漢" * 85)
    with Output(target) as output:
        output.write(b"a")
    assert target.read_bytes() == b"a"


def test_devices_and_pipes_are_written_straight_into(tmp_path: Path) -> None:
    with Output(Path("/dev/null")) as output:
        output.write(b"a")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    with Output(fifo) as output:
        output.write(b"through")
    reader.join()
    assert got == [b"through"]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no/folder/out.txt", "there is no folder '{folder}/no/folder'"),
        ("", "Is a directory"),
        ("file/out.txt", "Not a directory"),
        ("x" * 256, "File name too long"),
    ],
)
def test_targets_that_cannot_be_opened(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    target = tmp_path / name
    with pytest.raises(OptionError) as caught, Output(target):
        raise AssertionError("opened")
    assert str(caught.value) == f"cannot write {str(target)!r}: {reason.format(folder=tmp_path)}"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may write everywhere
    with (
        pytest.raises(OptionError, match=r"cannot write '.*out\.txt': Permission denied"),
        Output(tmp_path / "out.txt"),
    ):
        pass


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "No space left on device"
    with pytest.raises(OptionError, match=f"cannot write '/dev/full': {told}"), Output(Path("/dev/full")) as output:
        output.write(b"a")

    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "out.txt"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OptionError, match=rf"cannot write '.*out\.txt': {told}"), Output(target) as output:
        output.write(b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


class Standard(io.TextIOWrapper):
    """Stands for sys.stdout."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")


def test_standard_output_keeps_its_order_and_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Standard()
    monkeypatch.setattr(sys, "stdout", stdout)
    stdout.write("before ")  # still in the text layer's buffer
    with Output(None) as output:
        output.write("é ".encode())
    stdout.write("after")
    stdout.flush()
    assert stdout.buffer.getvalue().decode() == "before é after"  # type: ignore[attr-defined]


def test_standard_output_without_bytes_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    monkeypatch.setattr(sys, "stdout", text)
    with Output(None) as output:
        output.write("é".encode())
        assert not output.stream.isatty()
    assert text.getvalue() == "é"


def test_standard_output_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OptionError, match="cannot write standard output: it is closed"), Output(None):
        pass


def test_a_closed_pipe_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(BrokenPipeError), Output(None) as output:
            output.write(b"a")
        monkeypatch.undo()
        with pytest.raises(BrokenPipeError):
            stdout.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
