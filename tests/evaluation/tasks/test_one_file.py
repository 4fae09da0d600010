"""A new task is one file and one line: nothing else in the package knows what a task is called or what it means."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from seqscore.cli import main
from seqscore.cli.eval.commands import task_command
from seqscore.evaluation.tasks import registry
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.rows import Stored
from tests.evaluation.evaluated import OPTIONS, dataset, figures, files, made, rows_of, run_task, tiny_scorer
from tests.evaluation.tasks.toy_task import ToyTask

ROWS: list[Any] = [{"left": f"the cat {i}", "right": f"a cat {'sat ' * (i % 3)}", "extra": i} for i in range(7)]


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.TASKS, "toy", "tests.evaluation.tasks.toy_task.ToyTask")


def test_a_task_of_one_file_goes_through_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_task(tmp_path, "toy", [*ROWS, {"left": "a"}])
    gaps = [row["items"][0]["log_likelihood"] - row["items"][1]["log_likelihood"] for row in rows_of(run)[:7]]
    found = figures(run)
    assert found["left_wins"] == sum(gap > 0 for gap in gaps) / 7
    assert found["median_gap"] == np.median(gaps)
    assert run.summary is not None and run.summary["errors"] == {"bad_input": 1}
    assert next(one for one in run.summary["figures"] if one["name"] == "median_gap")["interval"] is not None

    whole = files(run.path)
    (run.path / "summary.json").unlink()
    sorted((run.path / "parts").glob("*.parquet"))[-1].unlink()
    data = dataset(tmp_path / "data.jsonl", [*ROWS, {"left": "a"}])
    from seqscore.evaluation.run.run_task import evaluate

    evaluate(tiny_scorer(), data, made("toy", data), run.path, options=OPTIONS)
    assert files(run.path) == whole, "it goes on, to the same bytes"

    evaluate(tiny_scorer(), data, made("toy", data, bonus=9.0), tmp_path / "other", options=OPTIONS)
    one, other = str(run.path), str(tmp_path / "other")
    assert main(["compare", one, other, "--resamples", "100", "--format", "json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["by"] == "mean_gap" and compared["task"] == "toy"
    assert {m["name"]: m["bootstrap"]["difference"] for m in compared["measures"]}["median_gap"] == pytest.approx(9.0)

    assert main(["report", one, other, "-o", str(tmp_path / "two.html")]) == 0
    assert main(["report", one, "-o", str(tmp_path / "one.html")]) == 0
    page = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert "3 vowels" in page and '"label"' not in page
    assert main(["plot", one, "-o", str(tmp_path / "figures"), "--item", "0", "--picture", "svg"]) == 0
    drawn = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {"margins", "frequencies", "item-0-1-surprisal", "item-0-2-tokens"} <= drawn

    assert main(["export", one, "--format", "csv", "-o", str(tmp_path / "rows.csv")]) == 0
    header, first, *_ = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    names = header.split(",")
    assert {"vowels", "share", "extra"} <= set(names) and "word_errors" not in names
    assert dict(zip(names, first.split(","), strict=False))["vowels"] == "2"
    assert main(["cite", one]) == 0 and "left_wins" in capsys.readouterr().out


def test_the_command_is_made_from_the_task() -> None:
    command = task_command("toy")
    assert command.__doc__ == "A toy."
    bonus = inspect.signature(command).parameters["bonus"]
    assert bonus.default == 0.0 and bonus.annotation.__metadata__[0].help == "Added to the left text."


ROOT = Path(registry.__file__).parents[2]
READERS = [
    *(ROOT / "evaluation" / "read").glob("*.py"),
    *(ROOT / "evaluation" / "run").glob("*.py"),
    *(ROOT / "output").rglob("*.py"),
    *(ROOT / "cli" / "eval").glob("*.py"),
    ROOT / "integrations" / "ray.py",
]
# Of what is scored, not of a task: the figure exp(-l / n) has the name of the task whose headline it is.
FIGURES = {"perplexity"}
ROLES = {"good", "bad", "choice", "hypothesis", "unconditional", "domain", "stretch"}


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every text in the code of a file, but for documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


def named(path: Path) -> list[str]:
    names = (set(registry.TASKS) | ROLES) - FIGURES - {"toy"}
    return [f"{path.name}:{line}: {text!r}" for line, text in strings(path) if text in names]


def test_no_reader_knows_a_task_or_a_role_by_its_name() -> None:
    assert len(READERS) > 40
    assert [one for path in READERS for one in named(path)] == []
    names = "|".join((set(registry.TASKS) | ROLES) - FIGURES - {"toy"})
    script = (ROOT / "output" / "report" / "page.js").read_text(encoding="utf-8")
    assert re.findall(rf'["\'`]({names})["\'`]', script) == []


def test_no_reader_compares_the_name_of_a_task() -> None:
    for path in READERS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                parts = [node.left, *node.comparators]
                asked = any(ast.unparse(part).endswith(("task.name", '["task"]', "['task']")) for part in parts)
                fixed = any(isinstance(one, ast.Constant) for part in parts for one in ast.walk(part))
                assert not (asked and fixed and not ast.unparse(node).endswith("None")), f"{path}: {ast.unparse(node)}"


def test_a_name_would_be_found(tmp_path: Path) -> None:
    path = tmp_path / "reader.py"
    path.write_text('"""pairs"""\nx = 1 if task.name == "pairs" else {"choice": 2}\n', encoding="utf-8")
    assert named(path) == ["reader.py:2: 'pairs'", "reader.py:2: 'choice'"]


# ---- a task whose measures are all functions of the rows ----


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianTask(ToyTask):
    name: ClassVar[str] = "median"

    def measures(self) -> Sequence[Measure]:
        return tuple(one for one in ToyTask.measures(self) if not one.sums_up)

    def values(self, row: Stored) -> RowValues:
        return {"median_gap": ToyTask.values(self, row)["median_gap"]}


def test_a_task_without_a_value_of_a_single_row_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(registry.TASKS, "median", f"{__name__}.MedianTask")
    one, other = (
        str(run_task(folder(tmp_path / name), "median", ROWS, bonus=bonus).path)
        for name, bonus in (("a", 0.0), ("b", 9.0))
    )
    assert main(["compare", one, other, "--resamples", "100", "--format", "json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert [measure["name"] for measure in compared["measures"]] == ["median_gap"]
    assert compared["by"] == "" and compared["largest"] == []
    assert main(["compare", one, other, "--resamples", "100"]) == 0
    assert main(["report", one, other, "-o", str(tmp_path / "two.html")]) == 0
    assert main(["plot", one, other, "-o", str(tmp_path / "figures"), "--picture", "svg"]) == 0


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_run_of_which_no_row_was_scored_is_summed_up(tmp_path: Path) -> None:
    run = run_task(tmp_path, "toy", [{"left": "a", "right": None}, {"left": "b", "right": None}])
    assert run.summary is not None and run.summary["scored"] == 0
    found = {one["name"]: one for one in run.summary["figures"]}
    assert [one["value"] for one in found.values()] == [None] * 3 == [one["interval"] for one in found.values()]
    assert found["median_gap"]["reason"] == "no row has a part in it" and found["median_gap"]["count"] == 0
    assert main(["report", str(run.path), "-o", str(tmp_path / "one.html")]) == 0
