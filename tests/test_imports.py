"""The import rule, which ``pyproject.toml`` states as contracts, and what an import costs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = frozenset("accelerate datasets gguf matplotlib pandas pyarrow scipy tokenizers torch transformers".split())


def broken_contracts(tree: Path) -> str:
    """What import-linter finds against the contracts of the tree's pyproject.toml; empty where they hold."""
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    return done.stdout.partition("Broken contracts")[2] if done.returncode else ""


def test_the_package_keeps_its_contracts() -> None:
    assert broken_contracts(ROOT) == ""


def test_a_broken_contract_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "seqscore", tmp_path / "seqscore", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, line in {
        "text/items.py": "from seqscore.scorer import Scorer",
        "plan/trie.py": "def f():\n    import torch",
        "engine/padded.py": "from seqscore.engine.packed import PackedEngine",
        "engine/fourth.py": "from seqscore.engine.reference import ReferenceEngine",
        "evaluation/tasks/base.py": "from seqscore.engine.base import Engine",
        "scores/reductions.py": "from seqscore.scores.sequence_score import SequenceScore",
    }.items():
        with (tmp_path / "seqscore" / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    found = broken_contracts(tmp_path)
    for said in (
        "seqscore.text.items -> seqscore.scorer",
        "seqscore.plan.trie -> torch",
        "seqscore.engine.padded -> seqscore.engine.packed",
        "seqscore.engine.fourth",
        "seqscore.evaluation.tasks.base -> seqscore.engine.base",
        "No cycles are allowed in seqscore.scores",
    ):
        assert said in found


def undeclared(libraries: set[str], requirements: list[str]) -> set[str]:
    """Libraries that no requirement names."""
    declared = {re.split(r"[^\w.-]", one.strip())[0].lower().replace("-", "_") for one in requirements}
    return {name for name in libraries - sys.stdlib_module_names if name.lower() not in declared}


def test_every_library_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    graph = grimp.build_graph("seqscore", include_external_packages=True)
    libraries = {name for name in graph.modules if graph.is_module_squashed(name)}
    for_use = [one for name, several in extras.items() if name not in ("dev", "test") for one in several]
    assert {"torch", "numpy"} <= libraries
    assert not undeclared(libraries, [*project["dependencies"], *for_use])
    assert undeclared({"click"}, project["dependencies"]) == {"click"}


# ---- heavy libraries stay away until they are needed ----


def loaded_after(code: str) -> set[str]:
    """The top-level modules in memory after ``code`` ran in a fresh process, outside the tree's own folder."""
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
{textwrap.dedent(code)}
sys.__stdout__.write("LOADED " + " ".join({{name.partition(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED ")[2].split())


RUN_MAIN = """
import runpy
sys.argv = ["seqscore", *{arguments!r}]
try:
    runpy.run_module("seqscore", run_name="__main__")
except SystemExit as stop:
    assert not stop.code, stop.code
"""


def test_import_seqscore_is_light() -> None:
    loaded = loaded_after("import seqscore")
    assert "seqscore" in loaded
    assert not loaded & {*HEAVY, "numpy", "rich", "typer"}


@pytest.mark.parametrize("arguments", [["--help"], ["score", "--help"], ["eval", "pairs", "--help"]])
def test_help_is_light(arguments: list[str]) -> None:
    loaded = loaded_after(RUN_MAIN.format(arguments=arguments))
    assert {"seqscore", "typer"} <= loaded
    assert not loaded & HEAVY
    assert "numpy" not in loaded or "eval" in arguments  # the tasks' commands are made from the tasks


def test_plan_needs_no_torch() -> None:
    """All of plan/ runs where torch and transformers cannot be imported at all."""
    code = """
    import importlib, pkgutil
    sys.modules.update(dict.fromkeys(["torch", "transformers", "tokenizers"]))  # importing them is an error
    import seqscore.plan
    for module in pkgutil.walk_packages(seqscore.plan.__path__, "seqscore.plan."):
        importlib.import_module(module.name)
    """
    assert "numpy" in loaded_after(code)


@pytest.mark.parametrize("room", ["text", "scores", "output", "evaluation"])
def test_rooms_load_no_model_library(room: str) -> None:
    """Importing every module of a room loads neither torch nor, where results are only shown, what computes them."""
    code = f"""
    import importlib, pkgutil
    import seqscore.{room} as room
    for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
        importlib.import_module(module.name)
    shown = [] if room.__name__ != "seqscore.output" else ["seqscore.scorer", "seqscore.engine", "seqscore.models"]
    assert not [name for name in shown if name in sys.modules], sys.modules.keys()
    """
    assert not loaded_after(code) & {"torch", "transformers"}


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_the_loading_check_can_fail(library: str) -> None:
    assert library in loaded_after(f"import types; sys.modules[{library!r}] = types.ModuleType({library!r})")
