"""CSV and TSV as spreadsheets, data frames and people write them."""

from __future__ import annotations

import csv
import os
import threading
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest

from seqscore.errors import InputError, NoTextError, OptionError
from seqscore.evaluation.data.csv_rows import _FIELDS
from seqscore.evaluation.data.data_options import DataOptions
from tests.evaluation.data.reading import read, rows_of

ROWS = ['"Well', "The rain fell.", 'fine."', "The end."]


def lines(separator: str, texts: list[str] = ROWS) -> str:
    return "".join(separator.join(row) + "\n" for row in [("id", "text"), *((str(i), t) for i, t in enumerate(texts))])


def test_tabs_and_an_unbalanced_mark_are_rows_of_their_own(tmp_path: Path) -> None:
    found, said = read(tmp_path / "a.tsv", lines("\t"))
    assert found == ROWS and len(said) == 1 and "--quoting none" in said[0]
    assert read(tmp_path / "a.tsv", lines("\t", ["He said", '"Yes" and left', '"No."']))[0][1:] == [
        '"Yes" and left',
        '"No."',
    ], "as all marks of the file are"
    assert read(tmp_path / "a.tsv", lines("\t"), quoting="none") == (ROWS, [])
    assert read(tmp_path / "a.tsv", lines("\t"), quoting="standard")[0] == [
        "Well\n1\tThe rain fell.\n2\tfine.",
        "The end.",
    ]
    assert read(tmp_path / "b.tsv", "text\n" + "\n".join(ROWS) + "\n")[0] == ROWS, "one column too"


def test_rows_of_a_stream_are_never_glued_together(tmp_path: Path) -> None:
    """What can be read only once cannot be looked through first: an error, or what --quoting says."""
    for quoting, expected in (("none", ROWS), ("auto", None)):
        path = tmp_path / f"{quoting}.tsv"
        os.mkfifo(path)
        threading.Thread(target=path.write_text, args=[lines("\t")], daemon=True).start()
        found, _ = read(path, quoting=quoting)
        assert found == expected if expected else ("lines 2 to 4 are whole rows" in found[0] and found[1] == "The end.")


@pytest.mark.parametrize("separator", [",", ";"])
def test_commas_and_an_unbalanced_mark_are_an_error(tmp_path: Path, separator: str) -> None:
    found, _ = read(tmp_path / "a.csv", lines(separator), field_separator=separator)
    assert "line 2: lines 2 to 4 are whole rows" in found[0] and "--quoting none" in found[0]
    assert found[1:] == ["The end."]
    given = {"field_separator": separator, "quoting": "none"}
    assert read(tmp_path / "a.csv", lines(separator), **given) == (ROWS, [])


def test_texts_of_several_lines_are_read(tmp_path: Path) -> None:
    texts = ["Dear Sir\nI came, saw\nYours", 'He said "a, b"\n\nand left', "one"]
    frame = pd.DataFrame({"text": texts, "n": [1, 2, 3]})
    for name, separator in (("a.csv", ","), ("a.tsv", "\t")):
        frame.to_csv(tmp_path / name, sep=separator)
        assert read(tmp_path / name) == (texts, [])
    frame[["text"]].to_csv(tmp_path / "one.csv", index=False)
    found, said = read(tmp_path / "one.csv")
    assert found == texts and "lines 2 to 4 and 1 more are each one text" in said[0], (
        "of one column it is not known, so it is said"
    )


def test_rows_that_may_be_several_are_told_once_a_file_with_their_number(tmp_path: Path) -> None:
    several = "text\n" + '"of two\nlines"\n' * 5
    found, said = read(tmp_path / "a.csv", several)
    assert found == ["of two\nlines"] * 5
    assert len(said) == 1 and "lines 2 to 3 and 4 more are each one text" in said[0]
    assert len(read(tmp_path / "a.csv", several, limit=2)[1]) == 1
    found, said = read(tmp_path / "b.csv", 'who,text\na,"He said\nb,she said"\n')
    assert found == ["He said\nb,she said"] and len(said) == 1 and "lines 2 to 3 are one text" in said[0]
    for quoting, expected in (("standard", ["He said\nb,she said"]), ("none", ['"He said', 'she said"'])):
        assert read(tmp_path / "b.csv", quoting=quoting) == (expected, [])


def test_readers_in_two_threads_leave_the_csv_modules_limit_as_it_was(tmp_path: Path) -> None:
    before, rows = csv.field_size_limit(), []
    one, other = _FIELDS.up_to(before + 1), _FIELDS.up_to(before + 2)
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(one)
        second.enter_context(other)
        first.close()
        assert csv.field_size_limit() == before + 2
        data = "text\n" + '"' + "x\n" * 60 + '"\n'
        with pytest.raises(InputError, match="field larger than field limit"):
            rows += read(tmp_path / "a.csv", data, max_line_bytes=100)[0]
    assert csv.field_size_limit() == before and rows == []


@pytest.mark.parametrize("data", ['id,text\n1,"Hello" she said\n', 'id,text\n1,"never closed\n2,b\n'])
def test_marks_that_enclose_nothing_name_the_option(tmp_path: Path, data: str) -> None:
    with pytest.raises(
        InputError, match=r"line 2: not well-formed: .*--quoting none \(quoting=\) where they are part of the text"
    ):
        read(tmp_path / "a.csv", data)
    assert read(tmp_path / "a.csv", data, quoting="none")[0][0].startswith('"')


@pytest.mark.parametrize("cell", ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>"])
def test_an_empty_cell_is_a_row_without_a_text(tmp_path: Path, cell: str) -> None:
    data = f"id,text\n1,a\n2,{cell}\n3,c\n"
    found, _ = rows_of(tmp_path / "a.csv", data)
    assert [getattr(row, "text", None) for row in found] == ["a", None, "c"]
    assert isinstance(found[1].error, NoTextError) and found[1].error.code == "no_text"
    assert f"line 3: column 'text' is {cell or 'empty'}; the row has no text there" in str(found[1].error)
    assert read(tmp_path / "a.csv", data, empty_cells="text")[0] == ["a", cell, "c"]


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "None"])
def test_what_pandas_writes_for_no_value(tmp_path: Path, missing: str) -> None:
    frame = pd.DataFrame({"text": ["a", None, "None of it", "NA is no gas"]})
    frame.to_csv(tmp_path / "a.csv", na_rep=missing)
    found, _ = read(tmp_path / "a.csv")
    assert found[::2] == ["a", "None of it"] and "has no text" in found[1] and found[3] == "NA is no gas"


@pytest.mark.parametrize(
    ("name", "header", "said"),
    [
        ("a.csv", "id;text", "parted by semicolons: --field-separator ';'"),
        ("a.csv", "id\ttext", "parted by tabs: --field-separator tab"),
        ("a.csv", "id|text", "parted by bars"),
        ("a.tsv", "id,text", "parted by commas"),
        ("a.csv", "id, text", "the name ' text' differs by white space or case alone"),
        ("a.csv", "id,Text", "the name 'Text' differs by white space or case alone"),
        ("a.csv", "id,text ", "the name 'text ' differs"),
        ("a.csv", "id,words", "name the column of the texts with --column"),
    ],
)
def test_a_missing_column_says_what_may_be_meant(tmp_path: Path, name: str, header: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path / name, f"{header}\n1;a, or b\n")  # no row fits the header
    assert "has no column 'text'; its columns are" in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "separator"), [(";", ";"), ("semicolon", ";"), ("tab", "\t"), ("\\t", "\t"), ("|", "|")]
)
def test_separators(tmp_path: Path, given: str, separator: str) -> None:
    assert read(tmp_path / "a.csv", lines(separator, ["a, b", "c"]), field_separator=given)[0] == ["a, b", "c"]
    assert read(tmp_path / "a.txt", lines(separator, ["a, b", "c"]), field_separator=given)[0] == ["a, b", "c"]
    for bad in (";;", "\n", '"', ""):
        with pytest.raises(OptionError, match="must be one character, or one of tab, "):
            DataOptions(field_separator=bad)


def test_excels_line_and_mark_and_empty_columns(tmp_path: Path) -> None:
    found, _ = rows_of(tmp_path / "a.csv", "\ufeffsep=;\r\nid;text;;\r\n1;a;;x\r\n")
    assert [(row.text, row.columns) for row in found] == [("a", {"id": "1", "": "", "column 4": "x"})]
    with pytest.raises(InputError, match="2 columns named 'id'; rename all but one"):
        read(tmp_path / "a.csv", "id,text,id\n1,a,2\n")


def test_what_r_writes(tmp_path: Path) -> None:
    found, _ = rows_of(tmp_path / "a.csv", '"","text"\n"1","a"\n"2",NA\n')
    assert (found[0].text, found[0].columns, found[1].error.code) == ("a", {"": "1"}, "no_text")
    found, _ = read(tmp_path / "a.tsv", '"text"\t"n"\n"1"\t"a"\t2\n')
    assert found[0].endswith(
        "number of values is 3, expected 2 as in the header; where the first value is a row's name (R's write.table), "
        "write it with col.names=NA"
    )


@pytest.mark.parametrize("long", ["x" * 300, '"' + "x" * 300 + '"', '"' + "x" * 300 + '\nmore"', 'a"' + "x" * 300])
def test_a_line_beyond_the_limit_is_that_rows_error(tmp_path: Path, long: str) -> None:
    """Also where it opens a quoted field that goes on: the rows behind it are found again."""
    found, _ = read(tmp_path / "a.csv", f"id,text\n1,first\n2,{long}\n3,next\n4,last\n", max_line_bytes=200)
    assert found[0] == "first" and found[-2:] == ["next", "last"] and len(found) == 4
    assert "line 3 is longer than 200 bytes, the limit for a line" in found[1]


def test_many_columns_are_compared_in_time(tmp_path: Path) -> None:
    """50,000 columns: to look for each among all would be 2.5 billion steps."""
    names = ",".join(f"c{number}" for number in range(50_000))
    (row,), _ = rows_of(tmp_path / "a.csv", f"text,{names}\na,{'1,' * 49_999}1\n")
    assert row.text == "a" and len(row.columns) == 50_000
    with pytest.raises(InputError, match="2 columns named 'c49999'"):
        read(tmp_path / "a.csv", f"text,{names},c49999\n")


@pytest.mark.parametrize(
    "cell", ["#N/A", "\\N", "n/a", "-nan", "#VALUE!", "#DIV/0!", "#REF!", "#NAME?", "#NULL!", "#NUM!"]
)
def test_what_programs_write_for_no_value_is_no_text(tmp_path: Path, cell: str) -> None:
    data = f"text,n\na,1\n{cell},2\n"
    found, _ = read(tmp_path / "a.csv", data)
    assert found[0] == "a" and f"column 'text' is {cell}" in found[1] and "no text there" in found[1]
    assert read(tmp_path / "a.csv", data, empty_cells="text")[0] == ["a", cell]
