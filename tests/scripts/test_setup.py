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


@dataclass(frozen=True)
class Clone:
    """A copy of what scripts/setup needs, in a folder with a space in its name."""

    root: Path
    state: Path

    def setup(self, *extras: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {
            "PATH": f"{self.state / 'bin'}:/usr/bin:/bin",
            "FAKE": str(self.state),
            "HOME": str(self.state),
            **environment,
        }
        command = [str(self.root / "scripts" / "setup"), *extras]
        return subprocess.run(
            command, cwd=cwd or self.state, env=variables, capture_output=True, text=True, check=False
        )

    def log(self) -> list[str]:
        """What was done since the last call."""
        path = self.state / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def set(self, name: str, content: str = "") -> None:
        (self.state / name).write_text(content)


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    root, state = tmp_path / "a clone", tmp_path / "state"
    for name in ("pyproject.toml", "scripts/setup", "scripts/constraints.txt", "seqscore/_version.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name)
    # Every name that setup tries is ours, so that no interpreter of this machine answers.
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        executable(state / "bin" / name, FAKE_PYTHON)
    return Clone(root, state)


INSTALL = "install -c scripts/constraints.txt"
FRESH = [
    "venv .venv",
    f"{INSTALL} torch",
    f"{INSTALL} hatchling editables",
    f"{INSTALL} --no-build-isolation -e .[test]",
    "check",
]


def test_torch_comes_first_and_pinned(clone: Clone) -> None:
    done = clone.setup()
    assert done.returncode == 0, done.stderr
    assert clone.log() == FRESH
    assert "torch==2.13.0\n" in (ROOT / "scripts/constraints.txt").read_text()


def test_sizes_are_said_before_fetching(clone: Clone) -> None:
    clone.set("stop", "1")
    assert "about 200 MB where the package index offers a CPU build, up to 3 GB" in clone.setup().stderr


def test_a_second_run_does_nothing(clone: Clone) -> None:
    clone.setup()
    clone.log()
    done = clone.setup(cwd=clone.root / "scripts")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert clone.log() == []


@pytest.mark.parametrize("changed", ["pyproject.toml", "scripts/constraints.txt", "seqscore/_version.py"])
def test_a_change_of_what_is_installed_is_noticed(clone: Clone, changed: str) -> None:
    clone.setup()
    clone.log()
    with (clone.root / changed).open("a") as file:
        file.write("\n# changed\n")
    assert clone.setup().returncode == 0
    assert clone.log() == FRESH[1:]


def test_extras_are_remembered_apart(clone: Clone) -> None:
    clone.setup("test")
    clone.log()
    assert clone.setup("dev").returncode == 0
    assert f"{INSTALL} --no-build-isolation -e .[dev]" in clone.log()
    clone.setup("test", "notebook", "dev")
    assert clone.log() == []


def test_an_interrupted_run_is_continued(clone: Clone) -> None:
    clone.set("stop", "130")
    stopped = clone.setup()
    assert stopped.returncode == 130
    assert "Run the same command again" in stopped.stderr
    assert clone.log() == ["venv .venv"]
    (clone.state / "stop").unlink()
    assert clone.setup().returncode == 0
    assert clone.log() == ["repair", *FRESH[1:]]


def test_a_failure_of_pip_is_a_failure(clone: Clone) -> None:
    clone.set("stop", "7")
    stopped = clone.setup()
    assert stopped.returncode == 7
    assert "not finished" in stopped.stderr


def test_a_moved_clone_gets_a_new_environment(clone: Clone, tmp_path: Path) -> None:
    clone.setup()
    clone.log()
    moved = Clone(clone.root.rename(tmp_path / "moved"), clone.state)
    assert moved.setup().returncode == 0
    assert moved.log() == FRESH


def test_an_environment_without_its_interpreter_is_made_anew(clone: Clone) -> None:
    clone.setup()
    clone.log()
    (clone.root / ".venv/bin/python").unlink()
    assert clone.setup().returncode == 0
    assert clone.log() == FRESH


def test_somebody_elses_environment_is_left_alone(clone: Clone) -> None:
    theirs = clone.root / ".venv" / "precious"
    executable(theirs, "")
    done = clone.setup()
    assert done.returncode == 1
    assert "was not made by scripts/setup" in done.stderr
    assert theirs.exists()


def test_python_too_old(clone: Clone) -> None:
    clone.set("old")
    done = clone.setup()
    assert done.returncode == 1
    assert "no Python 3.11 or newer found" in done.stderr
    assert clone.log() == []


def test_a_shim_that_fails_is_passed_over(clone: Clone) -> None:
    for name in ("python3", "python3.13"):
        executable(clone.state / "bin" / name, "#!/bin/bash\necho 'command not found' >&2\nexit 127\n")
    done = clone.setup()
    assert done.returncode == 0, done.stderr
    assert "bin/python3.12 " in done.stderr


def test_a_chosen_python_that_does_not_run(clone: Clone) -> None:
    done = clone.setup(PYTHON="/nowhere/python")
    assert done.returncode == 1
    assert "PYTHON=/nowhere/python is not a Python 3.11 or newer that runs" in done.stderr


def test_pip_of_the_system_helps_out_where_ensurepip_is_missing(clone: Clone) -> None:
    clone.set("no-ensurepip")
    assert clone.setup().returncode == 0
    assert clone.log()[:2] == ["venv --without-pip .venv", "--python .venv/bin/python install pip"]


def test_neither_ensurepip_nor_pip(clone: Clone) -> None:
    clone.set("no-ensurepip")
    clone.set("no-pip")
    done = clone.setup()
    assert done.returncode == 1
    assert "has neither ensurepip nor pip" in done.stderr
    assert "python3-venv" in done.stderr


def test_an_unknown_extra(clone: Clone) -> None:
    done = clone.setup("everything")
    assert done.returncode == 1
    assert "unknown extra 'everything'; expected test, dev, notebook or ray" in done.stderr
    assert clone.log() == []


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
