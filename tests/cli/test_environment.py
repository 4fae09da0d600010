from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqscore.cli.environment import bound_spinning, spin_settings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({}, "10000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, None),
        ({"OMP_NUM_THREADS": "2"}, "10000"),
    ],
)
def test_the_user_decides_and_else_spinning_is_bounded(given: dict[str, str], count: str | None) -> None:
    assert {**given, **spin_settings(given)}.get("GOMP_SPINCOUNT") == count


def test_a_process_that_has_torch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", object())  # type: ignore[arg-type]
    bound_spinning()
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # so that it is put back
    monkeypatch.delenv("GOMP_SPINCOUNT")
    bound_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == "10000"


def test_the_command_line_bounds_it_before_anything_loads_torch() -> None:
    """OpenMP reads the environment once, while it is loaded: then the count must be there."""
    program = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("count", os.environ.get("GOMP_SPINCOUNT"))
            sys.exit(3)
sys.meta_path.insert(0, Watch())
from seqscore.cli import main
main(["score", "a", "--model", "nowhere/at-all"])
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP", "OMP"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**environment, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("count 10000"), done.stderr
