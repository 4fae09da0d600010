"""The peers' environment, .venv-peers: their own pinned libraries, apart from seqscore's."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from .processes import run_to_end
from .workloads import BenchmarkError

FOLDER = ".venv-peers"
CONSTRAINTS = "scripts/benchmark-constraints.txt"
PACKAGES = ("torch", "transformers", "lm-eval[hf]", "minicons", "surprisal")


def ensure_peers(root: Path, *, tell: Callable[[str], None]) -> Path:
    """The Python of the peers' environment, which is made where it is missing, half made, or of other versions.

    Raises:
        BenchmarkError: the packages could not be installed, or the folder is somebody else's.
    """
    folder = root / FOLDER
    python, stamp, mark = folder / "bin" / "python", folder / ".benchmark-done", folder / ".benchmark-root"
    expected = _fingerprint(root)
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == expected:
        return python
    if folder.exists():
        if not mark.exists():
            raise BenchmarkError(f"{folder} was not made by scripts/benchmark; move it away")
        shutil.rmtree(folder)  # half made or of other versions: what pip fetched is in its cache
    tell(f"making {folder} with lm-eval, minicons and surprisal: about 700 MB to fetch where the package index")
    tell("    offers a CPU build of torch, up to 3 GB on Linux with CUDA")
    folder.mkdir()
    mark.write_text(str(root), encoding="utf-8")
    # pip works from outside, so that the new environment needs neither pip nor ensurepip.
    _step([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-c", str(root / CONSTRAINTS)]
    _step([*pip, *PACKAGES])
    stamp.write_text(expected, encoding="utf-8")
    return python


def _fingerprint(root: Path) -> str:
    pinned = hashlib.sha256((root / CONSTRAINTS).read_bytes()).hexdigest()
    return f"{pinned}\n{platform.python_version()}\n{root}\n"


def _step(command: list[str]) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0"}
    status = run_to_end(command, sys.stderr, environment)
    if status != 0:
        raise BenchmarkError(f"making the peers' environment failed: {' '.join(command)} (exit status {status})")
