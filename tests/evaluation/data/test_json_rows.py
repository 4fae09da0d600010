"""JSON as programs write it: lists, objects one behind the other, and the forms of tables."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest

from seqscore.errors import InputError, NoTextError
from seqscore.evaluation.data.texts import InputOptions, open_inputs
from tests.evaluation.data.reading import read, rows_of

FRAME = pd.DataFrame({"text": ['a "q" {[', "b\\"], "n": [1, 2]})
TEXTS = list(FRAME["text"])


@pytest.mark.parametrize("orient", ["records", "split", "columns", "index", "table"])
@pytest.mark.parametrize("index", [["0", "1"], ["r1", "r2"]])
@pytest.mark.parametrize("indent", [None, 2])
def test_what_pandas_writes(tmp_path: Path, orient: str, index: list[str], indent: int | None) -> None:
    data = FRAME.set_index(pd.Index(index)).to_json(orient=orient, indent=indent)
    found, _ = rows_of(tmp_path / "a.json", data)
    assert [row.text for row in found] == TEXTS and [row.columns["n"] for row in found] == [1, 2]


@pytest.mark.parametrize(
    "data",
    [
        '["a", "b"]',
        '{"text": "a"}\n{"text": "b"}',
        '{"text": "a"}{"text": "b"}',
        '{\n  "text": "a"\n}\n{\n  "text": "b"\n}\n',
        '{"text": ["a", "b"]}',
        '{"version": 1, "data": [{"text": "a"}, {"text": "b"}]}',
        '{"columns": [{"name": "text", "datatype": "String", "values": ["a", "b"]}]}',
        '\ufeff [ {"text": "a"} , {"text": "b"} ] ',
    ],
)
def test_other_forms(tmp_path: Path, data: str) -> None:
    assert read(tmp_path / "a.json", data)[0] == ["a", "b"]


def test_one_object_is_a_row(tmp_path: Path) -> None:
    found, _ = rows_of(tmp_path / "a.json", '{\n "text": "a",\n "tags": ["x", "y"]\n}')
    assert [(row.text, row.columns) for row in found] == [("a", {"tags": ["x", "y"]})]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ('[["a", 1]]', "lists of values without the names of their columns"),
        ("3", "must hold JSON objects, got a number"),
        ('"a"', "must hold JSON objects, got a text"),
        ('[{"text": "a"}, {"text": "b"', "the file ends within a value"),
        ('[{"text": "a"} {"text": "b"}]', "expected ',' at character 15, got '{'"),
        ('[{"text": "a"}] more', "goes on behind the end of its list"),
        ('{"text": ["a", "b"], "n": [1]}', "lists of different lengths"),
        ('{"x": {"u": "a"}, "y": {"u": "b"}}', "neither level is surely that of the columns"),
        ('{"columns": ["text", "n"], "data": [["a"]]}', "row 0 has 1 values, expected 2"),
        ('{"columns": ["text", "text"], "data": [["a", "b"]]}', "has 2 columns named 'text'"),
        ('{"columns": [1, "1"], "data": [["a", "b"]]}', "has 2 columns named '1'"),
        (
            '{"columns": [{"name": "text", "values": ["a"]}, {"name": "text", "values": ["b"]}]}',
            "has 2 columns named 'text'",
        ),
    ],
)
def test_forms_that_are_refused(tmp_path: Path, data: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path / "a.json", data)


def test_a_bad_row_is_an_error_in_its_place(tmp_path: Path) -> None:
    rows = [
        b'{"text": "first"}',
        b'{"text": oops}',
        b'{"text": "\xff"}',
        b'{"text": "' + b"x" * 300 + b'"}',
        b'{"text": "a", "text": "b"}',
        b'{"text": null}',
        b"[1]",
        b"null",
        b'{"text": "a", "x": ' + b"[" * 50 + b"1" + b"]" * 50 + b"}",
        b'{"text": "last \\" } ]"}',
    ]
    for data in (b"[" + b",\n".join(rows) + b"]", b"\n".join(rows)):
        if not data.startswith(b"["):
            data = data.replace(b"\nnull", b"")
        found, _ = read(tmp_path / "a.json", data, max_line_bytes=200)
        said = ["is not JSON", "is not UTF-8", "is longer than 200", "stands twice", "is null; the row has no text"]
        assert found[0] == "first" and found[-2:] == ["a", 'last " } ]']
        assert all(told in row for told, row in zip(said, found[1:6], strict=True))
        assert "must be a JSON object" in found[6] or "is null" in found[6]


def test_no_column_beside_the_text_costs_a_row(tmp_path: Path) -> None:
    digits = "9" * 5000
    line = f'{{"text": "a", "nan": NaN, "inf": 1e999, "big": {digits}, "lone": "\\ud800", "deep": [[[{{}}]]]}}\n'
    for name, data in (("a.jsonl", line), ("a.json", f"[{line}]")):
        (row,), _ = rows_of(tmp_path / name, data)
        assert row.text == "a" and str(row.columns["big"]) == digits and row.columns["lone"] == "\ud800"
        assert list(row.columns) == ["nan", "inf", "big", "lone", "deep"]


def test_a_name_that_stands_twice_is_found_in_time(tmp_path: Path) -> None:
    """60,000 names, the last of them twice: a search of all names for each would be 3.6 billion steps."""
    names = ",".join(f'"{i}":0' for i in range(60_000))
    found, _ = read(tmp_path / "a.jsonl", '{"text":"a"}\n{' + names + ',"59999":1}\n')
    assert found[0] == "a" and found[1].endswith("the name '59999' stands twice in an object")


def test_a_list_is_read_row_by_row(tmp_path: Path) -> None:
    rows = [{"text": f"row {number}", "more": {"deep": ["x" * 50]}} for number in range(20_000)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows, indent=1))
    tracemalloc.start()
    count = sum(row.text.startswith("row ") for row in open_inputs([], [str(path)], options=InputOptions()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    # The file as bytes and as text; its rows together would take as much again several times.
    assert peak < 3 * path.stat().st_size


def test_a_text_at_the_top_is_the_row_whatever_lists_it_has(tmp_path: Path) -> None:
    data = '{"text": "one text", "spans": [{"text": "sp1"}, {"text": "sp2"}]}'
    assert read(tmp_path / "a.json", data, column="text") == (["one text"], [])


def test_a_parent_that_is_null_is_a_row_without_a_text(tmp_path: Path) -> None:
    rows, _ = rows_of(tmp_path / "a.jsonl", '{"doc": {"text": "a"}}\n{"doc": null}\n', column="doc.text")
    assert rows[0].text == "a" and isinstance(rows[1].error, NoTextError)
