from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seqscore.cli.eval.progress import Pace
from seqscore.evaluation.run.progress import Progress

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PAIRS = [{"good": f"the cat sat {i}", "bad": f"cat the {i} sat", "UID": "ab"[i % 2]} for i in range(6)]


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def test_pairs_compare_and_cite(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path / "pairs.jsonl", PAIRS)
    first = run("eval", "pairs", data, "--out", str(tmp_path / "a"))
    assert first.returncode == 0, first.stderr
    assert "good = 'good' (guessed), bad = 'bad' (guessed), group = 'UID' (guessed)" in first.stderr
    assert "pairs: 6 of 6 rows scored" in first.stdout and "accuracy" in first.stdout
    assert "signature: seqscore:" in first.stdout
    second = run("eval", "pairs", data, "--out", str(tmp_path / "b"), "--bos", "none", "--format", "json")
    summary = json.loads(second.stdout)
    assert summary["rows"] == 6 and {one["group"] for one in summary["figures"]} == {None, "a", "b"}
    compared = run("compare", str(tmp_path / "a"), str(tmp_path / "b"), "--format", "json")
    found = json.loads(compared.stdout)
    assert found["num_rows"] == 6 and found["differs"] == ['model.bos: "auto/1" -> "none"']
    shown = run("compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert "McNemar" in shown.stdout and "rows that differ most in mean_margin" in shown.stdout
    cited = run("cite", str(tmp_path / "b"))
    assert cited.stdout.splitlines()[-1] == summary["signature"]
    assert f"n = {6}" in cited.stdout
    again = run("eval", "pairs", data, "--out", str(tmp_path / "a"))
    assert again.stdout == first.stdout, "a complete run is shown again"


def test_the_other_tasks(run: Run, tmp_path: Path) -> None:
    few_shot = tmp_path / "few.txt"
    few_shot.write_text("Q: one? A: two\n")
    choices = write(tmp_path / "c.jsonl", [{"query": "Q: a?", "choices": ["b", "c d"], "gold": "B"}])
    done = run(
        *("eval", "choices", choices, "--out", str(tmp_path / "c"), "--few-shot", str(few_shot)),
        *("--domain-context", "A:", "--format", "json"),
    )
    names = [one["name"] for one in json.loads(done.stdout)["figures"]]
    assert {"accuracy", "accuracy_per_char", "accuracy_pmi", "accuracy_domain_pmi", "brier"} <= set(names)
    nbest = write(tmp_path / "n.jsonl", [{"reference": "a b", "hypotheses": ["a c", "a b"], "scores": [-1, -2]}])
    done = run("eval", "nbest", nbest, "--out", str(tmp_path / "n"), "--lm-weight", "0.5")
    assert done.returncode == 0 and "wer_oracle" in done.stdout
    assert "of the settings tried on these same rows 0.00 was best: 0.5000 per reference word" in done.stdout
    assert "wer_at" not in done.stdout
    text = write(tmp_path / "t.txt", ["The cat sat.", "A b c d", "one two three"])
    done = run("eval", "perplexity", text, "--out", str(tmp_path / "p"), "--protocol", "gptq", "--window", "8")
    assert done.returncode == 0 and "task.protocol:gptq|task.window:8" in done.stdout
    done = run("eval", "filter", text, "--out", str(tmp_path / "f"))
    assert done.returncode == 0 and "head.txt: 1 row" in done.stderr
    assert (tmp_path / "f" / "head.txt").read_text() in ("The cat sat.\n", "A b c d\n", "one two three\n")


def test_rows_with_errors_are_counted_and_the_status_says_so(run: Run, tmp_path: Path) -> None:
    rows = [*PAIRS[:2], "{", {"good": 1, "bad": "b", "UID": "a"}, "x" * 10_000_000, {"good": None}]
    done = run("eval", "pairs", write(tmp_path / "p.jsonl", rows), "--out", str(tmp_path / "run"))
    assert done.returncode == 1
    assert "pairs: 2 of 6 rows scored; errors: 3 bad_input, 1 no_text" in done.stdout
    assert "4 of 6 rows could not be scored" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "arguments", "said"),
    [
        ("a.jsonl", "", (), "there is no row that can be read"),
        (
            "a.jsonl",
            '{"x": 1}\n',
            (),
            "no column looks like the good of task 'pairs'; name it: --field good=COLUMN",
        ),
        ("a.jsonl", '{"good": "a", "bad": "b"}\n', ("--field", "good"), "must be ROLE=COLUMN"),
        ("a.jsonl", '{"good": "a", "bad": "b"}\n', ("--field", "good=c"), "there is no column 'c' for good"),
        ("a.jsonl", '{"good": "a", "bad": "b"}\n', ("--limit", "0"), "limit=0 must be at least 1"),
        ("a.jsonl", '{"good": "a", "bad": "b"}\n', ("--level", "2"), "must lie between 0 and 1"),
    ],
)
def test_hostile_input_is_one_clear_line(
    run: Run, tmp_path: Path, name: str, content: str, arguments: tuple[str, ...], said: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    done = run("eval", "pairs", str(path), "--out", str(tmp_path / "run"), *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr.splitlines()[-1]
    assert done.stdout == "" and "Traceback" not in done.stderr


def test_folders_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path / "p.jsonl", PAIRS)
    done = run("eval", "pairs", data, "--out", str(tmp_path / "p.jsonl" / "run"))
    assert done.returncode == 2 and "cannot write" in done.stderr
    done = run("eval", "pairs", data)
    assert done.returncode == 2 and "no --out given" in done.stderr


def test_dry_run_and_limit(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path / "p.jsonl", PAIRS)
    done = run("eval", "pairs", data, "--dry-run", "--limit", "4")
    assert done.returncode == 0
    assert "rows:             4 (0 of them cannot be read)" in done.stdout and "sharing saves" in done.stdout
    assert sorted(one.name for one in tmp_path.iterdir()) == ["p.jsonl"]


def test_standard_input(run: Run, tmp_path: Path) -> None:
    stdin = "".join(json.dumps(row) + "\n" for row in PAIRS)
    done = run("eval", "pairs", "-", "--out", str(tmp_path / "run"), stdin=stdin)
    assert done.returncode == 0 and "6 of 6 rows" in done.stdout


def test_ctrl_c_is_one_line_and_the_run_goes_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the third part goes to the disk; that a signal becomes this exception, a process of ``score`` shows."""
    data = write(tmp_path / "t.jsonl", [{"text": f"the cat sat {i} " * 5} for i in range(90)])
    command = ("eval", "perplexity", data, "--part-rows", "20", "--resamples", "100")
    flush = os.fsync

    def interrupted(file: int) -> None:
        if len(list(tmp_path.glob("run/parts/part-*.parquet"))) == 2:
            raise KeyboardInterrupt
        flush(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        done = run(*command, "--out", str(tmp_path / "run"))
    assert done.returncode == 130 and done.stdout == ""
    assert done.stderr.splitlines()[-1] == "seqscore: interrupted"
    assert len(list(tmp_path.glob("run/parts/part-*.parquet"))) == 2 and not list(tmp_path.glob("run/parts/.*"))
    for folder in ("run", "whole"):
        done = run(*command, "--out", str(tmp_path / folder))
        assert done.returncode == 0, done.stderr
        assert ("going on after" in done.stderr) == (folder == "run")
    names = sorted(str(one.relative_to(tmp_path / "run")) for one in (tmp_path / "run").rglob("*") if one.is_file())
    assert all((tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in names)


def test_pace_tells_rows_rate_and_time_left() -> None:
    now = SimpleNamespace(time=0.0)
    pace = Pace(1000, clock=lambda: now.time)
    now.time = 50.0
    assert pace.describe(Progress(600, 100, 5000, 0)) == "600 of about 1,000 rows, 100 tokens/s, 0:00:40 left"
    assert pace.describe(Progress(105, 100, 50, 2)) == "105 of about 1,000 rows, 1 tokens/s, 2 errors"
    assert Pace(None, clock=lambda: now.time).describe(Progress(7, 0, 0, 0)).startswith("7 rows")
