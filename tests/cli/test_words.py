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
    assert list(rows[0]) == ["id", "row", *WORD_COLUMNS, "length", "error", "condition"]
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
        (("--format", "table"), "is not made here; expected one of jsonl"),
        (("-o", "x.md"), "the format 'md' is not made here"),
    ):
        done = run("words", "-", *arguments, stdin="a", model="/there/is/none")
        assert done.returncode == 2 and message in done.stderr, done.stderr


WORDS = "item,cond,n,word\n1,a,1,The\n1,a,2,keys\n1,b,1,It\n1,b,2,rained.\n"
TIMES = "subject,stim,cond,n,word,rt\n" + "".join(
    f"{who},1,{cond},{n},{word},{300 + n}\n"
    for who in ("ana", "ben")
    for cond, n, word in (("a", 1, "The"), ("a", 2, "keys"), ("b", 1, "It"), ("b", 2, "rained."))
)


def test_words_of_rows_with_frequencies_the_words_before_and_reading_times(run: Run, tmp_path: Path) -> None:
    data, times, counts, out = (tmp_path / name for name in ("d.csv", "rt.csv", "f.csv", "w.tsv"))
    data.write_text(WORDS)
    times.write_text(TIMES)
    counts.write_text("word,count\nthe,1000\nkeys,10\n")
    join = ("--join", str(times), "--by", "item=stim,cond,n", "--reader", "subject")
    beside = ("--spillover", "1", "--frequencies", str(counts), "--frequency-log", "10")
    done = run("words", str(data), "--group", "item,cond", *beside, *join, "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert f"8 of 8 rows of '{times}' joined to 4 words" in done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["word"], row["subject"], row["rt"], row["log10_frequency_prev1"]) for row in rows] == [
        ("The", "ana", "301", ""),
        ("The", "ben", "301", ""),
        ("keys", "ana", "302", "3.0"),
        ("keys", "ben", "302", "3.0"),
        ("It", "ana", "301", ""),
        ("It", "ben", "301", ""),
        ("rained.", "ana", "302", ""),
        ("rained.", "ben", "302", ""),
    ]
    again = run("words", str(data), "--group", "item,cond", "--keep", "none", *join, "--format", "csv")
    assert again.stdout.splitlines()[0].endswith(",flags,end_token,length,error,subject,rt")


def test_a_word_that_does_not_match_leaves_no_file(run: Run, tmp_path: Path) -> None:
    data, times, out = (tmp_path / name for name in ("d.csv", "rt.csv", "w.csv"))
    data.write_text(WORDS)
    times.write_text(TIMES.replace("ben,1,b,2,rained.", "ben,1,b,2,snowed."))
    join = ("--join", str(times), "--by", "item=stim,cond,n")
    done = run("words", str(data), "--group", "item,cond", *join, "-o", str(out))
    assert done.returncode == 1 and not out.exists()
    assert "word 2, 'rained.'" in done.stderr and "line 9 has 'snowed.'" in done.stderr
    short = run("words", str(data), "--group", "item,cond", "--limit", "1", *join, "-o", str(out))
    assert (
        short.returncode == 0
        and "4 rows of" in short.stderr
        and "since the data were read up to a limit" in short.stderr
    )


def test_data_and_columns_are_looked_at_before_a_model_is_loaded(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "d.csv"
    data.write_text(WORDS)
    for arguments, message in (
        (("--group", "item,x"), "has no column 'x'"),
        (("--join", str(tmp_path / "no.csv"), "--by", "item"), "cannot read"),
        (("--group", "item", "--join", str(data)), "join= needs the columns"),
        (("--group", "item", "--field", "word"), "must be ROLE=COLUMN"),
        (("--context-from", "passage", "--column", "word"), "--passage COLUMN"),
        (("--group", "item", "--frequencies", str(data)), "no column looks like the count"),
    ):
        done = run("words", str(data), *arguments, model="/there/is/none")
        assert done.returncode in (1, 2) and message in done.stderr, done.stderr
