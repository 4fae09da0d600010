"""scripts/setup with an interpreter that only notes what it is told: order, repetition, interruption, messages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Stands for python3 and for .venv/bin/python. Its state lies in $FAKE: `log` (what was installed), and the files
# `old` (its version is too low), `no-ensurepip`, `no-pip` and `stop` (pip ends with the status in it).
FAKE_PYTHON = r"""#!/bin/bash
case "$*" in
    *m.version*) exit 1 ;;
    *version_info*) [ ! -e "$FAKE/old" ] ;;
    *python_version*) echo 3.11.0 ;;
    *"import ensurepip"*) [ ! -e "$FAKE/no-ensurepip" ] ;;
    *"-m venv"*)
        echo "venv ${*:3}" >>"$FAKE/log"
        mkdir -p "${!#}/bin" && cp "$0" "${!#}/bin/python"
        ;;
    *"-m pip --version"*) [ ! -e "$FAKE/no-pip" ] ;;
    *"-m pip check"*) echo check >>"$FAKE/log" ;;
    *"-m pip"*install*)
        if [ -e "$FAKE/stop" ]; then exit "$(cat "$FAKE/stop")"; fi
        echo "${*:3}" >>"$FAKE/log"
        ;;
    "-I -") echo repair >>"$FAKE/log" ;;
esac
"""
INSTALL = "install -c scripts/constraints.txt"
FRESH = [
    "venv .venv",
    f"{INSTALL} torch",
    f"{INSTALL} hatchling editables",
    f"{INSTALL} --no-build-isolation -e .[test]",
    "check",
]


@dataclass(frozen=True)
class Clone:
    """A copy of what scripts/setup needs, in a folder with a space in its name."""

    root: Path
    state: Path

    def setup(self, *extras: str, expect: int = 0) -> tuple[str, list[str]]:
        """What it says, and what it does."""
        variables = {"PATH": f"{self.state / 'bin'}:/usr/bin:/bin", "FAKE": str(self.state), "HOME": str(self.state)}
        command = [str(self.root / "scripts" / "setup"), *extras]
        done = subprocess.run(command, cwd=self.state, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == expect, done.stderr
        log = self.state / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return done.stderr, lines


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    root, state = tmp_path / "a clone", tmp_path / "state"
    for name in ("pyproject.toml", "scripts/setup", "scripts/constraints.txt", "seqscore/_version.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name)
    # Every name that setup tries is ours, so that no interpreter of this machine answers.
    (state / "bin").mkdir(parents=True)
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        (state / "bin" / name).write_text(FAKE_PYTHON)
        (state / "bin" / name).chmod(0o755)
    return Clone(root, state)


def test_torch_comes_first_once_and_again_when_something_changed(clone: Clone) -> None:
    said, done = clone.setup()
    assert done == FRESH
    assert "about 200 MB where the package index offers a CPU build, up to 3 GB" in said
    assert clone.setup() == ("", [])
    for changed in ("pyproject.toml", "scripts/constraints.txt", "seqscore/_version.py"):
        with (clone.root / changed).open("a") as file:
            file.write("\n# changed\n")
        assert clone.setup()[1] == FRESH[1:]
    assert f"{INSTALL} --no-build-isolation -e .[dev]" in clone.setup("dev")[1]
    assert clone.setup("test", "notebook", "dev")[1] == []


def test_an_interrupted_run_is_continued_and_a_failure_is_one(clone: Clone) -> None:
    (clone.state / "stop").write_text("130")
    said, done = clone.setup(expect=130)
    assert "Run the same command again" in said and done == ["venv .venv"]
    (clone.state / "stop").write_text("7")
    assert "not finished" in clone.setup(expect=7)[0]
    (clone.state / "stop").unlink()
    assert clone.setup()[1] == ["repair", *FRESH[1:]]


def test_a_moved_or_broken_environment_is_made_anew_and_anothers_left_alone(clone: Clone, tmp_path: Path) -> None:
    clone.setup()
    moved = Clone(clone.root.rename(tmp_path / "moved"), clone.state)
    assert moved.setup()[1] == FRESH
    (moved.root / ".venv/bin/python").unlink()
    assert moved.setup()[1] == FRESH
    (moved.root / ".venv/.setup-root").unlink()
    (moved.root / ".venv/.setup-test").unlink()
    (moved.root / ".venv/bin/python").unlink()
    assert "was not made by scripts/setup" in moved.setup(expect=1)[0]
    assert (moved.root / ".venv/bin").exists()


def test_interpreters_that_will_not_do(clone: Clone) -> None:
    for name in ("python3", "python3.13"):  # shims of versions that are not there
        (clone.state / "bin" / name).write_text("#!/bin/bash\nexit 127\n")
    (clone.state / "no-ensurepip").touch()
    (clone.state / "no-pip").touch()
    assert "has neither ensurepip nor pip" in clone.setup(expect=1)[0]
    (clone.state / "no-pip").unlink()
    said, done = clone.setup()
    assert "bin/python3.12 " in said
    assert done[:2] == ["venv --without-pip .venv", "--python .venv/bin/python install pip"]
    shutil.rmtree(clone.root / ".venv")
    (clone.state / "old").touch()
    said, done = clone.setup(expect=1)
    assert "no Python 3.11 or newer found" in said and done == []
    assert "unknown extra 'everything'; expected test, dev" in clone.setup("everything", expect=1)[0]


def test_half_installed_distributions_are_forgotten(tmp_path: Path) -> None:
    """The repair itself, run by a real interpreter whose site-packages is a folder of ours."""
    site = tmp_path / "site"
    for name, record in (("whole-1.dist-info", "whole-1.dist-info/INSTALLER,,\n"), ("cut-1.dist-info", "cut.py,,\n")):
        (site / name).mkdir(parents=True)
        (site / name / "RECORD").write_text(record)
    (site / "bare-1.dist-info").mkdir()
    (site / "~orch").mkdir()
    source = (ROOT / "scripts/setup").read_text(encoding="utf-8")
    program = source.split("<<'PY'\n")[1].split("\nPY\n")[0].replace('sysconfig.get_path("purelib")', repr(str(site)))
    done = subprocess.run([sys.executable, "-I", "-"], input=program, capture_output=True, text=True, check=True)
    assert [path.name for path in site.iterdir()] == ["whole-1.dist-info"]
    assert "cut-1.dist-info was only half installed" in done.stdout
