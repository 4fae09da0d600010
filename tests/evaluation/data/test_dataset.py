from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.dataset import DataOptions, DataRow, Dataset, open_dataset
from seqscore.evaluation.data.problem import Problem


def opened(*sources: Path | str, **options: Any) -> Dataset:
    return open_dataset([str(one) for one in sources], options=DataOptions(**options))


def values(data: Dataset) -> list[Any]:
    return [dict(row.values) if isinstance(row, DataRow) else row.error.message for row in data.rows()]


def write(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


ROWS = [{"a": "x", "n": 1}, {"a": "ü\n", "n": 2}]


def every_kind(folder: Path) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    text = [{**row, "n": str(row["n"])} for row in ROWS]
    yield write(folder / "a.jsonl", lines), ROWS
    yield write(folder / "b.ndjson.gz", gzip.compress(lines.encode())), ROWS
    yield write(folder / "c.csv", 'a,n\nx,1\n"ü\n",2\n'), text
    yield write(folder / "d.tsv", 'a\tn\nx\t1\n"ü\n"\t2\n'), text
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "e.parquet")
    yield folder / "e.parquet", ROWS
    yield write(folder / "f.txt", "x\n\nü"), [{"text": "x"}, {"text": ""}, {"text": "ü"}]
    yield write(folder / "g", "x\n"), [{"text": "x"}]


def test_every_kind_of_file(tmp_path: Path) -> None:
    for path, expected in every_kind(tmp_path):
        data = opened(path)
        assert values(data) == expected, path
        assert values(data) == expected, "a file can be read again"
        assert data.columns == tuple(expected[0])
        assert [row.id for row in data.rows()] == list(range(len(expected)))


def test_the_description_is_of_the_content(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1" / "a.txt", "x\ny\n"), write(tmp_path / "2" / "a.txt", "x\ny\n")
    assert opened(one).description == opened(two).description
    two.write_text("x\nz\n")
    assert opened(one).description != opened(two).description
    assert opened(one).num_rows == 2
    assert opened(one, limit=1).num_rows == 1


def test_several_files_and_folders_are_numbered_through(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl"):
        write(tmp_path / "data" / name, json.dumps({"text": name, name: 1}) + "\n")
    write(tmp_path / "data" / "README.md", "no data")
    write(tmp_path / "data" / ".hidden.jsonl", "no data")
    data = opened(tmp_path / "data", notify=print)
    assert [(row.number, row.values["text"]) for row in data.rows() if isinstance(row, DataRow)] == [
        (0, "a.jsonl"),
        (1, "b.jsonl"),
    ]
    assert data.columns == ("text",), "what all files have"
    write(tmp_path / "data" / "c.csv", "other\n1\n")
    with pytest.raises(InputError, match="no column in common"):
        opened(tmp_path / "data", notify=print)


def test_limit_and_whole_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "x\ny\nz\n")
    assert values(opened(path, limit=2)) == [{"text": "x"}, {"text": "y"}]
    assert values(opened(path, path, whole_file=True)) == [{"text": "x\ny\nz\n"}] * 2
    with pytest.raises(OptionError, match="limit=0"):
        opened(path, limit=0)


def test_ids(tmp_path: Path) -> None:
    rows = [{"key": "a"}, {"key": 7}, {"key": "a"}, {"key": None}, {}, {"key": True}, {"key": "7"}, {"key": "\ud800"}]
    data = opened(write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows)), id_column="key")
    found = list(data.rows())
    assert [row.id for row in found] == ["a", 7, "a", "row 3", "row 4", "true", "7", "\\ud800"]
    assert [row.number for row in found] == list(range(8))
    assert not any(isinstance(row, Problem) for row in found), "ids may repeat and cost no row its score"
    with pytest.raises(InputError, match="has no column 'id'; its columns are 'key'"):
        opened(tmp_path / "a.jsonl", id_column="id")


class Standard:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "columns", "expected"),
    [
        (b'{"a": 1}\n{"a": 2}\n', ("a",), [{"a": 1}, {"a": 2}]),
        (b'\xef\xbb\xbf {"a": 1}\n', ("a",), [{"a": 1}]),
        (b"x\n{y\n", ("text",), [{"text": "x"}, {"text": "{y"}]),
    ],
)
def test_standard_input(monkeypatch: pytest.MonkeyPatch, data: bytes, columns: Any, expected: Any) -> None:
    monkeypatch.setattr(sys, "stdin", Standard(data))
    found = opened("-")
    assert found.columns == columns
    assert found.description == {"file 0": "standard input"}
    assert values(found) == expected
    with pytest.raises(InputError, match="only once"):
        values(found)


def test_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    threading.Thread(target=path.write_text, args=['{"a": "x"}\n'], daemon=True).start()
    assert values(opened(path)) == [{"a": "x"}]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jsonl", "", "there is no row that can be read"),
        ("a.jsonl", "\n \n", "there is no row that can be read"),
        ("a.jsonl", "[1]\nnull\n", "there is no row that can be read, so nothing to evaluate: .*line 1"),
        ("a.txt", "", "there is no row that can be read"),
        ("a.csv", "", "is empty; expected a header"),
        ("a.csv", "a,b\n", "there is no row that can be read"),
        ("a.csv", "a,a\n1,2\n", "2 columns named 'a'"),
        ("a.parquet", "PAR1 no", "as Parquet"),
        ("a.jsonl.gz", "no gzip", "cannot read"),
        ("a.zip", "", r"by its end \.zip it is an archive; unpack it"),
    ],
)
def test_files_without_rows_or_damaged(tmp_path: Path, name: str, data: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        opened(write(tmp_path / name, data), notify=lambda message: None)


def test_rows_that_cannot_be_read_are_problems_in_their_place(tmp_path: Path) -> None:
    lines = [
        b'{"a": 1}',
        b"{",
        b"[1]",
        b'{"a": "\xff"}',
        b'{"a": 1, "a": 2}',
        b"x" * 200,
        b'{"a": "\x00"}',
        b'{"a": 2}',
    ]
    data = opened(write(tmp_path / "a.jsonl", b"\n".join(lines)), max_line_bytes=100)
    found = values(data)
    assert found[0] == {"a": 1} and found[-1] == {"a": 2}
    for place, said in enumerate(
        [
            "is not JSON",
            "must be a JSON object",
            "is not UTF-8",
            "stands twice",
            "longer than 100 bytes",
            "is not JSON",
        ],
        1,
    ):
        assert said in found[place] and f"line {place + 1}" in found[place]


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        opened(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="holds no file that ends in"):
        opened(tmp_path)
    with pytest.raises(OptionError, match="--split belongs to datasets of the datasets library"):
        opened(write(tmp_path / "a.txt", "x"), split="test")
    with pytest.raises(OptionError, match="no dataset given"):
        open_dataset([])


def test_a_folder_that_datasets_saved(tmp_path: Path) -> None:
    import datasets

    one = datasets.Dataset.from_list(ROWS)
    one.save_to_disk(str(tmp_path / "one"))
    assert values(opened(tmp_path / "one")) == ROWS
    assert opened(tmp_path / "one").columns == ("a", "n")
    datasets.DatasetDict({"train": one, "test": one.select([1])}).save_to_disk(str(tmp_path / "two"))
    assert values(opened(tmp_path / "two", split="test")) == ROWS[1:]
    with pytest.raises(OptionError, match=r"has several splits; name one with --split \(split=\): train, test"):
        opened(tmp_path / "two")
    with pytest.raises(OptionError, match="has no split 'dev'"):
        opened(tmp_path / "two", split="dev")
    with pytest.raises(OptionError, match="leave out --split"):
        opened(tmp_path / "one", split="test")


def test_a_hub_name_without_a_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="'owner/nothing' is neither a file nor a folder here"):
        opened("owner/nothing")


class FakeHub:
    """What the hub would say of a dataset of two splits."""

    def __init__(self, rows: list[Any], fails_at: int | None = None) -> None:
        self.rows, self.fails_at, self.asked = rows, fails_at, []

    def install(self, patch: pytest.MonkeyPatch) -> None:
        import datasets
        import huggingface_hub

        patch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *a, **k: SimpleNamespace(sha="c0ffee"))
        patch.setattr(datasets, "get_dataset_split_names", lambda *a, **k: ["dev", "test"])
        patch.setattr(datasets, "load_dataset", self.load)

    def load(self, *arguments: Any, **more: Any) -> Any:
        import datasets

        self.asked.append((arguments, more))

        def rows() -> Iterator[Any]:
            for number, row in enumerate(self.rows):
                if number == self.fails_at:
                    raise ConnectionResetError("gone")
                yield row

        return datasets.IterableDataset.from_generator(rows)


def test_a_dataset_on_the_hub_is_streamed_at_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub(ROWS)
    hub.install(monkeypatch)
    data = opened("owner/name", split="test", config="en")
    assert hub.asked == [(("owner/name", "en"), {"split": "test", "streaming": True, "revision": "c0ffee"})]
    assert data.columns == ("a", "n") and values(data) == ROWS == values(data)
    assert data.description == {"dataset": "owner/name", "config": "en", "split": "test", "commit": "c0ffee"}
    with pytest.raises(OptionError, match=r"has several splits; name one with --split \(split=\): dev, test"):
        opened("owner/name")
    FakeHub(ROWS, fails_at=1).install(monkeypatch)
    with pytest.raises(InputError, match="reading 'owner/name' failed: "):
        values(opened("owner/name", split="dev"))


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*arguments: Any, **more: Any) -> None:
        raise RuntimeError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    with pytest.raises(InputError, match="as a dataset on the hub it cannot be had: Name or service not known"):
        opened("owner/name")


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("w") as stream:
        for number in range(40_000):
            stream.write(f'{{"text": "row {number}"}}\n')
    data = opened(path)
    tracemalloc.start()
    count = sum(1 for _ in data.rows())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40_000 == data.num_rows
    assert peak < 5 * 2**20  # the rows together would take three times as much
