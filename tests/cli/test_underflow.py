"""``seqscore underflow`` through a real process."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_the_product_dies_and_the_sum_goes_on(run: Run, tmp_path: Path) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 8
    record = json.loads(run("underflow", text, "--format", "jsonl").stdout)
    by_dtype = {one["dtype"]: one for one in record["formats"]}
    assert by_dtype["float32"]["product"] == 0.0 and by_dtype["float32"]["perplexity"] is None
    order = [by_dtype[name]["first_zero"] for name in ("float16", "bfloat16", "float32")]
    assert all(index is not None for index in order) and order[0] < order[2]
    assert record["log_likelihood"] < -103 and record["perplexity"] > 1  # ln of float32's smallest number: -103.28


def test_the_table_and_the_picture(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "underflow.png"
    done = run("underflow", "The quick brown fox jumps. " * 30, "--plot", str(picture))
    assert done.returncode == 0 and picture.read_bytes().startswith(b"\x89PNG")
    for expected in ("float16", "bfloat16", "float32", "float64", "sum of logarithms", "inf", "-20.72", "1e-09"):
        assert expected in done.stdout
    assert "underflow.png" in done.stderr


def test_a_text_without_tokens_has_no_product(run: Run) -> None:
    done = run("underflow", "")
    assert done.returncode == 1 and "no scored token" in done.stderr and "Traceback" not in done.stderr
