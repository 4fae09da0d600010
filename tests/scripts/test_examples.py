"""The examples, the demo and the checks of the gate run, on a tiny random model where they need one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

Example: TypeAlias = Callable[..., str]

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
BASH_SCRIPTS = [
    SCRIPTS / "setup",
    SCRIPTS / "demo",
    SCRIPTS / "figures",
    SCRIPTS / "test",
    SCRIPTS / "constraints-update",
    SCRIPTS / "evaluate_on_ray",
    ROOT / ".ci/run",
]
EXAMPLES = ["score_sentences", "evaluate_dataset", "naive_vs_logsum"]


def load(name: str) -> ModuleType:
    """A script as a module; its ``main`` is not run."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny model")
    load("smoke").build_model(folder)
    return folder


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_model: Path, tmp_path: Path
) -> Example:
    """run(name, *arguments): what the example prints with the tiny model."""
    monkeypatch.setenv("SEQSCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))

    def example(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments, "--model", str(tiny_model)])
        load(name).main()
        return capsys.readouterr().out

    return example


@pytest.mark.parametrize("script", BASH_SCRIPTS, ids=lambda path: path.name)
def test_bash_scripts_parse_are_executable_and_strict(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert os.access(script, os.X_OK)
    assert "\nset -euo pipefail\n" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*EXAMPLES, "smoke", "check_wheel"])
def test_help(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as stop:
        load(name).main()
    assert stop.value.code == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_short(name: str) -> None:
    assert len((SCRIPTS / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 60


def test_score_sentences(run: Example) -> None:
    lines = run("score_sentences").splitlines()
    assert lines[0].split() == ["nats", "perplexity", "bits/byte", "text"]
    assert len(lines) == 1 + 12 + 1
    assert lines[1].endswith("It rained.")
    assert float(lines[1].split()[0]) < 0
    assert lines[-1].startswith("signature: ")


def test_score_sentences_takes_texts(run: Example) -> None:
    lines = run("score_sentences", "Hello.", "").splitlines()
    assert lines[1].split()[-1] == "Hello."
    assert lines[2].split() == ["0.000", "-", "-"]


def test_evaluate_dataset_counts_ties(run: Example, tmp_path: Path) -> None:
    row = '{{"sentence_good": "{}", "sentence_bad": "{}"}}\n'
    data = tmp_path / "pairs.jsonl"
    data.write_text(row.format("a", "a") + row.format("a", "a much longer sentence") + row.format("a longer one", "b"))
    lines = run("evaluate_dataset", str(data)).splitlines()
    assert [line.split()[0] for line in lines] == ["tie", "right", "wrong", "accuracy"]
    assert lines[-1] == "accuracy 0.333 {'tie': 1, 'right': 1, 'wrong': 1}"


def test_evaluate_dataset_on_our_pairs(run: Example) -> None:
    assert len(run("evaluate_dataset").splitlines()) == 20 + 1


def test_naive_vs_logsum(run: Example) -> None:
    lines = [line.split() for line in run("naive_vs_logsum").splitlines()]
    assert [line[0] for line in lines[2:]] == ["float16", "bfloat16", "float32", "float64", "log-sum"]
    assert all(
        product == "0" and int(token) > 0 and perplexity == "inf" for _, product, token, perplexity in lines[2:6]
    )
    assert float(lines[6][1]) < -745
    assert float(lines[6][3]) > 1


# ---- the check of the wheel ----


def wheel(path: Path, *, without: str = "", extra: str = "", licence: str = "Apache-2.0") -> Path:
    """A wheel as the build makes it, or not quite."""
    info = "seqscore-0.1.0.dist-info"
    kinds = ("*.py", "*.html", "*.css", "*.js", "py.typed")
    names = [file.relative_to(ROOT).as_posix() for kind in kinds for file in (ROOT / "seqscore").rglob(kind)]
    entries = dict.fromkeys([*names, f"{info}/licenses/LICENSE", *([extra] if extra else [])], "")
    entries[f"{info}/METADATA"] = f"Name: seqscore\nLicense-Expression: {licence}\nRequires-Python: >=3.11\n"
    entries[f"{info}/entry_points.txt"] = "[console_scripts]\nseqscore = seqscore.cli:main\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            if name != without:
                archive.writestr(name, content)
    return path


def test_a_good_wheel_passes(tmp_path: Path) -> None:
    assert list(load("check_wheel").problems(wheel(tmp_path / "w.whl"))) == []


def test_a_bad_wheel_is_found(tmp_path: Path) -> None:
    problems = load("check_wheel").problems
    assert list(problems(wheel(tmp_path / "a.whl", without="seqscore/py.typed"))) == ["seqscore/py.typed is missing"]
    assert list(problems(wheel(tmp_path / "b.whl", extra="tests/x.py"))) == ["tests/x.py does not belong into it"]
    assert "expected 'Apache-2.0'" in next(iter(problems(wheel(tmp_path / "c.whl", licence="MIT"))))


# ---- the checks of the smoke test ----


def test_the_smoke_test_can_fail(tiny_model: Path) -> None:
    smoke = load("smoke")
    text = "It"
    ids = [40, 83]
    right = smoke.expected_logprobs(tiny_model, ids)[0]
    tokens: list[dict[str, Any]] = [
        {"id": ids[0], "start": 0, "end": 1, "logprob": None},
        {"id": ids[1], "start": 1, "end": 2},
    ]

    def record(logprob: float, end: int = 2) -> dict[str, Any]:
        last = {**tokens[1], "logprob": logprob, "end": end}
        return {"text": text, "tokens": [tokens[0], last], "log_likelihood": logprob}

    smoke.check_record(tiny_model, text, record(right))
    for broken in (record(right + 2e-4), record(right, end=1), {**record(right), "log_likelihood": right + 1}):
        with pytest.raises(SystemExit):
            smoke.check_record(tiny_model, text, broken)


def test_the_page_of_models_shows_the_sessions_that_the_smoke_step_runs(tmp_path: Path) -> None:
    smoke = load("smoke")
    page = (ROOT / "seqscore/models/README.md").read_text(encoding="utf-8")
    shown = "\n".join(f"$ seqscore {command}" for commands in smoke.SESSIONS.values() for command in commands)
    assert f"```console\n{shown}\n```" in page
    smoke.build_kinds(tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == {"bert", "t5"}
    assert set(smoke.FILES) == {word for word in shown.split() if "." in word and "'" not in word}
