"""``seqscore score`` through a real process."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from seqscore import Pair, Scorer
from tests.cli.conftest import Run
from tests.cli.told import told
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

TEXT = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="session")
def scorer(tiny_folder: Path) -> Scorer:
    return Scorer.from_pretrained(tiny_folder)


def lines(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def test_jsonl_holds_the_librarys_own_numbers(run: Run, scorer: Scorer) -> None:
    done = run("score", TEXT, "日本 👩‍👩‍👧", "--bos", "none", "--format", "jsonl", "--tokens", "--rank", "--entropy")
    assert done.returncode == 0 and "Traceback" not in done.stderr
    expected = scorer.score([TEXT, "日本 👩‍👩‍👧"], bos="none", extras=("rank", "entropy"))
    records = lines(done.stdout)
    plain = [json.loads(json.dumps(score.to_dict())) for score in expected]
    assert [f"signature: {one.pop('signature')}" in done.stderr for one in plain] == [True, True]
    assert records == [{"id": i, "row": i, **one} for i, one in enumerate(plain)]
    tokens = records[0]["tokens"]
    assert isinstance(tokens, list) and tokens[0]["logprob"] is None and tokens[0]["start"] == 0
    assert tokens[-1]["end"] == len(TEXT)


def test_pairs_bits_and_policies(run: Run, scorer: Scorer) -> None:
    done = run(
        "score", " fox jumps", "--context", "The quick", "--format", "jsonl", "--unit", "bits", "--engine", "reference"
    )
    (record,) = lines(done.stdout)
    score = scorer.score(Pair("The quick", " fox jumps"))
    assert record["unit"] == "bits" and "tokens" not in record and record["context"] == "The quick"
    assert record["log_likelihood"] == pytest.approx(score.log_likelihood / np.log(2), rel=1e-5)
    assert done.stderr.count("engine:reference") == 1 and "signature" not in record


def test_files_and_standard_input(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_bytes(b"first\n\nthird, no newline")
    done = run("score", "--file", str(file), "--format", "jsonl")
    assert [(r["text"], r["num_tokens"] == 0) for r in lines(done.stdout)] == [
        ("first", False),
        ("", True),
        ("third, no newline", False),
    ]
    assert lines(done.stdout)[1]["log_likelihood"] == 0.0 and lines(done.stdout)[1]["perplexity"] is None
    piped = run("score", "-", "--format", "jsonl", stdin="first\n\nthird, no newline")
    assert piped.stdout == done.stdout
    whole = run("score", "--file", str(file), "--whole-file", "--format", "jsonl")
    assert [r["text"] for r in lines(whole.stdout)] == ["first\n\nthird, no newline"]


def test_csv_and_parquet_hold_full_precision(run: Run, scorer: Scorer, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    expected = scorer.score([TEXT, "=1+1"])
    rows = list(csv.DictReader(io.StringIO(run("score", TEXT, "=1+1", "--format", "csv").stdout)))
    assert [float(row["log_likelihood"]) for row in rows] == [score.log_likelihood for score in expected]
    assert rows[1]["text"] == "=1+1", "the data as they are"
    quoted = run("score", "=1+1", "--format", "csv", "--quote-formulas").stdout
    assert next(csv.DictReader(io.StringIO(quoted)))["text"] == "'=1+1", "a spreadsheet would compute it"
    target = tmp_path / "out.parquet"
    assert run("score", TEXT, "=1+1", "--format", "parquet", "-o", str(target)).returncode == 0
    table = pq.read_table(target)
    assert table["log_likelihood"].to_pylist() == [score.log_likelihood for score in expected]
    assert table["text"].to_pylist() == [TEXT, "=1+1"]


def test_a_delimiter_parts_context_and_text(run: Run, scorer: Scorer, tmp_path: Path) -> None:
    file, output = tmp_path / "rows.jsonl", tmp_path / "scores.csv"
    rows = [("The quick", "fox"), ("今日は", "晴れ"), (None, "fox")]
    file.write_text("".join(json.dumps({"context": context, "text": text}) + "\n" for context, text in rows))
    done = run("score", "-f", str(file), "--context-column", "context", "--delimiter", "auto", "-o", str(output))
    assert done.returncode == 0, done.stderr
    expected = scorer.score([Pair("The quick", " fox"), Pair("今日は", "晴れ"), "fox"])
    with output.open(encoding="utf-8", newline="") as lines_of_csv:
        records = list(csv.DictReader(lines_of_csv))
    assert [one["delimiter"] for one in records] == [" ", "", ""]
    for record, score in zip(records, expected, strict=True):
        assert float(record["log_likelihood"]) == score.log_likelihood
        assert record["boundary"] == (score.boundary or "")
        for name in ("num_cut", "num_unread", "num_unknown"):
            assert int(record[name]) == getattr(score, name)
    for delimiter, context, said in (("x", ["-c", "a"], "must be 'auto', empty"), (" ", [], "no context was given")):
        done = run("score", "fox", *context, "--delimiter", delimiter)
        assert done.returncode == 2 and said in done.stderr


def test_columns_of_structured_files(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(
        '{"key": "a", "sentence": "one", "before": "x "}\n{"key": "b", "sentence": "two", "before": "y "}\n'
    )
    done = run("score", "-f", str(file), "--column", "sentence", "--id-column", "key", "--format", "jsonl")
    assert [(r["id"], r["text"]) for r in lines(done.stdout)] == [("a", "one"), ("b", "two")]
    paired = run("score", "-f", str(file), "--column", "sentence", "--context-column", "before", "--format", "jsonl")
    assert [(r["context"], r["text"]) for r in lines(paired.stdout)] == [("x ", "x one"), ("y ", "y two")]


def test_the_table_shows_text_harmlessly(run: Run) -> None:
    evil = "\x1b]0;owned\x07 \x1b[31mred [bold]markup[/bold] \u202egnp.exe"
    done = run("score", evil, "--tokens")
    assert done.returncode == 0
    assert not any((ord(c) < 32 and c != "\n") or c == "\u202e" for c in done.stdout)
    assert "\\x1b" in done.stdout and "\\u202e" in done.stdout
    assert "perplexity" in done.stdout and "seqscore:" in done.stdout


def test_a_row_that_cannot_be_scored_is_an_error_in_its_place(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "good"}\n{"text": null}\n{"text": "good too"}\n{"text": "a", "text": "b"}\n')
    done = run("score", "-f", str(file), "--format", "jsonl")
    records = lines(done.stdout)
    assert done.returncode == 1 and [("error" in r) for r in records] == [False, True, False, True]
    assert "'text' stands twice" in str(records[3]["error"])
    assert set(records[1]["error"]) == {"code", "message"}  # type: ignore[call-overload]


# -- failures: one clear line, a non-zero exit, never a traceback ------------------------------------------------


def failed(done: subprocess.CompletedProcess[str], message: str, status: int = 1) -> None:
    assert done.returncode == status, (done.returncode, done.stderr)
    assert message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "Traceback" not in done.stdout
    assert done.stdout == ""


def test_input_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    failed(run("score", "--file", str(tmp_path / "missing.txt")), "missing.txt")
    bad = tmp_path / "latin1.txt"
    bad.write_bytes("first\nsecond\ncaf\xe9\n".encode("latin1"))
    done = run("score", "--file", str(bad), "--format", "jsonl")
    assert done.returncode == 1 and "line 3" in done.stderr + done.stdout and "UTF-8" in done.stderr + done.stdout


def test_nothing_to_score_is_a_wrong_call(run: Run) -> None:
    failed(run("score"), "", status=2)


def test_unknown_options_and_values(run: Run) -> None:
    failed(run("score", "a", "--no-such-option"), "no-such-option", status=2)
    failed(run("score", "a", "--format", "xml"), "xml", status=2)
    failed(run("score", "a", "--dtype", "int8"), "int8", status=2)
    failed(run("score", "a", "--device", "tpu"), "tpu")
    failed(run("score", "a", "--engine", "warp"), "engine='warp' is unknown", status=2)
    failed(run("score", "a", "--bos", "<nope>"), "<nope>", status=2)


def test_what_was_probably_meant_is_said(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "stim.csv"
    file.write_text("text\nIt rained.\n")
    failed(run("score", str(file)), f"to score what it holds: seqscore score --file {file}", status=2)
    failed(run("score", "It rained.", str(file)), "is a file that is there", status=2)
    assert "stands behind --: seqscore score -- '-5 degrees'" in run("score", "-5 degrees").stderr
    for text in ("-5", "--- a dash", "-dash"):
        done = run("score", text)
        assert done.returncode == 2 and f"-- {shlex.quote(text)}" in done.stderr, text
    assert "stands behind" not in run("score", "a", "--no-such-option").stderr
    assert "stands behind" not in run("score", "a", "-q").stderr


def test_an_output_that_cannot_be_is_refused_before_anything_is_scored(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, message in (
        ("out.txt", "the end '.txt' names no format"),
        ("out", "names no format"),
        ("folder.csv", "Is a directory"),
        ("missing/out.csv", "there is no folder"),
    ):
        failed(run("score", "a", "-o", str(tmp_path / name), model=str(tmp_path / "no-model")), message, status=2)
    assert [one.name for one in tmp_path.iterdir()] == ["folder.csv"]


def test_a_wrong_call_is_one_line_without_hidden_characters(run: Run) -> None:
    done = run("score", "a", "--no\u202e")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "\u202e" not in done.stderr


def test_the_input_is_not_replaced(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_text("one\n")
    failed(run("score", "-f", str(file), "-o", str(file), "--format", "jsonl"), "is also the input", status=2)
    assert file.read_text() == "one\n"


def test_cuda_where_there_is_none(run: Run) -> None:
    import torch

    if not torch.cuda.is_available():
        failed(run("score", "a", "--device", "cuda"), "cuda")


def test_a_model_that_is_not_there(run: Run, tmp_path: Path) -> None:
    failed(run("score", "a", model=str(tmp_path / "nowhere")), "nowhere")


def test_lone_surrogates_in_arguments(run: Run) -> None:
    done = run("score", os.fsdecode(b"bad \xff byte"))
    assert done.returncode == 1 and "Traceback" not in done.stderr


def test_a_closed_pipe_ends_quietly(tiny_folder: Path, environment: dict[str, str]) -> None:
    command = """yes 'a line' | "$1" -m seqscore score - --format jsonl --model "$2" | head -n 3"""
    shell = ["bash", "-c", command, "bash", sys.executable, str(tiny_folder)]
    done = subprocess.run(shell, capture_output=True, env=environment, check=False)
    assert len(done.stdout.splitlines()) == 3 and told(done.stderr.decode()) == []


def _obey_interrupts() -> None:
    """A shell's background jobs ignore SIGINT, and so would what a test starts in one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_cleanly(tiny_folder: Path, environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "seqscore", "score", "-", "--format", "jsonl", "--model", str(tiny_folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        preexec_fn=_obey_interrupts,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write(b"one line\n" * 16)
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"{")
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in stderr and b"interrupted" in stderr


def test_help_and_version_need_no_heavy_library() -> None:
    code = (
        "import sys; from seqscore.cli import main; status = main(['score', '--help']);"
        "heavy = {'torch', 'transformers', 'tokenizers', 'matplotlib', 'pyarrow', 'datasets'} & set(sys.modules);"
        "sys.exit(status or (f'{heavy}' if heavy else 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--special-tokens" in done.stdout


def test_a_model_that_does_not_run_packed_is_told_in_a_line(run: Run, tmp_path: Path) -> None:
    tiny_model("bloom").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    done = run("score", "It rained.", "--format", "jsonl", "--signature", "rows", model=str(tmp_path))
    assert done.returncode == 0 and "engine:cached" in done.stdout and "fallback" not in done.stdout
    (line,) = told(done.stderr)
    assert line.startswith("seqscore: warning: BloomForCausalLM runs cached, not packed: 0 of its 2 layers")
    named = run("score", "It rained.", "--engine", "packed", model=str(tmp_path))
    assert named.returncode == 1 and "use engine='padded'" in named.stderr
