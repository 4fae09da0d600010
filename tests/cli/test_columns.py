"""Columns of the data through ``score``, ``eval``, ``export`` and ``eval filter``, as real processes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq

from tests.cli.conftest import Run

STIMULI = b'item,condition,"sentence",freq\n1,a,The cat sat.,1.50\n1,b,"The ""dog"" sat.",NA\n2,a,,3\n'


def test_the_columns_of_a_table_stand_beside_the_scores(run: Run, tmp_path: Path) -> None:
    data, out = tmp_path / "stim.csv", tmp_path / "out.csv"
    data.write_bytes(STIMULI)
    done = run("score", "-f", str(data), "--column", "sentence", "--id-column", "item", "-o", str(out))
    assert done.returncode == 1, "a row without a text"
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [(row["id"], row["row"], row["condition"], row["freq"]) for row in rows] == [
        ("1", "0", "a", "1.50"),
        ("1", "1", "b", "NA"),
        ("2", "2", "a", "3"),
    ]
    assert "item" not in rows[0] and "sentence" not in rows[0] and rows[1]["text"] == 'The "dog" sat.'
    assert json.loads((tmp_path / "out.csv.meta.json").read_text())["signature"].startswith("seqscore:")
    tsv = tmp_path / "out.tsv"
    named = ("--column", "sentence", "--keep-columns", "freq,sentence", "--tokens", "-o", str(tsv))
    assert run("score", "-f", str(data), *named).returncode == 1
    tokens = list(csv.DictReader(io.StringIO(tsv.read_text()), delimiter="\t"))
    assert {(row["freq"], row["sentence"]) for row in tokens} == {
        *(("1.50", "The cat sat."), ("NA", 'The "dog" sat.'), ("3", "")),
    }
    wrong = run("score", "-f", str(data), "--column", "sentence", "--keep-columns", "frq")
    assert wrong.returncode == 2 and "there is no column 'frq' to keep" in wrong.stderr
    drawn = run("plot", str(tsv), "--item", "0", "--out", str(tmp_path / "figures"), "--picture", "svg")
    assert drawn.returncode == 0 and (tmp_path / "figures" / "item-0-tokens.svg").exists()


def test_a_run_is_exported(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "pairs.jsonl"
    data.write_text(
        '{"good": "The keys are here.", "bad": "The keys is here.", "UID": "x", "year": 1999}\n'
        '{"good": "He saw himself.", "bad": 3, "UID": "x", "year": null}\n'
    )
    assert run("eval", "pairs", str(data), "--out", str(tmp_path / "run")).returncode == 1
    flat = run("export", str(tmp_path / "run"), "--format", "csv", "--signature", "none")
    (pair, wrong) = csv.DictReader(io.StringIO(flat.stdout))
    assert float(pair["margin"]) == float(pair["log_likelihood_good"]) - float(pair["log_likelihood_bad"])
    assert (pair["text_bad"], pair["year"], wrong["correct"]) == ("The keys is here.", "1999", "")
    assert pair["correct"] == str(float(pair["margin"]) > 0).lower()
    done = run("export", str(tmp_path / "run"), "--format", "csv", "--signature", "rows", "--per", "text")
    assert done.returncode == 0 and done.stderr == ""
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["row"], row["role"], row["text"], row["group"], row["year"]) for row in rows] == [
        ("0", "good", "The keys are here.", "x", "1999"),
        ("0", "bad", "The keys is here.", "x", "1999"),
        ("1", "", "", "", ""),
    ]
    assert rows[2]["error"].startswith("bad_input: ") and {row["signature"] for row in rows} == {rows[0]["signature"]}
    out = tmp_path / "rows.parquet"
    assert run("export", str(tmp_path / "run"), "-o", str(out), "--unit", "bits").returncode == 0
    assert pq.read_table(out)["year"].to_pylist() == [1999, None]
    assert b"task.task:pairs" in pq.read_metadata(out).metadata[b"seqscore.signature"]
    for name, message in (("rows.md", "is not made here; expected one of jsonl"), ("rows.xlsx", "names no format")):
        refused = run("export", str(tmp_path / "run"), "-o", str(tmp_path / name))
        assert refused.returncode == 2 and message in refused.stderr


def test_a_filter_gives_back_what_came_through_a_pipe(run: Run, tmp_path: Path) -> None:
    lines = ['{"text": "one cat", "n": 1.10}', '{"text": "", "t": NaN}', '{ "text": "a dog barks" }']
    given = ("eval", "filter", "-", "--out", str(tmp_path / "run"), "--max", "1e9")
    done = run(*given, stdin="\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "run"
    assert (folder / "input.jsonl").read_text() == "\n".join(lines) + "\n"
    assert (folder / "kept.jsonl").read_text() == f"{lines[0]}\n{lines[2]}\n"
    assert (folder / "unscored.jsonl").read_text() == f"{lines[1]}\n"
    (folder / "kept.jsonl").unlink()
    again = run(*given, stdin="\n".join(lines) + "\n")
    assert again.returncode == 0 and (folder / "kept.jsonl").exists(), "from the finished run"
    other = run(*given, stdin=lines[0])
    assert other.returncode == 2 and "standard input is not what" in other.stderr
    assert not list(folder.glob(".*.tmp"))
