"""Parquet, Feather and Arrow: every type beside the text is kept, and a small file cannot ask for all memory."""

from __future__ import annotations

import datetime
import decimal
import io
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqscore.errors import InputError
from seqscore.evaluation.data import arrow
from seqscore.evaluation.data.ipc import largest_batch
from seqscore.typed_json import decoded, encoded
from tests.evaluation.data.reading import read, rows_of


def written(folder: Path, table: pa.Table, end: str) -> Path:
    path = folder / f"a{end}"
    if end == ".parquet":
        pq.write_table(table, path)
    else:
        make = pa.ipc.new_file if end == ".feather" else pa.ipc.new_stream
        with path.open("wb") as sink, make(sink, table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("end", [".parquet", ".feather", ".arrow"])
def test_columns_of_any_type_are_kept(tmp_path: Path, end: str) -> None:
    when = datetime.datetime(2024, 1, 2, 3, 4, 5, 6)
    values: dict[str, Any] = {
        "decimal": (pa.decimal128(5, 2), decimal.Decimal("1.10")),
        "time": (pa.timestamp("us"), when),
        "date": (pa.date32(), when.date()),
        "bytes": (pa.binary(), b"\xff\x00"),
        "nested": (pa.struct([("x", pa.list_(pa.int8()))]), {"x": [1, 2]}),
        "map": (pa.map_(pa.string(), pa.int8()), [("k", 1)]),
        "large": (pa.large_string(), "l"),
        "view": (pa.string_view(), "v"),
        "category": (pa.dictionary(pa.int8(), pa.string()), "c"),
        "null": (pa.null(), None),
        "unsigned": (pa.uint64(), 2**64 - 1),
    }
    columns = {name: pa.array([value], kind) for name, (kind, value) in values.items()}
    table = pa.table({"text": ["a"], "nan": [math.nan], **columns})
    (row,), said = rows_of(written(tmp_path, table, end))
    assert row.text == "a" and said == []
    assert math.isnan(row.columns["nan"])
    assert {name: row.columns[name] for name in values} == {name: value for name, (_, value) in values.items()}


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()])
@pytest.mark.parametrize("end", [".parquet", ".arrow"])
def test_texts_of_every_type(tmp_path: Path, kind: pa.DataType, end: str) -> None:
    texts = ["é", "b", None]
    array = pa.array([one and one.encode() for one in texts], pa.binary()).cast(pa.string()).cast(kind)
    for column in (array, array.dictionary_encode() if kind not in (pa.string_view(),) else array):
        found, _ = read(written(tmp_path, pa.table({"text": column}), end))
        assert found[:2] == ["é", "b"] and "is null; the row has no text there" in found[2]


def test_values_that_python_cannot_hold_cost_no_row(tmp_path: Path) -> None:
    twice = pa.StructArray.from_arrays(
        [pa.array([1]), pa.array([2])], fields=[pa.field("x", pa.int64()), pa.field("x", pa.int64())]
    )
    no_text = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 1], np.int32).tobytes()), pa.py_buffer(b"\xff"))
    path = written(tmp_path, pa.table({"text": ["a"], "twice": twice, "latin": no_text}), ".parquet")
    (row,), _ = rows_of(path)
    assert row.text == "a" and "1" in row.columns["twice"] and row.columns["latin"] == b"\xff"
    assert "row 0: column 'latin' is not UTF-8" in read(path, column="latin")[0][0]


def test_nanoseconds_are_kept(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": ["a", "b"],
            "duration": pa.array([1, None], pa.duration("ns")),
            "time": pa.array([1, None], pa.time64("ns")),
            "whole": pa.array([1000, None], pa.time64("ns")),
            "when": pa.array([1, None], pa.timestamp("ns")),
        }
    )
    (row, empty), _ = rows_of(written(tmp_path, table, ".parquet"))
    found = decoded(encoded(row.columns), where="row 0")
    assert found == {
        "duration": np.timedelta64(1, "ns"),
        "time": "00:00:00.000000001",
        "whole": datetime.time(microsecond=1),
        "when": np.datetime64(1, "ns"),
    }
    assert set(decoded(encoded(empty.columns), where="row 1").values()) == {None}


@pytest.mark.parametrize("end", [".parquet", ".feather", ".arrow"])
def test_a_column_that_is_there_twice_is_named(tmp_path: Path, end: str) -> None:
    table = pa.table([pa.array(["a"]), pa.array(["b"]), pa.array([1])], names=["text", "text", "n"])
    with pytest.raises(InputError, match="has 2 columns named 'text'; rename all but one"):
        read(written(tmp_path, table, end))


@pytest.mark.parametrize("end", [".parquet", ".feather", ".arrow"])
def test_files_that_are_damaged(tmp_path: Path, end: str) -> None:
    whole = written(tmp_path, pa.table({"text": ["a"] * 100}), end).read_bytes()
    for data in (b"", b"nothing of this kind", whole[: len(whole) // 2]):
        with pytest.raises(InputError, match=r"cannot read .* as (Parquet|Arrow): "):
            read(tmp_path / f"b{end}", data)


BOMB = """
import resource, sys
from pathlib import Path
from tests.evaluation.data.reading import read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[1:]:
    found, said = read(Path(name))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(len(found), set(found), said, grown, sep="|")
"""


def bombs() -> dict[str, pa.Table]:
    """Tables of some kilobytes: a text of 24 MB that 2,000 rows share, as text and beside it, in lists; a long list."""
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["a" * (24 << 20)]))
    count = 40_000_000
    in_lists = pa.ListArray.from_arrays(pa.array([0, 2000], pa.int32()), shared)
    long_list = pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), pa.array(np.zeros(count, np.int8)))
    return {
        "text": pa.table({"text": shared}),
        "beside": pa.table({"text": ["x"] * 2000, "other": shared}),
        "in lists": pa.table({"text": ["x"], "other": in_lists}),
        "long list": pa.table({"text": ["x"], "other": long_list}),
    }


def test_small_files_that_ask_for_all_memory(tmp_path: Path) -> None:
    """48 GB, were each row to have its own copy; the limit of a value is 16 MiB."""
    tables = bombs()
    for name, table in tables.items():
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=1 << 30, store_schema=False)
        assert path.stat().st_size < 10_000
    paths = [str(tmp_path / f"{name}.parquet") for name in tables]
    done = subprocess.run([sys.executable, "-c", BOMB, *paths], capture_output=True, text=True, check=True)
    for (name, table), line in zip(tables.items(), done.stdout.splitlines(), strict=True):
        count, found, said, memory = line.split("|")
        assert int(count) == table.num_rows and int(memory) < 600, (name, line)
        if name == "text":
            assert "longer than 16,777,216 bytes, the limit for a value" in found
        else:
            assert found == "{'x'}" and "left out" in said, name


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
@pytest.mark.parametrize("make", [pa.ipc.new_file, pa.ipc.new_stream])
def test_what_compressed_batches_come_to_is_known_before(compression: str | None, make: Any) -> None:
    table = pa.table({"values": pa.array(np.arange(50_000) % 7, pa.int64()), "texts": ["text"] * 50_000})
    sink = pa.BufferOutputStream()
    with make(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    size, stored = largest_batch(io.BytesIO(sink.getvalue().to_pybytes()), is_file=make is pa.ipc.new_file)
    # 8 bytes a number; 4 bytes a text, and one more place than texts in 4 bytes each
    expected = 50_000 * 8 + 50_000 * 4 + 50_001 * 4
    assert size == (0 if compression is None else expected)
    assert stored >= expected if compression is None else 0 < stored < expected


def test_an_arrow_file_that_asks_for_all_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "_PLENTY", 1 << 20)
    table = pa.table({"text": ["x"] * 10, "zeros": pa.array([np.zeros(1_000_000, np.int8)] * 10)})
    path = tmp_path / "a.feather"
    with (
        path.open("wb") as sink,
        pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer,
    ):
        writer.write_table(table)
    with pytest.raises(InputError, match=r"comes to 10,0.* bytes out of .*, which is refused"):
        read(path)
