"""A server as ``--model``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqscore import Scorer
from tests.cli.conftest import Run
from tests.models.server.stand_in import StandIn, serving

TEXTS = ["The quick brown fox", "größer als 日本"]


def test_texts_are_scored_by_a_server(run: Run, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQSCORE_API_KEY", "sk-verysecret")
    own = Scorer.from_pretrained(tiny_folder, engine="reference").score(TEXTS)
    options = ["--tokenizer", str(tiny_folder), "--concurrency", "2", "--timeout", "20", "--served-model", "tiny"]
    with serving(StandIn("vllm")) as server:
        login = server.address.replace("//", "//me:pw@")
        done = run("score", *TEXTS, *options, "--format", "jsonl", "--signature", "rows", model=login)
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        for row, expected in zip(rows, own, strict=True):
            assert row["log_likelihood"] == pytest.approx(expected.log_likelihood, abs=1e-3)  # ours is float32 here
        assert server.told[-1][2]["model"] == "tiny" and "pw@" not in done.stdout + done.stderr
        refused = run("score", "one", "--rank", *options, model=server.address)
    assert refused.returncode == 2
    assert "extras='rank': a server model does not give it; it offers none" in refused.stderr
    gone = run("score", "one", model=login)
    assert gone.returncode == 1 and gone.stdout == "" and "cannot be reached" in gone.stderr
    assert len(gone.stderr.splitlines()) == 1 and "pw@" not in gone.stderr


def test_options_of_a_server_are_refused_for_a_folder(run: Run) -> None:
    done = run("score", "one", "--concurrency", "2")
    assert done.returncode == 2
    assert "concurrency=2 is for a server model, and this is a checkpoint" in done.stderr
