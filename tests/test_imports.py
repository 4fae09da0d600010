"""The import rule: every module imports from the layers below it only.

Own modules: every import counts, wherever it stands: at the top, in a function, under TYPE_CHECKING (to name a type of
a higher layer is to depend on it), or as a constant handed to ``import_module``. ``output/`` alone may name under
TYPE_CHECKING the results whose classes stand beside the functions that compute them; it never runs those modules.
Libraries: an import under TYPE_CHECKING does not count, since it never runs, except in ``plan/``, which is to be read
without torch.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
import tomllib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Part of the package -> the parts that it may import besides itself. A dotted name allows that one module only.
BELOW: dict[str, frozenset[str]] = {
    part: frozenset(allowed.split())
    for part, allowed in {
        "_version": "",
        "errors": "",
        "typed_json": "errors",
        "text": "errors",
        "plan": "errors",
        "models": "_version errors text.growth",
        "engine": "errors plan models",
        "scores": "_version errors text",
        # The only two places that join the layers below: the front, and what it does with one call.
        "notices": "errors text",
        "call": "_version errors text plan models engine scores notices",
        "scorer": "_version errors text plan models engine scores notices call",
        # Whoever uses the scorer may name what one hands to it: text.items (Item, Pair, the policies) and the public
        # names, "__init__" (from seqscore import LoadOptions).
        "evaluate": "_version errors typed_json scores scorer text.items plan.chunks plan.workload __init__",
        "verify": "_version errors scores scorer text.items __init__ engine",
        "explain": "_version errors scores scorer text.items __init__",
        # Of the layer below, output knows the records, which hold results and no way to compute them.
        "output": "_version errors typed_json scores evaluate.rows",
        "integrations": "_version errors scores scorer text.items __init__ evaluate verify explain output",
        "cli": "_version errors scores scorer text.items __init__ evaluate verify explain output integrations",
        "__init__": "_version errors text models scores scorer",
        "__main__": "cli",
    }.items()
}

# Parts whose names may stand in annotations besides.
NAMED_ONLY = {"output": frozenset({"evaluate", "verify", "explain"})}

# What no chain of imports that run may lead to: output/ reads results, it cannot compute them.
UNREACHABLE = {"output": frozenset({"models", "engine", "call", "scorer"})}

BANNED_LIBRARIES: dict[str, frozenset[str]] = {
    "text": frozenset({"torch", "transformers", "accelerate"}),
    "scores": frozenset({"torch", "transformers", "accelerate"}),
    "output": frozenset({"torch", "transformers", "accelerate"}),
}
ONLY_LIBRARIES: dict[str, frozenset[str]] = {
    "_version": frozenset(),
    "errors": frozenset(),
    "plan": frozenset({"numpy"}),
}

# In engine/ every module is an engine, which only resolve may import, but for these.
SHARED_IN_ENGINE = frozenset(
    """
    __init__ attention base experts fitness former guard head kernels layout logits masses resolve rows vocabulary
    """.split()
)

HEAVY = frozenset("accelerate datasets gguf matplotlib pandas pyarrow scipy tokenizers torch transformers".split())


@dataclass(frozen=True)
class Import:
    """One imported module; ``typing_only`` where it stands under TYPE_CHECKING."""

    target: str
    line: int
    typing_only: bool


@dataclass(frozen=True)
class Module:
    """One source file of the package and what it imports."""

    name: str
    part: str
    imports: tuple[Import, ...]


# ---- reading the tree ----


def is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def walk(node: ast.AST, typing_only: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every node below ``node`` and whether it stands in the body of ``if TYPE_CHECKING``."""
    yield node, typing_only
    if isinstance(node, ast.If) and is_type_checking(node.test):
        for statement in node.body:
            yield from walk(statement, True)
        for statement in node.orelse:
            yield from walk(statement, typing_only)
        return
    for child in ast.iter_child_nodes(node):
        yield from walk(child, typing_only)


def called_name(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


def targets(node: ast.AST, package: str, known: frozenset[str]) -> Iterator[str]:
    """The full names of the modules that one statement or call imports; ``known`` are the modules of the tree."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parents = package.split(".")
            base = ".".join([*parents[: len(parents) - node.level + 1], *([node.module] if node.module else [])])
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            yield submodule if submodule in known else base
    elif isinstance(node, ast.Call) and called_name(node) in ("import_module", "__import__") and node.args:
        name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield name.value


def read_tree(package: Path) -> list[Module]:
    """Every module of ``package`` with its imports."""
    files = {}
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package.parent).with_suffix("")
        files[".".join(relative.parts).removesuffix(".__init__")] = path
    known = frozenset(files)
    modules = []
    for name, path in files.items():
        parent = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found = tuple(
            Import(target, getattr(node, "lineno", 0), typing_only)
            for node, typing_only in walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))
            for target in targets(node, parent, known)
        )
        part = name.split(".")[1] if "." in name else "__init__"
        modules.append(Module(name, part, found))
    return modules


# ---- the rules: each gives sentences about what is broken ----


def own_part(target: str, package: str) -> tuple[str, str] | None:
    """(part, dotted name below the package) of an own module; None for a library."""
    head, _, below = target.partition(".")
    if head != package:
        return None
    return (below.split(".")[0], below) if below else ("__init__", "__init__")


def layer_problems(module: Module, package: str) -> Iterator[str]:
    if module.part not in BELOW:
        yield f"{module.name}: {module.part!r} has no layer; give it one in BELOW"
        return
    for one in module.imports:
        own = own_part(one.target, package)
        if own is None or own[0] == module.part:
            continue
        if one.typing_only and own[0] in NAMED_ONLY.get(module.part, ()):
            continue
        if not BELOW[module.part] & {own[0], own[1]}:
            allowed = sorted(BELOW[module.part])
            yield f"{module.name}:{one.line} imports {one.target}; {module.part} may import {allowed}"


def library_problems(module: Module, package: str) -> Iterator[str]:
    banned = BANNED_LIBRARIES.get(module.part, frozenset())
    only = ONLY_LIBRARIES.get(module.part)
    for one in module.imports:
        library = one.target.split(".")[0]
        if library == package or library in sys.stdlib_module_names:
            continue
        if library in banned and not one.typing_only:
            yield f"{module.name}:{one.line} imports {library}, which {module.part} must not"
        if only is not None and library not in only:
            yield f"{module.name}:{one.line} imports {library}; {module.part} may use {sorted(only)}"


def engine_problems(module: Module, package: str) -> Iterator[str]:
    prefix = f"{package}.engine."
    if not module.name.startswith(prefix) or module.name == prefix + "resolve":
        return
    for one in module.imports:
        engine = one.target.removeprefix(prefix).split(".")[0]
        mine = module.name.removeprefix(prefix).split(".")[0]
        if one.target.startswith(prefix) and engine not in SHARED_IN_ENGINE and engine != mine:
            yield f"{module.name}:{one.line} imports the engine {engine}; only resolve may"


def reach_problems(modules: list[Module], package: str) -> Iterator[str]:
    """Chains of imports that run, from a part to another that it must not reach; the shortest to each."""
    edges = {module.name: [one.target for one in module.imports if not one.typing_only] for module in modules}
    for module in modules:
        forbidden = set(UNREACHABLE.get(module.part, ()))
        chains = {module.name: [module.name]}
        queue = deque([module.name] if forbidden else [])
        while queue:
            name = queue.popleft()
            for target in edges.get(name, []):
                own = own_part(target, package)
                if own is None or target in chains:
                    continue
                chains[target] = [*chains[name], target]
                queue.append(target)
                if own[0] in forbidden:
                    forbidden.discard(own[0])
                    yield f"{' -> '.join(chains[target])}; {module.part} must not lead to {own[0]}"


def problems(package: Path) -> list[str]:
    """Everything in the tree ``package`` that breaks the import rule."""
    modules = read_tree(package)
    each = [
        problem
        for module in modules
        for rule in (layer_problems, library_problems, engine_problems)
        for problem in rule(module, package.name)
    ]
    return [*each, *reach_problems(modules, package.name)]


# ---- the package ----


def test_package_keeps_the_import_rule() -> None:
    found = problems(ROOT / "seqscore")
    assert not found, "\n".join(found)


def test_no_two_modules_import_each_other() -> None:
    edges = {(module.name, one.target) for module in read_tree(ROOT / "seqscore") for one in module.imports}
    found = {(a, b) for a, b in edges if a < b and (b, a) in edges}
    assert found <= {  # each names a result's class one way and calls a function the other way, when it runs
        ("seqscore.evaluate.run", "seqscore.evaluate.summary"),
        ("seqscore.scores.notebook", "seqscore.scores.sequence"),
    }


def test_the_guide_names_every_part_with_a_layer() -> None:
    guide = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = guide.split("### Who may import whom")[1].split("Imports go down")[0]
    assert not [part for part in BELOW if not part.startswith("__") and f"`{part}" not in table]


def test_the_whole_package_is_read() -> None:
    modules = read_tree(ROOT / "seqscore")
    assert {"seqscore", "seqscore.errors", "seqscore.scorer", "seqscore.engine.resolve"} <= {m.name for m in modules}
    assert sum(len(module.imports) for module in modules) > 100


def test_layers_go_downwards() -> None:
    """The table itself has no cycle, so there is an order from bottom to top."""
    placed: set[str] = set()
    waiting = {part: {one.split(".")[0] for one in allowed} for part, allowed in BELOW.items()}
    while waiting:
        ready = {part for part, needs in waiting.items() if needs <= placed}
        assert ready, f"a cycle among {sorted(waiting)}"
        placed |= ready
        waiting = {part: needs for part, needs in waiting.items() if part not in ready}


def undeclared(modules: list[Module], package: str, requirements: list[str]) -> set[str]:
    """Libraries that the modules import and no requirement names."""
    declared = {re.split(r"[^\w.-]", one.strip())[0].lower().replace("-", "_") for one in requirements}
    libraries = {one.target.split(".")[0] for module in modules for one in module.imports}
    return {name for name in libraries - {package} - sys.stdlib_module_names if name.lower() not in declared}


def test_every_library_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = [*project["dependencies"], *extras["notebook"], *extras["ray"]]
    assert not undeclared(read_tree(ROOT / "seqscore"), "seqscore", requirements)


def test_the_check_of_dependencies_can_fail(tmp_path: Path) -> None:
    modules = read_tree(write_tree(tmp_path, {"errors.py": "import click\n"}))
    assert undeclared(modules, "pkg", ["numpy>=2", "torch"]) == {"click"}


# ---- the checker is able to fail ----

CLEAN = {
    "__init__.py": "from pkg._version import __version__\n",
    "_version.py": "",
    "errors.py": "",
    "text/__init__.py": "",
    "text/items.py": "from __future__ import annotations\nfrom pkg.errors import SeqscoreError\n",
    "plan/__init__.py": "",
    "plan/trie.py": "import numpy as np\nfrom pkg.errors import SeqscoreError\n",
    "models/__init__.py": "import torch\n",
    "engine/__init__.py": "",
    "engine/base.py": "from pkg.plan import trie\n",
    "engine/padded.py": "import torch\nfrom pkg.engine.base import Engine\n",
    "engine/packed.py": "from .base import Engine\n",
    "engine/resolve.py": "from pkg.engine import packed, padded\n",
    "scores/__init__.py": "import numpy\n",
    "scorer.py": "from pkg.engine.resolve import resolve_engine\n",
    "evaluate/__init__.py": "",
    "evaluate/rows.py": "from pkg.scores import SequenceScore\n",
    "evaluate/run.py": "from pkg.scorer import Scorer\nfrom pkg.text.items import Pair\n",
    "output/__init__.py": "",
    "output/table.py": "from pkg.evaluate.rows import Row\n",
    "cli/__init__.py": "from pkg.output import table\nfrom pkg.evaluate import run\n",
}


def write_tree(folder: Path, changes: dict[str, str]) -> Path:
    for name, source in {**CLEAN, **changes}.items():
        path = folder / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder / "pkg"


def test_a_clean_tree_has_no_problem(tmp_path: Path) -> None:
    assert problems(write_tree(tmp_path, {})) == []


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("text/items.py", "from pkg.scorer import Scorer\n", "pkg.text.items:1 imports pkg.scorer"),
        ("text/items.py", "def f():\n    from pkg.engine import base\n", "pkg.text.items:2 imports pkg.engine.base"),
        ("text/items.py", "from ..plan import trie\n", "pkg.text.items:1 imports pkg.plan.trie"),
        ("text/items.py", "from .. import scorer\n", "pkg.text.items:1 imports pkg.scorer"),
        ("text/items.py", "import pkg\n", "pkg.text.items:1 imports pkg;"),
        ("text/__init__.py", "from ..scores import x\n", "pkg.text:1 imports pkg.scores"),
        (
            "text/items.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pkg.models\n",
            "pkg.text.items:3 imports pkg.models",
        ),
        (
            "text/items.py",
            "from importlib import import_module\nm = import_module('pkg.scores')\n",
            "pkg.text.items:2 imports pkg.scores",
        ),
        ("text/items.py", "def f():\n    import transformers.utils\n", "pkg.text.items:2 imports transformers, which"),
        ("plan/trie.py", "def f():\n    import torch\n", "pkg.plan.trie:2 imports torch; plan may use ['numpy']"),
        ("plan/trie.py", "import scipy.stats\n", "pkg.plan.trie:1 imports scipy"),
        (
            "plan/trie.py",
            "import typing\nif typing.TYPE_CHECKING:\n    from torch import Tensor\n",
            "pkg.plan.trie:3 imports torch",
        ),
        ("errors.py", "import numpy\n", "pkg.errors:1 imports numpy"),
        ("scores/__init__.py", "from torch import nn\n", "pkg.scores:1 imports torch, which"),
        ("engine/padded.py", "from pkg.engine.packed import run\n", "imports the engine packed; only resolve may"),
        ("engine/padded.py", "from . import packed\n", "imports the engine packed; only resolve may"),
        ("engine/base.py", "from pkg.engine import padded\n", "imports the engine padded; only resolve may"),
        ("engine/base.py", "from pkg.scores import x\n", "pkg.engine.base:1 imports pkg.scores"),
        ("scorer.py", "import pkg.cli\n", "pkg.scorer:1 imports pkg.cli"),
        ("evaluate/run.py", "from pkg.output import table\n", "pkg.evaluate.run:1 imports pkg.output.table"),
        ("evaluate/run.py", "from pkg.text import words\n", "pkg.evaluate.run:1 imports pkg.text"),
        ("output/table.py", "from pkg.evaluate import run\n", "pkg.output.table:1 imports pkg.evaluate.run"),
        (
            "evaluate/rows.py",
            "from pkg.scorer import Scorer\n",
            "pkg.output.table -> pkg.evaluate.rows -> pkg.scorer; output",
        ),
        (
            "output/table.py",
            "def f():\n    import pkg.evaluate.run as r\n",
            "pkg.output.table -> pkg.evaluate.run -> pkg.scorer -> pkg.engine.resolve; output must not lead to engine",
        ),
        (
            "evaluate/run.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.output import table\n",
            "pkg.evaluate.run:3 imports pkg.output.table",
        ),
        ("helpers.py", "", "'helpers' has no layer"),
    ],
)
def test_the_checker_finds(tmp_path: Path, name: str, source: str, said: str) -> None:
    found = problems(write_tree(tmp_path, {name: source}))
    assert any(said in problem for problem in found), found


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("text/items.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import transformers\n"),
        ("engine/late.py", "from pkg.engine.head import x\nfrom pkg.engine.attention import y\n"),
        ("evaluate/run.py", "import torch\nfrom pkg.evaluate import rows\n"),
        ("output/table.py", "import typing\nif typing.TYPE_CHECKING:\n    from pkg.evaluate.run import Lesson\n"),
    ],
)
def test_the_checker_allows(tmp_path: Path, name: str, source: str) -> None:
    assert problems(write_tree(tmp_path, {name: source})) == []


# ---- heavy libraries stay away until they are needed ----


def loaded_after(code: str) -> set[str]:
    """The top-level modules in memory after ``code`` ran in a fresh process, outside the tree's own folder."""
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
{textwrap.dedent(code)}
sys.__stdout__.write("LOADED " + " ".join({{name.partition(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
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


@pytest.mark.parametrize("arguments", [["--help"], ["score", "--help"], ["underflow", "--help"]])
def test_help_is_light(arguments: list[str]) -> None:
    loaded = loaded_after(RUN_MAIN.format(arguments=arguments))
    assert {"seqscore", "typer"} <= loaded
    assert not loaded & HEAVY


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


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_the_loading_check_can_fail(library: str) -> None:
    assert library in loaded_after(f"import types; sys.modules[{library!r}] = types.ModuleType({library!r})")
