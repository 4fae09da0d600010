"""``seqscore next``: the library's numbers in every format."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from seqscore import Scorer
from tests.cli.conftest import Run
from tests.cli.told import told

CONTEXT, HOSTILE = "The quick", "a\x1b]0;x\x07 ‮b"


@pytest.fixture(scope="module")
def scorer(tiny_folder: Path) -> Scorer:
    return Scorer.from_pretrained(tiny_folder)


def records(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def test_records_hold_the_librarys_own_numbers(run: Run, scorer: Scorer) -> None:
    done = run(
        "next",
        CONTEXT,
        "",
        "--top",
        "3",
        "--words",
        "brown,fox",
        "--words",
        "dog",
        "--unit",
        "bits",
        "--format",
        "jsonl",
    )
    assert done.returncode == 0, done.stderr
    found = records(done.stdout)
    for number, context in enumerate((CONTEXT, "")):
        tokens, words = scorer.next_tokens(context, k=3), scorer.next_words(context, ["brown", "fox", "dog"])
        own = [row for row in found if row["id"] == number]
        assert [row["kind"] for row in own] == ["token"] * 3 + ["word"] * 3
        for row, expected in zip(own, [*tokens.to_dicts("bits"), *words.to_dicts("bits")], strict=True):
            expected["token_id"] = expected.pop("id", None)
            assert {name: row[name] for name in expected} == expected
            assert (row["context"], row["unit"], row.get("error")) == (context, "bits", None)
        assert own[0]["entropy"] == pytest.approx(tokens.entropy / 0.6931471805599453, rel=1e-15)
    assert told(done.stderr)[-1].startswith("seqscore: signature: ") and "words:whole" in done.stderr


def test_files_columns_and_chats(run: Run, scorer: Scorer, tmp_path: Path) -> None:
    data = tmp_path / "contexts.jsonl"
    chat = [{"role": "user", "content": "What is it?"}]
    rows = [{"prompt": CONTEXT, "who": "x"}, {"prompt": chat, "who": "y"}, {"prompt": None, "who": "z"}]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "next.csv"
    done = run("next", "--file", str(data), "--column", "prompt", "--top", "1", "--words", "fox", "-o", str(out))
    assert done.returncode == 1 and "1 of 3 rows could not be scored" in done.stderr  # a context is missing
    found = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [(row["row"], row["kind"], row["who"]) for row in found] == [
        *(("0", "token", "x"), ("0", "word", "x")),
        *(("1", "token", "y"), ("1", "word", "y")),
        ("2", "", "z"),
    ]
    assert float(found[2]["logprob"]) == scorer.next_tokens(chat, k=1).logprobs[0]
    assert found[4]["error"] and (tmp_path / "next.csv.meta.json").exists()
    typed = tmp_path / "next.parquet"
    assert run("next", "--file", str(data), "--column", "prompt", "--limit", "1", "-o", str(typed)).returncode == 0
    table = pq.read_table(typed)
    assert table.num_rows == 10 and str(table.schema.field("logprob").type) == "double"
    assert b"seqscore.signature" in pq.read_metadata(typed).metadata


def test_tables_are_for_people(run: Run, scorer: Scorer) -> None:
    done = run("next", HOSTILE, "x " * 200 + "end", "--top", "2", "--words", f"fox,{HOSTILE}")
    assert done.returncode == 0 and not {"\x1b", "\x07", "‮"} & set(done.stdout)
    lines = done.stdout.splitlines()
    assert lines[0] == r"0: a\x1b]0;x\x07 \u202eb" and "surprisal" in lines[1]
    assert any(line.startswith("1: …") and line.endswith("end") for line in lines)
    assert sum("entropy of the next token" in line for line in lines) == 2
    assert any("not read: " in line for line in lines) and lines[-1].startswith("signature: ")
    assert max(map(len, lines[:-1])) <= 100
    spaced = run("next", CONTEXT, "--top", "300")
    assert "␣fo" in spaced.stdout and r"\n" in spaced.stdout


def test_wrong_calls(run: Run, tmp_path: Path) -> None:
    for arguments, message in (
        ((), "nothing to score; give a text, a file"),
        (
            (CONTEXT, "--format", "md"),
            "--format 'md' is not made here; expected one of table, jsonl, csv, tsv, parquet",
        ),
        ((CONTEXT, "--score-eos"), "eos='scored' is no option here"),
        ((CONTEXT, "--long", "truncate"), "long='truncate' cuts the end of a text"),
        ((CONTEXT, "--top", "301"), "at most 300 tokens"),
    ):
        done = run("next", *arguments)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr
        assert done.stdout == "" and "Traceback" not in done.stderr
    one = run("next", "", "--bos", "none", "--format", "jsonl")
    assert one.returncode == 1 and "nothing stands before the next token" in str(records(one.stdout)[0]["error"])


@pytest.mark.parametrize("words", [",", "fox,", "fox,,dog", " "])
def test_an_empty_word_is_refused(run: Run, words: str) -> None:
    done = run("next", CONTEXT, "--words", words)
    assert done.returncode == 2, done.stderr
    assert "has an empty word" in done.stderr
