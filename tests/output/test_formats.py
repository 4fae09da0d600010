from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqscore.errors import OptionError
from seqscore.output.formats import format_of, machine_formats


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("a.jsonl", "jsonl"), ("a.NDJSON", "jsonl"), ("a.jsonlines", "jsonl"), ("a.b.csv", "csv"), ("a.tsv", "tsv")),
        *(("a.parquet", "parquet"), ("a.md", "md"), ("a.tex", "tex"), ("a.csv.gz", "csv"), ("a.jsonl.GZ", "jsonl")),
        *(("-", "table"), ("/dev/stdout", "table"), ("/dev/null", "table")),
    ],
)
def test_the_end_of_a_name_says_the_format(name: str, expected: str) -> None:
    assert format_of(Path(name)) == expected


def test_an_asked_format_goes_with_any_unknown_end(tmp_path: Path) -> None:
    assert format_of(None) == "table" and format_of(None, "csv") == "csv"
    assert format_of(tmp_path / "scores", "csv") == format_of(tmp_path / "a.dat", "csv") == "csv"
    assert format_of(tmp_path / "a.gz", "jsonl") == "jsonl"
    os.mkfifo(tmp_path / "pipe")
    assert format_of(tmp_path / "pipe") == "table"


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("a.txt", None, "the end '.txt' names no format; expected .jsonl"),
        ("a.cvs", None, "the end '.cvs' names no format"),
        ("scores", None, "the end 'of the name' names no format"),
        ("a.gz", None, "names no format"),
        (".csv", None, "names no format"),
        ("a.xlsx", None, "names no format"),
        ("a.csv", "jsonl", "ends as csv, yet --format jsonl was asked for"),
        ("a.jsonl", "table", "ends as jsonl, yet --format table was asked for"),
        ("a.parquet.gz", None, "parquet compresses by itself; leave out .gz"),
        ("a.md.gz", None, "md is for reading; leave out .gz"),
        ("a.gz", "table", "table is for reading; leave out .gz"),
    ],
)
def test_other_ends_are_refused(tmp_path: Path, name: str, asked: str | None, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        format_of(tmp_path / name, asked)
    assert message in str(caught.value)


def test_a_command_offers_what_it_makes(tmp_path: Path) -> None:
    made = machine_formats()
    assert format_of(None, made=made) == format_of(Path("-"), made=made) == "jsonl"
    for asked, name in ((None, "a.xlsx"), (None, "a.md"), ("md", "a.csv"), ("table", None)):
        with pytest.raises(OptionError) as caught:
            format_of(None if name is None else tmp_path / name, asked, made=made)
        message = str(caught.value)
        assert "parquet" in message and ".tex" not in message and "tex," not in message, message
        assert ("names no format" if name == "a.xlsx" else "is not made here") in message


def test_a_folder_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"is a folder; expected the name of a file that ends as \.jsonl"):
        format_of(tmp_path, None)
