"""A tiny model on disk, and the command line as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

_WITH_MODEL = ("score", "underflow", "verify", "eval", "explain")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    tiny_model("llama").save_pretrained(folder)
    tiny_tokenizer(chat=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A cache of its own, plain output, and no hub."""
    cache = tmp_path_factory.mktemp("cache")
    unset = ("FORCE_COLOR", "COLUMNS", "CI")
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    return {**inherited, "SEQSCORE_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"}


@pytest.fixture(scope="session")
def run(tiny_folder: Path, environment: dict[str, str]) -> Run:
    """Runs ``python -m seqscore ...`` with the tiny model (unless another is named) and gives what came back."""

    def call(*arguments: str, stdin: str | bytes = "", model: str | None = None) -> subprocess.CompletedProcess[str]:
        chosen = ["--model", model or str(tiny_folder)] if arguments[:1] and arguments[0] in _WITH_MODEL else []
        return subprocess.run(
            [sys.executable, "-m", "seqscore", *arguments, *chosen],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env=environment,
            check=False,
            timeout=120,
        )

    def text(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
        done = call(*arguments, **more)  # type: ignore[arg-type]
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()  # type: ignore[attr-defined]
        return done

    return text
