from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from seqscore.errors import CacheError
from seqscore.models.load import cache_folders
from seqscore.models.load.cache_folders import (
    MANIFEST,
    find_damage,
    locked,
    make_folder,
    publish,
    scratch_folder,
    write_manifest,
)
from seqscore.models.load.identity import HashMemory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(b"aaa")
    (folder / "b").write_bytes(b"bbb")
    write_manifest(folder, source="here")
    return folder


def _damage(folder: Path) -> str | None:
    return find_damage(folder, HashMemory(folder.parent / "cache"))


def test_what_was_written_is_whole(folder: Path) -> None:
    assert _damage(folder) is None
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["source"] == "here"
    assert {name: entry["size"] for name, entry in manifest["files"].items()} == {"a": 3, "b": 3}


def test_every_kind_of_damage_is_found(folder: Path) -> None:
    assert _damage(folder) is None
    (folder / "a").write_bytes(b"aab")
    assert _damage(folder) == "the content of a is not what was written"
    (folder / "a").write_bytes(b"aa")
    assert _damage(folder) == "a has the wrong size"
    (folder / "a").unlink()
    assert _damage(folder) == "it lacks or has too many files (a)"
    (folder / "a").write_bytes(b"aaa")
    (folder / "c").write_bytes(b"")
    assert _damage(folder) == "it lacks or has too many files (c)"
    (folder / "c").unlink()
    (folder / ".DS_Store").write_bytes(b"")
    assert _damage(folder) is None
    (folder / "b").unlink()
    (folder / "b").mkdir()
    assert _damage(folder) is not None


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"files": 1}', '{"files": {"a": {}}}', '{"files": {"a": {"size": "x"}}}']
)
def test_a_broken_manifest(folder: Path, content: str) -> None:
    (folder / MANIFEST).write_text(content)
    assert "manifest cannot be read" in str(_damage(folder))


def test_no_manifest_and_no_folder(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    assert _damage(folder) == "its manifest is missing"
    assert _damage(folder / "none") == "its manifest is missing"


def test_scratch_is_gone_after_success_error_and_interrupt(tmp_path: Path) -> None:
    target = tmp_path / "target"
    for error in (None, ValueError, KeyboardInterrupt):
        try:
            with scratch_folder(target) as scratch:
                (scratch / "file").write_bytes(b"x")
                if error is not None:
                    raise error
        except (ValueError, KeyboardInterrupt):
            pass
        assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".target.abc.tmp").mkdir()
    (tmp_path / ".target.abc.tmp" / "half").write_bytes(b"x")
    (tmp_path / ".other.abc.tmp").mkdir()
    with scratch_folder(tmp_path / "target"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".other.abc.tmp"]


def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    expected = r"cannot write to the cache at .*No space left.*SEQSCORE_CACHE"
    with pytest.raises(CacheError, match=expected), scratch_folder(tmp_path / "target"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_cache_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CacheError, match=r"cannot create the cache folder .*SEQSCORE_CACHE"):
        make_folder(tmp_path / "file" / "folder")
    with pytest.raises(CacheError, match=r"cannot lock the cache"), locked(tmp_path / "file" / "folder", None):
        pass


def test_publish_replaces_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").write_bytes(b"x")
    with scratch_folder(target) as scratch:
        built = scratch / "model"
        built.mkdir()
        (built / "new").write_bytes(b"x")
        publish(built, target)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_the_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError), locked(tmp_path / "target", None):
        raise ValueError
    said: list[str] = []
    with locked(tmp_path / "target", said.append):
        pass
    assert said == []


def test_free_space_is_known(tmp_path: Path) -> None:
    assert cache_folders.free_bytes(tmp_path) > 0
