from __future__ import annotations

import bz2
import csv
import gzip
import io
import itertools
import json
import lzma
import os
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.lines import read_lines
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.data.texts import InputOptions, InputRow, only_texts, open_inputs


def write(folder: Path, name: str, data: bytes | str) -> str:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def asked(**options: Any) -> InputOptions:
    """Columns to be scored, and the rest for reading."""
    mine = {name: options.pop(name) for name in ("column", "context_column", "context") if name in options}
    return InputOptions(**mine, data=DataOptions(**options))


def rows(source: str, **options: object) -> list[InputRow | Problem]:
    return list(open_inputs([], [source], options=asked(**options)))


def texts(source: str, **options: object) -> list[str]:
    return only_texts(rows(source, **options))


def problem(row: InputRow | Problem) -> str:
    assert isinstance(row, Problem)
    return str(row.error)


def error(source: str, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        open_inputs([], [source], options=asked(**options))
    return str(caught.value)


class Standard:
    """Stands for sys.stdin."""

    def __init__(self, data: bytes | io.BufferedIOBase) -> None:
        self.buffer = io.BytesIO(data) if isinstance(data, bytes) else data


# -- lines of text -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\n", [""]),
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\n\n\nb\n", ["a", "", "", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\r\n\r\n", ["a", ""]),
        (b"a\rb\r", ["a\rb\r"]),
        (b"a\r\r\n", ["a\r"]),
        ("a\u2028b\u2029c\x0bd\x0ce\x85f\x1cg\n".encode(), ["a\u2028b\u2029c\x0bd\x0ce\x85f\x1cg"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        (b"\xef\xbb\xbf", [""]),
        (b"  a \t\n", ["  a \t"]),
        (b"nul\x00byte\n", ["nul\x00byte"]),
        ("漢字 👩‍🔬\n".encode(), ["漢字 👩‍🔬"]),
    ],
)
def test_lines_are_split_at_line_feeds_only(tmp_path: Path, data: bytes, expected: list[str]) -> None:
    source = write(tmp_path, "a.txt", data)
    assert rows(source) == [InputRow(i, text) for i, text in enumerate(expected)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=8), min_size=1))
def test_any_lines_come_back(lines: list[str]) -> None:
    lines = ["x", *(line.rstrip("\r") for line in lines)]
    data = "".join(line + "\n" for line in lines).encode()
    found = list(read_lines(io.BytesIO(data), "it", limit=100))
    assert [line.data for line in found] == [line.encode() for line in lines]
    for line in found:
        assert data[line.offset : line.offset + len(line.data or b"")] == line.data
    assert [line.number for line in found] == list(range(1, len(lines) + 1))


def test_a_line_that_is_not_utf8_is_a_problem_in_its_place(tmp_path: Path) -> None:
    source = write(tmp_path, "latin1.txt", "first\nsecond\ncafé au lait\nfourth\n".encode("latin-1"))
    found = rows(source)
    assert [row.id for row in found] == [0, 1, 2, 3]
    assert found[3] == InputRow(3, "fourth")
    assert problem(found[2]) == (
        f"{source!r}, line 3 is not UTF-8: byte 0xe9 at offset 16 of the file; "
        "name its encoding with encoding= (--encoding), for instance cp1252 or latin-1"
    )
    with pytest.raises(InputError, match="line 3 is not UTF-8"):
        only_texts(found)


def test_offsets_count_the_byte_order_mark(tmp_path: Path) -> None:
    assert "byte 0xff at offset 4 of" in problem(rows(write(tmp_path, "a.txt", b"\xef\xbb\xbfx\xff\n"))[0])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf16_is_named(tmp_path: Path, encoding: str) -> None:
    source = write(tmp_path, "a.txt", "words\nand more\n".encode(encoding))
    expected = f"{source!r} is {encoding.upper()}, not UTF-8; say so with --encoding {encoding} (encoding=)"
    assert error(source) == expected
    with pytest.raises(InputError) as caught:
        rows(source, whole_file=True)
    assert str(caught.value) == expected


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize(("length", "fits"), [(9, True), (10, True), (11, False), (12, False), (5_000_000, False)])
def test_a_line_beyond_the_limit_is_a_problem(tmp_path: Path, length: int, fits: bool, end: bytes) -> None:
    source = write(tmp_path, "a.txt", b"short\n" + b"x" * length + end + (b"after\n" if end else b""))
    found = rows(source, max_line_bytes=10)
    assert found[0] == InputRow(0, "short")
    if fits:
        assert found[1] == InputRow(1, "x" * length)
    else:
        assert problem(found[1]) == (
            f"{source!r}, line 2 is longer than 10 bytes, the limit for a line; a whole file as one text may be longer "
            "(whole_file, --whole-file)"
        )
    assert found[2:] == ([InputRow(2, "after")] if end else [])


def test_memory_stays_bounded_whatever_is_on_a_line(tmp_path: Path) -> None:
    source = write(tmp_path, "bomb.txt.gz", gzip.compress(b"x" * 50_000_000 + b"\nafter\n", compresslevel=1))
    tracemalloc.start()
    try:
        found = rows(source, max_line_bytes=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [type(row) for row in found] == [Problem, InputRow]
    assert peak < 8_000_000


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.txt")
    assert error(missing) == f"cannot read {missing!r}: No such file or directory"
    assert error(str(tmp_path)).startswith(f"the folder {str(tmp_path)!r} holds no file that ends in .json, ")
    assert error(str(tmp_path), whole_file=True).startswith(f"the folder {str(tmp_path)!r} holds no file")
    assert error(missing, whole_file=True) == f"cannot read {missing!r}: No such file or directory"
    assert error("nul\x00") == "cannot read 'nul\\x00': embedded null byte"
    assert error(missing + ".zst") == f"cannot read {missing + '.zst'!r}: No such file or directory"
    assert f"cannot read {missing + '.lz4'!r}: by its end .lz4 it is of a compression" in error(missing + ".lz4")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, "secret.txt", b"a\n")

    def refuse(*_: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    assert error(source) == f"cannot read {source!r}: Permission denied"


def test_a_read_error_in_the_middle_names_the_line() -> None:
    class Failing(io.BytesIO):
        def readline(self, size: int | None = -1) -> bytes:
            line = super().readline(size)
            if line == b"bad\n":
                raise OSError(5, "Input/output error")
            return line

    lines = read_lines(Failing(b"good\nbad\n"), "'disk'", limit=100)
    assert next(lines).data == b"good"
    with pytest.raises(InputError, match="cannot read 'disk' after line 1: Input/output error"):
        next(lines)


# -- compression -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "module"), [(".gz", gzip), (".bz2", bz2), (".xz", lzma), (".GZ", gzip)])
def test_compressed_files(tmp_path: Path, suffix: str, module: object) -> None:
    data = b"one\ntwo\n" * 2000
    source = write(tmp_path, f"a.txt{suffix}", module.compress(data))  # type: ignore[attr-defined]
    assert texts(source) == ["one", "two"] * 2000
    assert texts(source, whole_file=True) == [data.decode()]
    table = write(tmp_path, f"a.csv{suffix}", module.compress(b"text\none\n"))  # type: ignore[attr-defined]
    assert texts(table) == ["one"]


@pytest.mark.parametrize(("suffix", "module"), [(".gz", gzip), (".bz2", bz2), (".xz", lzma)])
def test_compressed_files_that_are_damaged(tmp_path: Path, suffix: str, module: object) -> None:
    data = module.compress(os.urandom(300_000).hex().encode())  # type: ignore[attr-defined]
    source = write(tmp_path, f"cut.txt{suffix}", data[: len(data) // 2])
    assert f"cannot read {source!r} after line 0: " in error(source)
    other = write(tmp_path, f"other.txt{suffix}", b"not compressed at all\n")
    assert f"cannot read {other!r} after line 0: " in error(other)
    with pytest.raises(InputError, match="cannot read"):
        rows(other, whole_file=True)


# -- whole files -------------------------------------------------------------------------------------------------------


def test_a_whole_file_is_one_text_to_the_byte(tmp_path: Path) -> None:
    source = write(tmp_path, "a.csv", b"\xef\xbb\xbfone\r\n\r\ntwo, three\n")
    assert rows(source, whole_file=True, context="C ") == [InputRow(0, "one\r\n\r\ntwo, three\n", "C ")]
    assert texts(write(tmp_path, "empty.txt", b""), whole_file=True) == [""]


def test_a_whole_file_has_a_limit_and_must_be_utf8(tmp_path: Path) -> None:
    source = write(tmp_path, "a.txt", b"\xef\xbb\xbf12345\n789\xff")
    with pytest.raises(InputError) as caught:
        rows(source, whole_file=True, max_file_bytes=9)
    assert str(caught.value) == f"{source!r} is longer than 9 bytes, the limit for one text; split it"
    with pytest.raises(InputError, match="line 2 is not UTF-8: byte 0xff at offset 12 of the file"):
        rows(source, whole_file=True, max_file_bytes=10)


# -- standard input ----------------------------------------------------------------------------------------------------


def test_standard_input_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    go_on = threading.Event()

    def produce() -> None:
        with os.fdopen(writing, "wb", buffering=0) as stream:
            stream.write(b"first\nsec")
            go_on.wait(240)
            stream.write(b"ond\n")

    producer = threading.Thread(target=produce)
    producer.start()
    with os.fdopen(reading, "rb") as stream:
        monkeypatch.setattr(sys, "stdin", Standard(stream))
        found = open_inputs(["-"], [])
        assert next(found) == InputRow(0, "first")  # the producer is still at work
        go_on.set()
        assert list(found) == [InputRow(1, "second")]
    producer.join()


def test_endless_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None and 0 <= size < 2000
            return b"y" * size

    monkeypatch.setattr(sys, "stdin", Standard(Endless()))
    with pytest.raises(InputError, match="standard input is longer than 1,000 bytes"):
        open_inputs(["-"], [], options=asked(whole_file=True, max_file_bytes=1000))


def test_standard_input_in_files_and_between_texts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", Standard(b"in 1\nin 2"))
    found = list(open_inputs(["a", "-", "b"], [write(tmp_path, "f.txt", b"c\n")], options=InputOptions(context="X")))
    assert found == [InputRow(i, text, "X") for i, text in enumerate(["a", "in 1", "in 2", "b", "c"])]
    monkeypatch.setattr(sys, "stdin", Standard(b"whole\n"))
    assert texts("-", whole_file=True) == ["whole\n"]


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="cannot read standard input: it is closed"):
        list(open_inputs(["-"], []))


def test_faults_on_standard_input_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Standard(b"\xff\n"))
    assert problem(next(open_inputs(["-"], []))).startswith("standard input, line 1 is not UTF-8: byte 0xff")


def test_a_fifo_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    producer = threading.Thread(target=lambda: path.write_bytes(b"one\ntwo\n"))
    producer.start()
    assert texts(str(path)) == ["one", "two"]
    producer.join()


# -- what is asked for -------------------------------------------------------------------------------------------------


def test_rows_are_numbered_from_source_to_source(tmp_path: Path) -> None:
    a, b = write(tmp_path, "a.txt", b"1\n\xff\n3\n"), write(tmp_path, "b.csv", b"text,n\n4,x\n5,y\n")
    found = list(open_inputs(["0"], [a, b]))
    assert [row.id for row in found] == [0, 1, 2, 3, 4, 5]
    assert [getattr(row, "text", None) for row in found] == ["0", "1", None, "3", "4", "5"]


def test_a_missing_file_shows_before_the_first_row_of_another(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        open_inputs(["a"], [write(tmp_path, "a.txt", b"a"), str(tmp_path / "missing.txt")])


def test_options_that_contradict_each_other(tmp_path: Path) -> None:
    source = write(tmp_path, "a.txt", b"a\n")
    with pytest.raises(OptionError, match="nothing to score; give a text, a file, or - for standard input"):
        open_inputs([], [])
    with pytest.raises(OptionError, match="choose one"):
        InputOptions(context="a", context_column="b")
    for name in ("column", "id_column", "context_column"):
        options = asked(**{name: "x"})
        with pytest.raises(InputError, match="has no column 'x'; its columns are 'text'"):
            open_inputs([], [source], options=options)
        with pytest.raises(OptionError, match="columns were named, but only files"):
            open_inputs(["text"], [], options=options)
        with pytest.raises(OptionError, match="whole file as one text has no columns"):
            asked(whole_file=True, **{name: "x"})
    with pytest.raises(OptionError, match="columns were named, but only files"):
        open_inputs(["text"], [], options=InputOptions(keep=("nope",)))


# -- columns -----------------------------------------------------------------------------------------------------------

RECORDS = [
    {"key": "a", "text": "one, two", "other": '"quoted"', "before": "C1 "},
    {"key": "b", "text": "line\nfeed\r\nand\u2028more", "other": "=1+1", "before": ""},
    {"key": "c", "text": "", "other": "漢字", "before": "tab\there"},
]


def structured(folder: Path, suffix: str, records: list[dict[str, str]] = RECORDS) -> str:
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), folder / "a.parquet", row_group_size=2)
        return str(folder / "a.parquet")
    if suffix in (".csv", ".tsv"):
        buffer = io.StringIO(newline="")
        writer = csv.DictWriter(buffer, list(records[0]), delimiter="\t" if suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(records)
        return write(folder, f"a{suffix}", buffer.getvalue())
    return write(folder, f"a{suffix}", "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records))


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"])
def test_columns(tmp_path: Path, suffix: str) -> None:
    source = structured(tmp_path, suffix)
    assert rows(source, empty_cells="text") == [InputRow(i, one["text"]) for i, one in enumerate(RECORDS)]
    assert rows(source, column="other", id_column="key", context_column="before", empty_cells="text") == [
        InputRow(one["key"], one["other"], one["before"]) for one in RECORDS
    ]
    assert rows(source, context="before all")[0] == InputRow(0, "one, two", "before all")


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_a_missing_column_names_those_there_are(tmp_path: Path, suffix: str) -> None:
    source = structured(tmp_path, suffix)
    assert error(source, column="txt") == (
        f"{source!r} has no column 'txt'; its columns are 'key', 'text', 'other', 'before'"
    )
    assert "has no column 'nr'" in error(source, id_column="nr")
    assert "has no column 'ctx'" in error(source, context_column="ctx")


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@settings(max_examples=100, deadline=None)
@given(
    records=st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))] * 2), min_size=1
    )
)
def test_whatever_the_csv_module_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, records: list[tuple[str, str]]
) -> None:
    dicts = [{"text": text, "before": before} for text, before in records]
    source = structured(tmp_path_factory.mktemp("csv"), suffix, dicts)
    found = rows(source, context_column="before", empty_cells="text", quoting="standard")
    assert found == [InputRow(i, *one) for i, one in enumerate(records)]


def test_bad_lines_of_json(tmp_path: Path) -> None:
    lines = [
        b'{"text": "good"}',
        b"",
        b'{"text": "open',
        b"[1]",
        b'{"other": 1, "more": 2}',
        b'{"text": null}',
        b'{"text": 3}',
        b'{"text": {"a": 1}}',
        b'{"text": "\xff"}',
        b"[" * 100_000,
        b'{"text": "' + b"x" * 200_000 + b'"}',
        b'{"text": 1' + b"0" * 5000 + b"}",
        b'{"text": "good too"}  ',
    ]
    source = write(tmp_path, "a.jsonl", b"\n".join(lines))
    found = rows(source, max_line_bytes=150_000)
    assert [row.id for row in found] == list(range(12))
    assert found[0] == InputRow(0, "good")
    assert found[11] == InputRow(11, "good too")
    told = [problem(row).removeprefix(f"{source!r}, line ") for row in found[1:11]]
    assert told[0].startswith("3 is not JSON: Unterminated string")
    assert told[1:6] == [
        '4 must be a JSON object like {"text": "..."}, got a list',
        "5 has no column 'text'; its columns are 'other', 'more'",
        "6: column 'text' is null; the row has no text there",
        "7: column 'text' is a number; expected text",
        "8: column 'text' is an object; expected text",
    ]
    assert told[6].startswith("9 is not UTF-8: byte 0xff at offset ")
    assert told[7].startswith("10 is not JSON: ")
    assert told[8] == "11 is longer than 150,000 bytes, the limit for a line"
    assert told[9] == "12: column 'text' is a number; expected text"


def test_ids_are_text_or_whole_numbers(tmp_path: Path) -> None:
    values = ['"a"', "7", "null", "true", "1.5", "2.0", '"a"', "[1]", '"\\ud800"', "NaN", "1" + "0" * 5000]
    source = write(tmp_path, "a.jsonl", "".join(f'{{"text": "t", "id": {value}}}\n' for value in values))
    found = rows(source, id_column="id")
    assert all(isinstance(row, InputRow) for row in found), "an id costs no row its score"
    assert [row.id for row in found[:-1]] == ["a", 7, "row 2", "true", "1.5", 2, "a", "[1]", "\\ud800", "row 9"]
    assert "0" * 5000 in str(found[-1].id)
    assert [row.number for row in found] == list(range(11)), "which tells rows of one id apart"


def test_a_bad_row_keeps_its_id(tmp_path: Path) -> None:
    source = write(tmp_path, "a.jsonl", '{"text": null, "id": "x"}\n{"text": "t", "id": "y", "c": 1}\n')
    (row,) = rows(source, id_column="id")[:1]
    assert (row.id, isinstance(row, Problem)) == ("x", True)
    last = rows(
        write(tmp_path, "b.jsonl", '{"text": "t", "c": 1}\n{"text": "t", "c": null}'), context_column="c", notify=print
    )
    assert problem(last[0]).endswith("column 'c' is a number; expected text")
    assert last[1] == InputRow(1, "t", None)


def test_bad_rows_of_csv(tmp_path: Path) -> None:
    source = write(tmp_path, "a.csv", b'text,n\n"two\nlines",1\ncaf\xe9,2\n\nshort\nlong,1,2\ngood,3\n')
    found = rows(source)
    assert [row.id for row in found] == [0, 1, 2, 3, 4]
    assert found[0] == InputRow(0, "two\nlines")
    assert found[4] == InputRow(4, "good")
    assert problem(found[1]).startswith(f"{source!r}, line 4 is not UTF-8: byte 0xe9 at offset 24 of the file")
    assert problem(found[2]) == f"{source!r}, line 6: number of values is 1, expected 2 as in the header"
    assert problem(found[3]) == f"{source!r}, line 7: number of values is 3, expected 2 as in the header"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "{} is empty; expected a header with the names of its columns"),
        (b"text,n\ngood,1\n" + b'"never closed,2\n' * 3, "{}, line 3: not well-formed: "),
        (b'text\n"quoted" and more\n', "{}, line 2: not well-formed: "),
        (b"text,text\na,b\n", "{} has 2 columns named 'text'; rename all but one"),
        (b"te\xe9xt,text\n", "{}, line 1 is not UTF-8: byte 0xe9 at offset 2 of the file"),
        (b'text\n"' + b"x\n" * 300, "{}, line 2: not well-formed: field larger than field limit (200)"),
    ],
)
def test_csv_files_that_cannot_be_read(tmp_path: Path, data: bytes, message: str) -> None:
    source = write(tmp_path, "a.csv", data)
    with pytest.raises(InputError) as caught:
        rows(source, max_line_bytes=200)
    assert str(caught.value).startswith(message.format(repr(source)))


def test_the_csv_modules_own_limit_is_left_as_it_was(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    source = write(tmp_path, "a.csv", b"text\n" + b"x" * (before + 10) + b"\nshort\n")
    found = open_inputs([], [source])
    first = next(found)
    assert isinstance(first, InputRow) and len(first.text) == before + 10
    assert csv.field_size_limit() == before


def test_parquet_values_and_types(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {
            "text": pa.array(["a", None, "c"]).dictionary_encode(),
            "large": pa.array(["x", "y", "z"], pa.large_string()),
            "number": [1, 2, 3],
            "real": [0.5, 1.5, 2.5],
        }
    )
    pq.write_table(table, path)
    found = rows(str(path), id_column="number", context_column="large")
    assert found[0] == InputRow(1, "a", "x")
    assert found[2] == InputRow(3, "c", "z")
    assert (found[1].id, problem(found[1])) == (
        2,
        f"{str(path)!r}, row 1: column 'text' is null; the row has no text there",
    )
    assert problem(rows(str(path), column="real")[0]).endswith("row 0: column 'real' is a number; expected text")


def test_parquet_texts_have_the_limit_of_lines(tmp_path: Path) -> None:
    source = structured(tmp_path, ".parquet")
    assert problem(rows(source, max_line_bytes=10, notify=print)[1]) == (
        f"{source!r}, row 1: column 'text' is longer than 10 bytes, the limit for a value"
    )


def test_parquet_that_is_none_or_damaged(tmp_path: Path) -> None:
    source = write(tmp_path, "a.parquet", b"not parquet at all")
    assert f"cannot read {source!r} as Parquet: " in error(source)
    whole = Path(structured(tmp_path, ".parquet")).read_bytes()
    source = write(tmp_path, "cut.parquet", whole[: len(whole) // 2])
    assert f"cannot read {source!r} as Parquet: " in error(source)


def test_parquet_text_that_is_no_utf8_is_a_problem(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"bad \xff"], pa.binary())
    text = pa.StringArray.from_buffers(2, raw.buffers()[1], raw.buffers()[2])
    pq.write_table(pa.table({"text": text}), tmp_path / "a.parquet")
    found = rows(str(tmp_path / "a.parquet"))
    assert found[0] == InputRow(0, "good")
    assert "row 1: column 'text' is not UTF-8" in problem(found[1])


def test_rows_are_read_lazily(tmp_path: Path) -> None:
    source = write(tmp_path, "a.txt", b"line\n" * 200_000)
    found = open_inputs([], [source])
    tracemalloc.start()
    try:
        assert len(list(itertools.islice(found, 10))) == 10
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000
