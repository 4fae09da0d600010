"""``seqscore words``: a row a word, with the columns of the data."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from seqscore.scores.word_scores import WORD_COLUMNS
from tests.cli.conftest import Run

DATA = 'id,text,condition\na,"The quick fox.",x\nb,,y\nc,"über  alles",z\n'


def test_a_row_a_word_with_the_columns_of_the_data(run: Run, tmp_path: Path) -> None:
    data, out = tmp_path / "d.csv", tmp_path / "w.csv"
    data.write_text(DATA)
    done = run("words", str(data), "--id-column", "id", "-o", str(out))
    assert done.returncode == 1 and "1 of 3 rows could not be scored" in done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "row", *WORD_COLUMNS[:-1], "unit", "flags", "error", "condition"]
    assert [(row["id"], row["position"], row["word"], row["condition"]) for row in rows] == [
        ("a", "1", "The", "x"),
        ("a", "2", "quick", "x"),
        ("a", "3", "fox.", "x"),
        ("b", "", "", "y"),
        ("c", "1", "über", "z"),
        ("c", "2", "alles", "z"),
    ]
    assert rows[3]["error"].startswith("no_text: ") and rows[0]["unit"] == "bits"
    about = json.loads((tmp_path / "w.csv.meta.json").read_text())
    assert "|words:space|correction:space/begin" in about["signature"] and about["unit"] == "bits"


def test_words_units_and_corrections_are_chosen(run: Run) -> None:
    options = ("--words", "[a-z]+", "--correction", "none", "--unit", "nats", "--signature", "rows")
    done = run("words", "-", *options, stdin="the fox, the dog\n")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["word"] for row in rows] == ["the", "fox", "the", "dog"]
    assert {(row["unit"], row["surprisal_corrected"], row["flags"]) for row in rows} == {("nats", None, "")}
    assert rows[0]["surprisal"] == -rows[0]["log_likelihood"]
    assert rows[0]["signature"].endswith("|words:regex/[a-z]+|correction:none")


def test_what_cannot_be_is_said_before_a_model_is_loaded(run: Run) -> None:
    for arguments, message in (
        (("--words", "spaces"), "words='spaces' is unknown"),
        (("--words", "[a"), "is no regular expression"),
        (("--format", "table"), "not written as table"),
        (("-o", "x.md"), "not written as md"),
    ):
        done = run("words", "-", *arguments, stdin="a", model="/there/is/none")
        assert done.returncode == 2 and message in done.stderr, done.stderr
