"""The end of a name decides how a file is read, and nothing that is no text is read as lines."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import re
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.dataset import open_dataset
from seqscore.evaluation.data.texts import InputOptions, open_inputs
from tests.evaluation.data.reading import read

COMPRESSIONS = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def files(folder: Path) -> dict[str, bytes]:
    """The same two texts in every kind of file."""
    table = pa.table({"text": ["a", "b"]})
    pq.write_table(table, folder / "p")
    file, stream = pa.BufferOutputStream(), pa.BufferOutputStream()
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return {
        ".json": b'[{"text": "a"}, {"text": "b"}]',
        ".jsonl": b'{"text": "a"}\n{"text": "b"}\n',
        ".ndjson": b'{"text": "a"}\n{"text": "b"}\n',
        ".jsonlines": b'{"text": "a"}\r\n{"text": "b"}',
        ".csv": b"text\na\nb\n",
        ".tsv": b"n\ttext\n1\ta\n2\tb\n",
        ".parquet": (folder / "p").read_bytes(),
        ".feather": file.getvalue().to_pybytes(),
        ".arrow": stream.getvalue().to_pybytes(),
        ".txt": b"a\nb\n",
        ".text": b"a\nb",
    }


@pytest.mark.parametrize("compression", list(COMPRESSIONS))
def test_every_end_in_every_compression(tmp_path: Path, compression: str) -> None:
    for end, data in files(tmp_path).items():
        name = f"a{end}{compression}"
        compressed = COMPRESSIONS[compression](data)
        for written in (name, name.upper()):
            assert read(tmp_path / written, compressed) == (["a", "b"], []), written


def test_zstandard_in_frames_and_damaged(tmp_path: Path) -> None:
    compress = COMPRESSIONS[".zst"]
    path = tmp_path / "a.txt.zst"
    assert read(path, compress(b"a\n" * 50_000) + compress(b"b\n"))[0] == ["a"] * 50_000 + ["b"]
    for data, said in ((compress(b"a\n" * 1000)[:-1], "Truncated"), (b"plain text", "ZSTD")):
        with pytest.raises(InputError, match=f"cannot read .*a.txt.zst' after line .*{said}"):
            read(path, data)


@pytest.mark.parametrize("name", ["a.md", "a.log", "a", "a.dat", "b.en", "a.data.gz"])
def test_other_ends_are_lines_of_text(tmp_path: Path, name: str) -> None:
    data = b"Prose, with commas.\nAnd more, here.\n"
    assert read(tmp_path / name, gzip.compress(data) if name.endswith(".gz") else data) == (
        ["Prose, with commas.", "And more, here."],
        [],
    )


def sqlite(path: Path) -> bytes:
    with sqlite3.connect(path) as base:
        base.execute("create table t (text)")
    return path.read_bytes()


def zipped(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")
    return path.read_bytes()


def png() -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    "end", ["xlsx", "docx", "pdf", "pkl", "npy", "zip", "html", "sqlite", "png", "lz4", "xml", "bin"]
)
def test_ends_of_other_formats_are_refused(tmp_path: Path, end: str) -> None:
    for name in (f"a.{end}", f"A.{end.upper()}", f"a.{end}.gz"):
        with pytest.raises(InputError, match=rf"cannot read .*: by its end \.{end} it is .*Read are \.json, "):
            read(tmp_path / name, b"text\n")
    assert read(tmp_path / f"a.{end}", b"text\n", read_as="text") == (["text"], []), "who says so is believed"


@pytest.mark.parametrize("name", ["a.txt", "a", "a.csv", "a.jsonl", "a.json", "a.dat"])
def test_bytes_of_other_formats_are_refused_whatever_the_name(tmp_path: Path, name: str) -> None:
    table = tmp_path / "t.parquet"
    pq.write_table(pa.table({"text": ["a"]}), table)
    found = {
        "ZIP": zipped(tmp_path / "z"),
        "database": sqlite(tmp_path / "s"),
        "picture": png(),
        "PDF": b"%PDF-1.7\n",
        "pickle": pickle.dumps(["a"]),
        "NumPy": b"\x93NUMPY\x01\x00",
        "Parquet; give its name": table.read_bytes(),
        "gzip; give its name the end .gz": gzip.compress(b"a\n"),
        "bzip2": bz2.compress(b"a\n"),
        "xz": lzma.compress(b"a\n"),
        "Zstandard": COMPRESSIONS[".zst"](b"a\n"),
        "zero bytes": bytes(range(256)) * 8,
        "zero bytes; where it is UTF-16": "words and more words\n".encode("utf-16-le"),
    }
    for said, data in found.items():
        with pytest.raises(InputError, match=f"cannot read .* as text: it .*{said}"):
            read(tmp_path / name, data)
        with pytest.raises(InputError, match="cannot read"):
            read(tmp_path / name, data, whole_file=True)


@pytest.mark.parametrize("begin", ["The ftyp", "PAR1 is", "GIF89a is", "%PDF-1.7 is", "RIFFsomeWAVE", "RDX3\nis"])
def test_text_that_begins_with_the_name_of_a_format(tmp_path: Path, begin: str) -> None:
    assert read(tmp_path / "a.txt", f"{begin} a word of this text\n")[0][0].startswith(begin.split("\n")[0])


def test_who_says_text_is_believed_over_the_first_bytes(tmp_path: Path) -> None:
    data = b"PAR1\x01 is text\n"
    with pytest.raises(InputError, match=r"it is Parquet; .*--read-as text \(read_as=\) where it is text"):
        read(tmp_path / "a.txt", data)
    assert read(tmp_path / "a.txt", data, read_as="text")[0] == ["PAR1\x01 is text"]


def test_markup_without_an_end_is_refused_and_a_lone_zero_byte_is_the_writers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is markup"):
        read(tmp_path / "page", b"<!DOCTYPE html>\n<html>")
    assert read(tmp_path / "a.txt", b"<html> is a tag\nnul\x00byte\n")[0] == ["<html> is a tag", "nul\x00byte"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.txt", '{"text": "a"}\n', "looks like JSON; .*--read-as jsonl"),
        ("a", '[{"text": "a"}]', "looks like JSON"),
        ("a.dat", "id,text\n1,a\n2,b\n", "looks like a table; say --read-as csv"),
        ("a.tab", "id\ttext\n1\ta\n2\tb\n", "looks like a table; say --read-as tsv"),
    ],
)
def test_what_looks_like_data_is_said(tmp_path: Path, name: str, data: str, said: str) -> None:
    found, notices = read(tmp_path / name, data)
    assert found == data.splitlines() and len(notices) == 1
    assert re.search(said, notices[0])


def test_read_as_names_the_kind(tmp_path: Path) -> None:
    for end, data in files(tmp_path).items():
        kind = {".ndjson": "jsonl", ".jsonlines": "jsonl", ".feather": "arrow", ".txt": "text", ".text": "text"}
        assert read(tmp_path / "a.xyz", data, read_as=kind.get(end, end[1:])) == (["a", "b"], [])
    with pytest.raises(OptionError, match="read_as='xls' is unknown; expected one of text, json, jsonl, "):
        DataOptions(read_as="xls")  # type: ignore[arg-type]


def test_a_folder_says_what_it_passes_over(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for end, data in files(tmp_path).items():
        (folder / f"a{end}").write_bytes(data)
    (folder / "README.md").write_text("no data")
    (folder / "b.xlsx").write_text("no data")
    (folder / "more").mkdir()
    found, said = read(folder)
    assert found == ["a", "b"] * 11
    assert said == [f"of the folder {str(folder)!r} 11 files are read and passed over: 'README.md', 'b.xlsx', 'more/'"]


@pytest.mark.parametrize("separator", ["\t", ";"])
@pytest.mark.parametrize("name", ["a.txt", "a.dat", "-"])
def test_a_table_among_lines_of_text_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, separator: str
) -> None:
    data = "\ufefftext\tn\na\t1\nb\t2\n".replace("\t", separator).encode()
    if name == "-":
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data))))
        said: list[str] = []
        asked = InputOptions(data=DataOptions(notify=said.append))
        assert len(list(open_inputs(["-"], options=asked))) == 3
    else:
        said = read(tmp_path / name, data)[1]
    option = "tsv" if separator == "\t" else "csv --field-separator ';'"
    assert len(said) == 1 and f"looks like a table; say --read-as {option} if" in said[0]
    assert read(tmp_path / "b.txt", b"Name, first\nAda, Grace\n")[1] == []


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.parquet", "a.arrow", "a.txt"])
def test_a_table_without_a_row_is_an_error_and_no_text_is_said(tmp_path: Path, name: str) -> None:
    empty = pa.table({"stim": pa.array([], pa.string())})
    tables = {"a.parquet": pq.write_table, "a.arrow": pa.feather.write_feather}
    data = None if name in tables else {"a.csv": b"stim,n\n", "a.json": b"[]"}.get(name, b"")
    if name in tables:
        tables[name](empty, tmp_path / name)
    if name == "a.txt":
        assert read(tmp_path / name, data) == (
            [],
            [f"{str(tmp_path / name)!r}: there is no row that can be read, so nothing to score"],
        )
        return
    with pytest.raises(InputError, match="there is no row that can be read, so nothing to score"):
        read(tmp_path / name, data, column="nope")
    with pytest.raises(InputError, match="there is no row that can be read, so nothing to eval"):
        open_dataset([str(tmp_path / name)], options=DataOptions(notify=lambda message: None))
