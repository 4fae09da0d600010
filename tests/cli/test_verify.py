"""``seqscore verify``: a table or JSON on standard output, steps on standard error, and an exit status that tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqscore.cli.app import run as run_here
from seqscore.verify.findings import Finding, Verification
from tests.cli.conftest import Run


def test_the_table_shows_every_promise(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEQSCORE_TRIALS", str(tmp_path))  # what is kept there from before has a row of its own
    done = run("verify")
    assert done.returncode == 0
    for topic in ("right", "same bits", "fast", "small", "dtype"):
        assert f" {topic} " in done.stdout
    assert "8 promises held, 0 broken" in done.stdout and "signature: seqscore:" in done.stdout
    assert "seqscore: loading the model in float32" in done.stderr and "Traceback" not in done.stderr


def test_jsonl_holds_full_precision(run: Run) -> None:
    done = run("verify", "--format", "jsonl", "--dtype", "float64")
    record = json.loads(done.stdout)
    assert done.returncode == 0 and record["dtype"] == "float64" and record["is_kept"] is True
    assert record["engine"] == "packed" and {one["outcome"] for one in record["findings"]} >= {"held", "stated"}


def test_a_broken_promise_is_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tiny_folder: Path
) -> None:
    broken = Finding(topic="right", what="x against y", value=1.0, unit="nats", limit=0.5, outcome="broken")
    missing = Finding(topic="small", what="z", value=None, unit="MB", outcome="not measured", note="no \x1b[31m room")
    found = Verification(
        model="m", signature="s", device="cpu", dtype="float32", engine="packed", threads=2, findings=(broken, missing)
    )
    monkeypatch.setattr("seqscore.verify.verification.verify", lambda *_, **__: found)
    assert run_here(["verify", "--model", str(tiny_folder)]) == 1
    shown = capfd.readouterr().out
    assert "0 promises held, 1 broken, 1 could not be measured" in shown and "\x1b[31m" not in shown


def test_a_model_that_is_not_there(run: Run) -> None:
    done = run("verify", model="/nowhere/at/all")
    assert done.returncode == 1 and done.stdout == "" and "/nowhere/at/all" in done.stderr
