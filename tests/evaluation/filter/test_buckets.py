from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data import arrow
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.dataset import Dataset, open_dataset
from seqscore.evaluation.filter.buckets import Bucket, check_sortable, split_run
from seqscore.evaluation.run.run_folder import Run, held
from seqscore.evaluation.run.run_task import evaluate
from seqscore.evaluation.tasks.bucket_limits import Percentiles, Rule, Thresholds, bucket_value
from seqscore.evaluation.tasks.filter import FilterTask
from seqscore.evaluation.tasks.registry import guess_fields
from tests.evaluation.evaluated import OPTIONS, files, log_likelihood, rows_of, run_task, tiny_scorer

TEXTS = [" ".join("abcdefgh"[: 1 + i % 5]) + f" the cat {i}" for i in range(11)]
ROWS: list[Any] = [{"text": text, "n": i, "ü": None} for i, text in enumerate(TEXTS)]


def run_over(folder: Path, *sources: Path, **options: Any) -> tuple[Run, Dataset]:
    data = open_dataset([str(one) for one in sources], options=DataOptions(notify=lambda message: None, **options))
    task = FilterTask(fields=guess_fields("filter", data.columns))
    return evaluate(tiny_scorer(), data, task, folder / "run", options=replace(OPTIONS, keep_columns="none")), data


def split(folder: Path, rule: Rule, **settings: Any) -> tuple[dict[str, int], dict[str, list[Any]], list[Any]]:
    source = folder / "data.jsonl"
    lines = [one if isinstance(one, str) else json.dumps(one) for one in [*ROWS, "{", {"text": ""}, {"text": 3}]]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run, data = run_over(folder, source)
    found = split_run(run, rule, by="perplexity", dataset=data, **settings)
    read = {name: one.path.read_text(encoding="utf-8").splitlines() for name, one in found.items()}
    assert [len(lines) for lines in read.values()] == [one.num_rows for one in found.values()]
    errors = [json.loads(line) for line in (run.path / "unscored.errors.jsonl").read_text().splitlines()]
    unscored = read.pop("unscored")
    assert unscored == lines[-3:], "as they were read"
    return (
        {name: one.num_rows for name, one in found.items()},
        {name: [json.loads(line) for line in lines] for name, lines in read.items()},
        errors,
    )


def test_percentiles_as_ccnet(tmp_path: Path) -> None:
    counts, found, errors = split(tmp_path, Percentiles(head=30, middle=60))
    own = []
    for text in TEXTS:
        total, tokens = log_likelihood(text)
        own.append(math.exp(-total / tokens))
    low, high = np.percentile(own, [30, 60])
    expected: dict[str, list[Any]] = {"head": [], "middle": [], "tail": []}
    for row, value in zip(ROWS, own, strict=True):
        expected["head" if value <= low else "middle" if value <= high else "tail"].append(row)
    assert found == expected
    assert counts == {**{name: len(rows) for name, rows in expected.items()}, "unscored": 3}
    assert [one["error"]["code"] for one in errors] == ["bad_input", "nothing_scored", "bad_input"]
    assert [one["row"] for one in errors] == [11, 12, 13]


def test_thresholds_keep_both_ends(tmp_path: Path) -> None:
    run = run_task(tmp_path / "first", "filter", ROWS)
    values = [bucket_value(row["items"][0], "perplexity") for row in rows_of(run)]
    low, high = sorted(value for value in values if value is not None)[2:9:6]
    (tmp_path / "second").mkdir()
    _, found, _ = split(tmp_path / "second", Thresholds(low=low, high=high))
    assert found["kept"] == [row for row, value in zip(ROWS, values, strict=True) if low <= (value or 0) <= high]
    assert len(found["kept"]) == 7 and len(found["dropped"]) == 4


def test_splitting_again_gives_the_same_files(tmp_path: Path) -> None:
    source = tmp_path / "data.jsonl.gz"
    source.write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode()))
    run, data = run_over(tmp_path, source)
    split_run(run, Percentiles(), by="bits_per_byte", dataset=data)
    before = files(run.path)
    split_run(run, Percentiles(), by="bits_per_byte", dataset=data)
    assert files(run.path) == before


# -- rows as they were read --------------------------------------------------------------------------------------------


def sorted_bytes(folder: Path, *sources: Path, **options: Any) -> dict[str, bytes]:
    """What a filter at the median gives, by name."""
    run, data = run_over(folder, *sources, **options)
    values = [bucket_value(row["items"][0], "perplexity") if row["items"] else None for row in rows_of(run)]
    middle = float(np.median([one for one in values if one is not None]))
    split_run(run, Thresholds(low=middle), by="perplexity", dataset=data)
    return {name: data for name, data in files(run.path).items() if name.startswith(("kept", "dropped", "unscored"))}


def interleaved(found: dict[str, bytes], end: str, rows: list[bytes], head: bytes = b"") -> None:
    """Each row stands in one bucket, unchanged and in order, behind what stands before all rows."""
    parts = [found[f"{name}{end}"] for name in ("kept", "dropped", "unscored")]
    assert all(part.startswith(head) for part in parts)
    rest = [part[len(head) :] for part in parts]
    for row in rows:
        place = [at for at, part in enumerate(rest) if part.startswith(row)]
        assert len(place) >= 1, (row, rest)
        at = max(place, key=lambda one: len(rest[one]))
        rest[at] = rest[at][len(row) :]
    assert rest == [b"", b"", b""]


ODD = [
    b'{"text": "one cat", "n": 1.10, "big": 123456789012345678901234567890, "nan": NaN, "e": 1E5}\r\n',
    b'  {"n": [[1, {"a": []}]], "text":"a dog"  }\n',
    b'{"text": "caf\xc3\xa9 \\u00e9", "t": "2024-01-01"}\n',
    b'{"text": 3}\n',
    b'{"text": "two", "text": "x"}\n',
    b"\xff\xfe not text\n",
    b'{"text": "the last one has no line end"}',
]


@pytest.mark.parametrize("end", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_lines_of_json_are_copied_byte_for_byte(tmp_path: Path, end: str) -> None:
    data = b"\xef\xbb\xbf" + b"\n \t\n".join([ODD[0], *ODD[1:]][:1]) + b"\n" + b"".join(ODD[1:])
    source = tmp_path / f"a.ndjson{end}"
    source.write_bytes(packed(data, end))
    found = {name: unpacked(one, end) for name, one in sorted_bytes(tmp_path, source).items() if "errors" not in name}
    interleaved(found, f".ndjson{end}", ODD, b"\xef\xbb\xbf")
    assert found[f"unscored.ndjson{end}"].count(b"\n") == 3


def packed(data: bytes, end: str) -> bytes:
    if end == ".zst":
        return bytes(pa.compress(data, "zstd", asbytes=True))
    return {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[end](data)


def unpacked(data: bytes, end: str) -> bytes:
    if end == ".zst":
        return bytes(pa.CompressedInputStream(pa.BufferReader(data), "zstd").read())
    return {"": bytes, ".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}[end](data)


def test_separated_values_keep_their_quotes_and_their_header(tmp_path: Path) -> None:
    head = b'\xef\xbb\xbf"id",text,"n"\r\n'
    rows = [
        b'"1",one cat,"=1+1"\r\n',
        b'2,"a ""dog"", barking",\n',
        b'3,"two\n\nlines",x\n',
        b"4,,\n",
        b"5,too,many,values\n",
        b'6,"last",""',
    ]
    source = tmp_path / "a.csv"
    source.write_bytes(head + rows[0] + b"\r\n\n" + b"".join(rows[1:]))
    found = sorted_bytes(tmp_path, source)
    interleaved(found, ".csv", rows, head)
    assert found["unscored.csv"] == head + rows[3] + rows[4]


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-16-be"])
def test_another_encoding_stays(tmp_path: Path, encoding: str) -> None:
    lines = ["caf\u00e9 one", "two", "na\u00efve three", "four"]
    source = tmp_path / "a.text"
    source.write_bytes("\n".join(lines).encode(encoding))
    found = sorted_bytes(tmp_path, source, encoding=encoding)
    texts = [found[f"{name}.text"].decode(encoding).splitlines() for name in ("kept", "dropped")]
    assert sorted(texts[0] + texts[1]) == sorted(lines) and all(texts)


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("wide", ["utf-16", "utf-32"])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_the_order_of_bytes_stays(tmp_path: Path, wide: str, order: str, mark: str) -> None:
    encoding, head = f"{wide}-{order}", f"{mark}text\n".encode(f"{wide}-{order}")
    row = "caf\u00e9 one\n".encode(encoding)
    (tmp_path / "a.csv").write_bytes(head + row)
    found = sorted_bytes(tmp_path, tmp_path / "a.csv", encoding=wide if mark else encoding)
    assert found.pop("unscored.errors.jsonl") == b""
    assert found == {"kept.csv": head + row, "dropped.csv": head, "unscored.csv": head}


def test_text_of_any_name_and_empty_lines(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    rows = [b"one\n", b"\n", b"two \x0c cats\r\n", b"three"]
    source.write_bytes(b"".join(rows))
    interleaved(sorted_bytes(tmp_path, source), ".txt", rows)


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ('[{"text": "one", "n": 1.10}, {"n": NaN, "text": "two cats"},\n {"text": 3}]', True),
        ('{"text": "one", "n": 1.10}\n{"text":\n "two cats"}\n{"text": 3}', True),
        ('{"text": ["one", "two cats", "three"], "n": [1, 2.5, null]}', False),
    ],
)
def test_json_documents(tmp_path: Path, text: str, elements: bool) -> None:
    source = tmp_path / "a.json"
    source.write_text(text)
    found = {name: data.decode() for name, data in sorted_bytes(tmp_path, source).items()}
    if elements:
        raw = ['{"text": "one", "n": 1.10}', '{"text": 3}', *re.findall(r'{[^{}]*"two cats"}', text)]
        assert all(sum(one in found[f"{name}.json"] for name in ("kept", "dropped", "unscored")) == 1 for one in raw)
    rows = []
    for name in ("kept", "dropped", "unscored"):
        page = found[f"{name}.json"]
        rows += json.loads(page) if page.startswith("[") else [json.loads(one) for one in re.findall(r"{[^{}]*}", page)]
    assert len(rows) == 3 and {row["text"] for row in rows} >= {"one", "two cats"}


def test_rows_of_a_document_keep_numbers_as_they_were_written(tmp_path: Path) -> None:
    source = tmp_path / "a.json"
    source.write_text(
        '{"text": ["one", "\\ud800 two"], "n": [123456789012345678901234567890.50, 1], "z": [NaN, [-Infinity]]}'
    )
    pages = b"".join(sorted_bytes(tmp_path, source).values()).decode()
    assert '{"text": "one", "n": 123456789012345678901234567890.50, "z": NaN}' in pages
    assert '{"text": "\\ud800 two", "n": 1, "z": [-Infinity]}' in pages


SCHEMA = pa.schema(
    [
        pa.field("text", pa.large_string()),
        pa.field("time", pa.timestamp("ns", tz="Europe/Berlin")),
        pa.field("price", pa.decimal128(20, 4)),
        pa.field("nan", pa.float32()),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string())),
        pa.field("nested", pa.list_(pa.struct([("a", pa.uint8()), ("b", pa.binary())]))),
        pa.field("big", pa.uint64(), metadata={"unit": "m"}),
        pa.field("when", pa.date32()),
        pa.field("map", pa.map_(pa.string(), pa.int16())),
    ],
    metadata={"made": "by hand"},
)


def odd_table() -> pa.Table:
    rows = [
        {
            "text": text,
            "time": 1_700_000_000_123_456_789 + i,
            "price": Decimal("1.1000"),
            "nan": math.nan,
            "kind": "ab"[i % 2],
            "nested": [{"a": i, "b": b"\xff"}, None],
            "big": 2**64 - 1,
            "when": None,
            "map": [("x", i)],
        }
        for i, text in enumerate(["one", "two cats", None, "three dogs bark", "four"])
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.arrow", "stream.arrow"])
def test_tables_keep_schema_types_and_values(tmp_path: Path, name: str) -> None:
    table = odd_table()
    source = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(table, source, compression="gzip", row_group_size=2)
        table = pq.read_table(source)  # whose dictionaries have wider indices
    elif name == "a.feather":
        pa.feather.write_feather(table, source)
    else:
        new = pa.ipc.new_file if name == "a.arrow" else pa.ipc.new_stream
        with new(source, table.schema) as writer:
            writer.write_table(table, 2)
    run, data = run_over(tmp_path, source)
    found = split_run(run, Percentiles(), by="perplexity", dataset=data)
    read = {}
    for bucket, one in found.items():
        if name.endswith(".parquet"):
            read[bucket] = pq.read_table(one.path)
            assert pq.read_metadata(one.path).row_group(0).column(0).compression == "GZIP" if one.num_rows else True
        else:
            opener = pa.ipc.open_stream if name.startswith("stream") else pa.ipc.open_file
            read[bucket] = opener(one.path.read_bytes()).read_all()
        assert read[bucket].schema.equals(table.schema, check_metadata=True), bucket
        assert read[bucket].num_rows == one.num_rows
    assert read["unscored"]["text"].to_pylist() == [None]
    whole = pa.concat_tables([part.select(["text", "time", "big", "price"]) for part in read.values()]).sort_by("time")
    assert whole.equals(table.select(["text", "time", "big", "price"])), "every row is in one bucket, values unchanged"
    for part in read.values():
        for row in part.drop_columns(["time"]).to_pylist():
            origin = table.drop_columns(["time"]).slice(row["nested"][0]["a"], 1).to_pylist()[0]
            assert repr(row) == repr(origin)


def test_types_that_cannot_be_gathered_are_copied_all_the_same(tmp_path: Path) -> None:
    odd = pa.RunEndEncodedArray.from_arrays([2, 3], ["x", "y"])
    table = pa.table({"text": ["one", "two cats", "three dogs bark"], "odd": odd})
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    run, data = run_over(tmp_path, tmp_path / "a.arrow")
    found = split_run(run, Percentiles(), by="perplexity", dataset=data)
    rows = [row for one in found.values() for row in pa.ipc.open_file(one.path.read_bytes()).read_all().to_pylist()]
    assert sorted(rows, key=lambda row: str(row["text"])) == sorted(table.to_pylist(), key=lambda row: str(row["text"]))


def test_several_files_have_a_folder_a_bucket(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    a, b, again = tmp_path / "a.jsonl", tmp_path / "b.csv", tmp_path / "x" / "a.jsonl"
    a.write_bytes(ODD[1])
    b.write_bytes(b"text\none\ntwo cats\n")
    again.write_bytes(ODD[2])
    run, data = run_over(tmp_path, a, b, again)
    found = split_run(run, Thresholds(low=0), by="perplexity", dataset=data)
    assert found["kept"] == Bucket(run.path / "kept", 4) and found["dropped"].num_rows == 0
    kept = {one.name: one.read_bytes() for one in found["kept"].path.iterdir()}
    assert kept == {"a.jsonl": ODD[1], "b.csv": b.read_bytes(), "2-a.jsonl": ODD[2]}
    assert (run.path / "dropped" / "b.csv").read_bytes() == b"text\n", "a header without rows"
    assert not [one for one in run.path.iterdir() if one.name.endswith(".tmp")]


def test_names_of_copies_that_would_collide(tmp_path: Path) -> None:
    sources = [tmp_path / name for name in ("2-x.csv", "x.csv", "y/x.csv")]
    for number, source in enumerate(sources):
        source.parent.mkdir(exist_ok=True)
        source.write_text(f"text\nrow {number}\n")
    run, data = run_over(tmp_path, *sources)
    split_run(run, Thresholds(low=0), by="perplexity", dataset=data)
    kept = {one.name: one.read_text() for one in (run.path / "kept").iterdir()}
    assert kept == {name: f"text\nrow {i}\n" for i, name in enumerate(("2-x.csv", "x.csv", "2-2-x.csv"))}


def test_a_folder_is_sorted_by_one_process_and_other_rules_are_told(tmp_path: Path) -> None:
    source, told = tmp_path / "a.csv", []
    source.write_text("text\nthe cat\na dog\n")
    run, data = run_over(tmp_path, source)
    data = replace(data, options=replace(data.options, notify=told.append))
    split_run(run, Percentiles(), by="perplexity", dataset=data)
    assert not told
    (run.path / "headers.txt").write_text("somebody's")
    with held(run.path), pytest.raises(OptionError, match="another process is working on"):
        split_run(run, Thresholds(low=0), by="perplexity", dataset=data)
    assert not (run.path / "kept.csv").exists()
    split_run(run, Thresholds(low=0), by="perplexity", dataset=data)
    (said,) = told
    others = ", ".join(str(run.path / f"{name}.csv") for name in ("head", "middle", "tail"))
    assert said == f"of another rule, and left as they are: {others}"


def test_what_cannot_be_copied_is_told_before_anything_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow, "_PLENTY", 1 << 20)
    source = tmp_path / "a.parquet"
    table = pa.table({"text": ["the cat"] * 300_000, "flat": pa.array([0] * 300_000, pa.int64())})
    pq.write_table(table, source, row_group_size=300_000)
    data = open_dataset([str(source)], options=DataOptions(limit=1, notify=lambda message: None))
    with pytest.raises(InputError, match=r"the column 'text' comes to .* write the file anew without it"):
        check_sortable(data)
    good = tmp_path / "good.csv"
    good.write_text("text\na\n")
    check_sortable(open_dataset([str(good)], options=DataOptions()))


def test_only_the_rows_that_were_scored(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_bytes(b"text\none\ntwo\nthree\n")
    run, data = run_over(tmp_path, source, limit=2)
    assert split_run(run, Thresholds(low=0), by="perplexity", dataset=data)["kept"].num_rows == 2
    assert (run.path / "kept.csv").read_bytes() == b"text\none\ntwo\n"


def test_data_that_have_changed_are_told(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_bytes(b"text\none\ntwo\nthree\n")
    run, data = run_over(tmp_path, source)
    source.write_bytes(b"text\none\n")
    with pytest.raises(InputError, match="row 1 is not there; was it changed"):
        split_run(run, Thresholds(low=0), by="perplexity", dataset=data)
    assert not (run.path / "kept.csv").exists() and not list(run.path.glob(".*.tmp"))


def test_a_dataset_of_the_library_becomes_parquet(tmp_path: Path) -> None:
    table = odd_table().select(["text", "price", "nested", "big", "when"])
    datasets.Dataset(table).save_to_disk(str(tmp_path / "saved"))
    run, data = run_over(tmp_path, tmp_path / "saved")
    found = split_run(run, Percentiles(), by="perplexity", dataset=data)
    parts = [pq.read_table(one.path) for one in found.values()]
    assert [one.path.suffix for one in found.values()] == [".parquet"] * 4
    assert sum(part.num_rows for part in parts) == 5
    assert all(part.schema.types == datasets.Dataset(table).features.arrow_schema.types for part in parts)


def test_what_rows_are_sorted_out_by() -> None:
    item = {"log_likelihood": -8.0, "num_scored": 4, "numbers": {"num_words": 3}, "num_bytes_scored": 16}
    assert bucket_value(item, "perplexity") == math.exp(2)
    assert bucket_value(item, "word_perplexity") == math.exp(2), "CCNet counts the end of a line as a word"
    assert bucket_value(item, "bits_per_byte") == pytest.approx(0.5 / math.log(2))
    assert bucket_value({**item, "num_scored": 0}, "perplexity") is None
    assert bucket_value({**item, "log_likelihood": -1e9}, "perplexity") == math.inf


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda: Thresholds(), "a threshold needs a least or a greatest value"),
        (lambda: Thresholds(low=NAN), "the least value of a threshold is nan; expected a finite number"),
        (lambda: Thresholds(low=-INF, high=3), "the least value of a threshold is -inf"),
        (lambda: Thresholds(high=NAN), "the greatest value of a threshold is nan"),
        (lambda: Thresholds(high=INF), "the greatest value of a threshold is inf"),
        (lambda: Thresholds(low=5, high=1), "the least value 5 is above the greatest, 1"),
        (lambda: Percentiles(head=60, middle=30), "must rise"),
        (lambda: Percentiles(head=NAN), "percentiles nan and 60.0 must rise"),
        (lambda: Percentiles(head=30, middle=NAN), "must rise"),
        (lambda: Percentiles(head=30, middle=INF), "must rise"),
        (lambda: Percentiles(head=0, middle=100), "must rise"),
    ],
)
def test_rules_are_checked(rule: Callable[[], Rule], message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        rule()
    assert Thresholds(low=2, high=2).bucket(2.0) == "kept"
