"""A tiny model on disk, and the command line: in this process, or with all that a real one needs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from huggingface_hub import constants

from seqscore.cli import main
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

_WITH_MODEL = ("score", "words", "next", "verify", "eval", "explain")
_UNSET = ("FORCE_COLOR", "COLUMNS", "CI")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    tiny_model("llama").save_pretrained(folder)
    tiny_tokenizer(chat=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For a process of its own: its own cache, plain output, and no hub."""
    cache = tmp_path_factory.mktemp("cache")
    inherited = {name: value for name, value in os.environ.items() if name not in _UNSET}
    return {**inherited, "SEQSCORE_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"}


@contextmanager
def standard_streams(*files: IO[bytes]) -> Iterator[None]:
    """These files in place of standard input, output and error, for Python and for libraries below it."""
    saved, python = [os.dup(number) for number in range(3)], (sys.stdin, sys.stdout, sys.stderr)
    for stream in python[1:]:
        stream.flush()
    for number, file in enumerate(files):
        os.dup2(file.fileno(), number)
    ours = [
        open(number, "r" if number == 0 else "w", encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        for number, errors in enumerate(("strict", "strict", "backslashreplace"))
    ]
    sys.stdin, sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        for stream in ours:
            stream.close()
        sys.stdin, sys.stdout, sys.stderr = python
        for number, descriptor in enumerate(saved):
            os.dup2(descriptor, number)
            os.close(descriptor)


@pytest.fixture(scope="session")
def run(tiny_folder: Path, environment: dict[str, str]) -> Run:
    """What ``python -m seqscore ...`` does, in this process, its streams files, on the tiny model unless one is named.

    What belongs to a process (signals, closed pipes, what an import loads) has tests that start one.
    """

    def call(*arguments: str, stdin: str | bytes = "", model: str | None = None) -> subprocess.CompletedProcess[str]:
        chosen = ["--model", model or str(tiny_folder)] if arguments[:1] and arguments[0] in _WITH_MODEL else []
        given = [*arguments, *chosen]
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryFile() as read:
            for name in _UNSET:
                patch.delenv(name, raising=False)
            patch.setenv("SEQSCORE_CACHE", environment["SEQSCORE_CACHE"])
            patch.setattr(constants, "HF_HUB_OFFLINE", True)
            read.write(stdin.encode() if isinstance(stdin, str) else stdin)
            read.seek(0)
            with tempfile.TemporaryFile() as written, tempfile.TemporaryFile() as told:
                with standard_streams(read, written, told):
                    status = main(given)
                said = []
                for file in (written, told):
                    file.seek(0)
                    said.append(file.read().decode())
        return subprocess.CompletedProcess(given, status, *said)

    return call
