from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import math
import os
import pty
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.scored.scored_rows import ScoredItem, ScoredRow
from seqscore.output import arrow_types as types
from seqscore.output import parquet
from seqscore.output.formats import FORMATS
from seqscore.output.layout import LIST_FIELDS, ROW_FIELDS, TOKEN_FIELDS
from seqscore.output.writers import open_writer
from seqscore.scores.signature import Signature
from seqscore.typed_json import cell
from tests.output.scored import SIGNATURE, scored

ERROR = Problem(1, InputError("line 2 is not UTF-8:\nbyte 0xe4"), 1)
ROWS: tuple[ScoredItem, ...] = (
    ScoredRow(0, scored("The quick brown fox.", extras=True)),
    ERROR,
    ScoredRow("id-2", scored(" Paris", context="The capital is", unscored=4, boundary="spanned")),
    ScoredRow(3, scored("")),
    ScoredRow(4, scored("漢字 and \U0001f469\u200d\U0001f52c", num_windows=3, num_cut=2)),
    ScoredRow(5, scored("-Infinity", pieces=9, logprobs=[-math.inf])),
)


def written(output_format: str, folder: Path, rows: Sequence[ScoredItem] = ROWS, **options: object) -> Path:
    target = folder / f"out.{output_format}"
    with open_writer(output_format, target, **options) as writer:  # type: ignore[arg-type]
        for row in rows:
            writer.write(row)
    return target


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, strict=True))


# -- jsonl -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("unit", ["nats", "bits"])
def test_jsonl_holds_the_record_of_each_score(tmp_path: Path, unit: str, tokens: bool) -> None:
    lines = written("jsonl", tmp_path, unit=unit, tokens=tokens).read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    for row, line in zip(ROWS, lines, strict=True):
        record = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        if isinstance(row, Problem):
            assert record == {"id": 1, "row": 1, "error": {"code": "bad_input", "message": row.error.message}}
        else:
            expected = row.score.to_dict(unit=unit, tokens=tokens)  # type: ignore[arg-type]
            del expected["signature"]
            assert record == {"id": row.id, "row": row.id if isinstance(row.id, int) else None, **expected}
            assert ("tokens" in record) == tokens
    assert json.loads(lines[5])["perplexity"] == "Infinity"
    assert '"漢字 and' in lines[4]  # readable as it is


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_survives_in_every_machine_format(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    rows = [ScoredRow(text, scored(text))]
    (line,) = written("jsonl", folder, rows).read_bytes().splitlines()
    assert (json.loads(line)["id"], json.loads(line)["text"]) == (text, text)
    assert pq.read_table(written("parquet", folder, rows)).to_pylist()[0]["text"] == text
    for name, delimiter in (("csv", ","), ("tsv", "\t")):
        with written(name, folder, rows).open(newline="", encoding="utf-8") as stream:
            (record,) = csv.DictReader(stream, strict=True, delimiter=delimiter)
        assert (record["id"], record["text"]) == (text, text)
    (record,) = read_csv(written("csv", folder, rows, quote_formulas=True))
    assert text in (record["text"], record["text"][1:])
    assert record["text"].removeprefix("'").endswith(text.removeprefix("'"))


def test_lines_come_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for output_format, lines in (("jsonl", 1), ("csv", 2)):
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "w") as stdout:
            monkeypatch.setattr(sys, "stdout", stdout)
            with open_writer(output_format, None) as writer:
                writer.write(ROWS[0])
                got = reader.read(100_000)  # None if nothing was handed on
                assert got is not None and got.count(b"\n") == lines
            monkeypatch.undo()


# -- csv ---------------------------------------------------------------------------------------------------------------


def test_csv_has_full_precision_and_every_column(tmp_path: Path) -> None:
    path = written("csv", tmp_path)
    records = read_csv(path)
    assert tuple(records[0]) == tuple(ROW_FIELDS)
    own = scored("a").to_dict(tokens=False)
    assert set(ROW_FIELDS) == {*own, "id", "row", "error"} - {"signature"}, "every format has the fields of the record"
    for row, record in zip(ROWS, records, strict=True):
        assert record["id"] == str(row.id)
        if isinstance(row, Problem):
            assert record["error"] == f"bad_input: {row.error.message}"
            assert {name for name, value in record.items() if value} == {"id", "row", "error"}
            continue
        score = row.score
        assert float(record["log_likelihood"]) == score.log_likelihood
        for name in ("perplexity", "bits_per_byte"):
            expected = getattr(score, name)
            assert (float(record[name]) if record[name] else None) == expected
        for name in ("num_tokens", "num_scored", "num_windows", "num_cut"):
            assert int(record[name]) == getattr(score, name)
        assert record["is_greedy"] == {True: "true", False: "false", None: ""}[score.is_greedy]
        assert (record["context"], record["boundary"]) == (score.context or "", score.boundary or "")
        assert record["unit"] == "nats"
    assert records[5]["text"] == "-Infinity", "the data as they are"
    assert (records[5]["log_likelihood"], records[5]["perplexity"]) == ("-Infinity", "Infinity")
    assert b"\r" not in path.read_bytes()


def test_csv_in_bits(tmp_path: Path) -> None:
    record = read_csv(written("csv", tmp_path, unit="bits"))[0]
    assert isinstance(ROWS[0], ScoredRow)
    assert float(record["log_likelihood"]) == ROWS[0].score.log_likelihood / math.log(2)
    assert record["unit"] == "bits"


def test_csv_of_tokens(tmp_path: Path) -> None:
    records = read_csv(written("csv", tmp_path, tokens=True))
    assert tuple(records[0]) == tuple(TOKEN_FIELDS)
    expected = [
        (str(row.id), i, token)
        for row in ROWS
        if isinstance(row, ScoredRow)
        for i, token in enumerate(row.score.tokens())
    ]
    assert [record["id"] for record in records if not record["error"] and not record["token_id"]] == ["3"], "empty"
    tokens = [record for record in records if record["token_id"]]
    for record, (row_id, i, token) in zip(tokens, expected, strict=True):
        assert (record["id"], int(record["token_index"]), int(record["token_id"])) == (row_id, i, token.id)
        assert record["token"] == token.text
        assert (int(record["start"]), int(record["end"])) == (token.start, token.end)
        for name in ("logprob", "entropy"):
            assert (float(record[name]) if record[name] else None) == getattr(token, name)
        assert record["rank"] == ("" if token.rank is None else str(token.rank))
    assert [record["error"] for record in records if record["error"]] == [f"bad_input: {ERROR.error.message}"]


def test_cells_that_a_spreadsheet_would_compute(tmp_path: Path) -> None:
    evil = "=HYPERLINK(1)"
    rows: list[ScoredItem] = [
        ScoredRow(evil, scored("+1", context="@x ", unscored=1)),
        ScoredRow(0, scored("\t=1\r\n")),
        Problem("-x", InputError("m")),
    ]
    records = read_csv(written("csv", tmp_path, rows))
    assert [record["id"] for record in records] == [evil, "0", "-x"]
    assert (records[0]["text"], records[0]["context"], records[1]["text"]) == ("@x +1", "@x ", "\t=1\r\n")
    records = read_csv(written("csv", tmp_path, rows, quote_formulas=True))
    assert [record["id"] for record in records] == [f"'{evil}", "0", "'-x"]
    assert (records[0]["text"], records[0]["context"]) == ("'@x +1", "'@x ")
    assert records[1]["text"] == "'\t=1\r\n"


def test_a_csv_without_rows_has_a_header_and_a_failed_one_is_silent(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert written("csv", tmp_path, []).read_text() == ",".join(ROW_FIELDS) + "\n"
    with pytest.raises(RuntimeError), open_writer("csv", None):
        raise RuntimeError("the model is not there")
    assert capfdbinary.readouterr().out == b""


def _until_closed(terminal: int) -> Iterator[bytes]:
    """What is written to a terminal, until the program closes it (which Linux reports as an input/output error)."""
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 65536):
            yield part


@pytest.mark.parametrize("output_format", ["csv", "jsonl", "table"])
def test_on_a_terminal_nothing_harmful_is_written(output_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    evil = "a\x1b]0;owned\x07\x9b31m\u202egnp\u2028"
    ours, theirs = pty.openpty()
    parts: list[bytes] = []
    reader = threading.Thread(target=lambda: parts.extend(_until_closed(ours)), daemon=True)
    reader.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with open_writer(output_format, None, tokens=True) as writer:
            writer.write(ScoredRow(evil, scored(evil, pieces=99)))
            writer.write(Problem(evil, InputError(evil)))
        monkeypatch.undo()
    reader.join()
    os.close(ours)
    shown = b"".join(parts).decode()
    assert shown.count("owned") >= 2
    for harmful in ("\x1b]", "\x07", "\x9b", "\u202e", "\u2028", "\x1b[3"):
        assert harmful not in shown


# -- parquet -----------------------------------------------------------------------------------------------------------


def test_parquet_is_typed_and_exact(tmp_path: Path) -> None:
    table = pq.read_table(written("parquet", tmp_path, tokens=True))
    assert tuple(table.column_names) == tuple(LIST_FIELDS)
    kinds = {name: str(table.schema.field(name).type) for name in ROW_FIELDS}
    assert kinds["log_likelihood"] == kinds["perplexity"] == kinds["bits_per_byte"] == "double"
    assert kinds["num_tokens"] == "int64" and kinds["is_greedy"] == "bool" and kinds["id"] == "string"
    for row, record in zip(ROWS, table.to_pylist(), strict=True):
        assert record["id"] == str(row.id)
        if isinstance(row, Problem):
            assert record["error"] == f"bad_input: {row.error.message}"
            assert record["text"] is None and record["tokens"] is None
            continue
        for name in ("text", "context", "log_likelihood", "perplexity", "bits_per_byte", "is_greedy", "boundary"):
            assert record[name] == getattr(row.score, name)
        assert record["tokens"] == [
            {
                name: getattr(token, name)
                for name in ("id", "text", "start", "end", "logprob", "rank", "entropy", "is_greedy")
            }
            for token in row.score.tokens()
        ]


def test_parquet_without_tokens_and_without_rows(tmp_path: Path) -> None:
    assert tuple(pq.read_table(written("parquet", tmp_path)).column_names) == tuple(ROW_FIELDS)
    empty = pq.read_table(written("parquet", tmp_path, []))
    assert empty.num_rows == 0 and tuple(empty.column_names) == tuple(ROW_FIELDS)


def test_parquet_groups_of_rows_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_MAX_ROWS", 3)
    rows = [ScoredRow(i, scored("abc")) for i in range(8)]
    file = pq.ParquetFile(written("parquet", tmp_path, rows, tokens=True))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [3, 3, 2]
    monkeypatch.setattr(parquet, "_MAX_TOKENS", 20)
    rows = [ScoredRow(i, scored("a" * 44)) for i in range(4)]  # 11 tokens each
    file = pq.ParquetFile(written("parquet", tmp_path, rows, tokens=True))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [2, 2]
    assert file.read()["id"].to_pylist() == ["0", "1", "2", "3"]


def test_parquet_to_standard_output_is_refused() -> None:
    with pytest.raises(OptionError) as caught, open_writer("parquet", None):
        raise AssertionError("opened")
    assert str(caught.value) == "format 'parquet' cannot go to standard output; name a file with -o FILE"


# -- all ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output_format", FORMATS)
def test_an_interrupted_run_leaves_no_file(tmp_path: Path, output_format: str) -> None:
    target = tmp_path / "out"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyboardInterrupt), open_writer(output_format, target, tokens=True) as writer:
            for row in ROWS:
                writer.write(row)
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["/dev/full", "new"])
def test_what_fails_says_nothing_behind_the_error(tmp_path: Path, target: str) -> None:
    """The library behind Parquet would complain on standard error when it cleans up."""
    code = f"""
import gc
from pathlib import Path
from seqscore.errors import OptionError
from seqscore.output.writers import open_writer
from seqscore.scores.signature import Signature
from seqscore.typed_json import cell
from seqscore.evaluation.scored.scored_rows import ScoredRow
from tests.output.scored import scored
try:
    with open_writer("parquet", Path({str(tmp_path / target)!r}), tokens=True) as writer:
        for i in range(1200):
            writer.write(ScoredRow(i, scored("some text")))
        raise OptionError("of the block")
except OptionError as error:
    print(error)
    del error
writer = None
gc.collect()
"""
    done = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_blocks_own_errors_are_passed_on(tmp_path: Path, output_format: str) -> None:
    error = FileNotFoundError(2, "No such file", "model")
    with pytest.raises(FileNotFoundError) as caught, open_writer(output_format, tmp_path / "out"):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("output_format", FORMATS)
def test_a_full_disk_is_one_clear_error(output_format: str) -> None:
    with pytest.raises(OptionError) as caught, open_writer(output_format, Path("/dev/full")) as writer:
        writer.write(ROWS[0])
    assert str(caught.value) == "cannot write '/dev/full': No space left on device"


@pytest.mark.parametrize("output_format", FORMATS)
def test_a_device_takes_every_format(output_format: str) -> None:
    with open_writer(output_format, Path("/dev/null"), tokens=True) as writer:
        for row in ROWS:
            writer.write(row)


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, output_format: str) -> None:
    first = written(output_format, tmp_path, tokens=True).read_bytes()
    assert written(output_format, tmp_path, tokens=True).read_bytes() == first


@pytest.mark.parametrize("output_format", ["table", "jsonl", "csv"])
def test_a_closed_pipe_is_told_as_one(output_format: str) -> None:
    code = f"""
import sys
import threading
from seqscore.output.writers import open_writer
from seqscore.scores.signature import Signature
from seqscore.typed_json import cell
from tests.output.scored import scored
from seqscore.evaluation.scored.scored_rows import ScoredRow
try:
    with open_writer({output_format!r}, None, tokens=True) as writer:
        for i in range(100_000):
            writer.write(ScoredRow(i, scored("some text")))
except BrokenPipeError:
    sys.stderr.write("closed")
    sys.stderr.flush()
    import os
    os._exit(7)
"""
    script = 'set -o pipefail; "$0" -c "$1" | head -n 2'
    done = subprocess.run(["bash", "-c", script, sys.executable, code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (7, b"closed")
    assert done.stdout.count(b"\n") == 2


def test_unknown_formats_and_units(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught, open_writer("xml", None):
        pass
    assert str(caught.value) == "format 'xml' is unknown; expected one of table, jsonl, csv, tsv, parquet, md, tex"
    with pytest.raises(OptionError, match="unit='bans' is unknown"), open_writer("csv", tmp_path / "a", unit="bans"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_json_and_csv_need_no_heavy_library() -> None:
    code = (
        "import sys; from seqscore.output.writers import open_writer\n"
        "with open_writer('jsonl', None): pass\n"
        "with open_writer('csv', None): pass\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'pyarrow', 'pandas', 'rich.table'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_csv_on_standard_output_is_utf8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    with open_writer("csv", None) as writer:
        writer.write(ScoredRow(0, scored("漢")))
    assert "漢" in stdout.buffer.getvalue().decode()  # type: ignore[attr-defined]


# -- the signature -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output_format", ["jsonl", "csv", "tsv", "parquet", "md", "tex"])
def test_the_signature_stands_once_a_file(tmp_path: Path, output_format: str) -> None:
    target = written(output_format, tmp_path)
    beside = tmp_path / f"out.{output_format}.meta.json"
    if output_format == "parquet":
        assert pq.read_metadata(target).metadata[b"seqscore.signature"].decode() == str(SIGNATURE)
        assert not beside.exists()
    elif output_format in ("md", "tex"):
        assert target.read_text(encoding="utf-8").count("signature: seqscore:0.1.0") == 1 and not beside.exists()
    else:
        assert "seqscore:0.1.0" not in target.read_text(encoding="utf-8")
        assert json.loads(beside.read_bytes()) == {
            "seqscore": "scores",
            "signature": str(SIGNATURE),
            "unit": "nats",
            "records": len(ROWS),
            "renamed_columns": {},
        }


@pytest.mark.parametrize("output_format", ["jsonl", "csv", "tsv", "parquet"])
def test_the_signature_in_every_row_or_nowhere(tmp_path: Path, output_format: str) -> None:
    beside = tmp_path / f"out.{output_format}.meta.json"
    written(output_format, tmp_path)
    target = written(output_format, tmp_path, signature="rows")
    assert not beside.exists(), "of the file that was there before"
    if output_format == "parquet":
        rows = pq.read_table(target).to_pylist()
    elif output_format == "jsonl":
        rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    else:
        with target.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="," if output_format == "csv" else "\t"))
    assert [row["signature"] or None for row in rows] == [None if row is ERROR else str(SIGNATURE) for row in ROWS]
    assert b"seqscore:0.1.0" not in written(output_format, tmp_path, signature="none").read_bytes()
    assert not beside.exists()


def test_the_signature_on_standard_output_is_told_once(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    told: list[str] = []
    with open_writer("jsonl", None, notify=told.append) as writer:
        for row in ROWS:
            writer.write(row)
    assert told == [f"signature: {SIGNATURE}"] and b"signature" not in capfdbinary.readouterr().out
    for output_format in ("tsv", "md", "parquet"):
        with open_writer(output_format, Path("/dev/null"), notify=told.append) as writer:
            writer.write(KEPT[0])
    assert told[1:].count(f"signature: {SIGNATURE}") == 1, (
        "a device has no file beside it; the others hold it themselves"
    )


def test_rows_of_several_signatures_are_not_put_under_one(tmp_path: Path) -> None:
    rows = [ScoredRow(0, scored("a")), ScoredRow(1, scored("b", settings=Signature((("model", "other"),))))]
    with pytest.raises(OptionError, match="several signatures; write them with signature='rows'"):
        written("csv", tmp_path, rows)
    assert list(tmp_path.iterdir()) == []
    assert len(read_csv(written("csv", tmp_path, rows, signature="rows"))) == 2
    with pytest.raises(OptionError, match="signature='twice' is unknown"):
        written("csv", tmp_path, rows, signature="twice")


def test_a_strangers_file_is_not_taken_for_the_signatures(tmp_path: Path) -> None:
    beside = tmp_path / "out.csv.meta.json"
    beside.write_text('{"mine": 1}')
    with pytest.raises(OptionError, match=r"out\.csv\.meta\.json', which is there and holds something else"):
        written("csv", tmp_path)
    assert written("csv", tmp_path, signature="rows").exists() and beside.read_text() == '{"mine": 1}'


# -- the input's columns -----------------------------------------------------------------------------------------------

KEPT: tuple[ScoredItem, ...] = (
    ScoredRow("a", scored("one"), 0, {"n": 1, "text": "own", "when": datetime(2024, 1, 2, tzinfo=UTC), "odd": "x"}),
    Problem("a", InputError("m"), 1, {"n": 2.5, "price": Decimal("1.10"), "data": b"\xff", "odd": 3}),
    ScoredRow("b", scored("two"), 2, {"n": math.nan, "price": Decimal("100.125"), "list": [1, {"deep": None}]}),
    ScoredRow("c", scored("three"), 3, {"n": -(2**53), "huge": 2**70, "empty": {}, "lone": "\ud800"}),
)


def test_columns_go_along_in_jsonl_and_csv(tmp_path: Path) -> None:
    told: list[str] = []
    target = written("jsonl", tmp_path, KEPT, notify=told.append)
    records = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [(one["id"], one["row"]) for one in records] == [("a", 0), ("a", 1), ("b", 2), ("c", 3)]
    assert told == ["the column 'text' of the input is called 'data_text' in the output, which has its own"]
    assert records[0] | {"n": 1, "data_text": "own", "when": "2024-01-02T00:00:00+00:00", "odd": "x"} == records[0]
    assert records[1] | {"n": 2.5, "price": "1.10", "data": "/w==", "odd": 3} == records[1]
    assert records[2] | {"n": "NaN", "list": [1, {"deep": None}]} == records[2]
    assert records[3] | {"n": -(2**53), "huge": 2**70, "empty": {}, "lone": "\ud800"} == records[3]
    about = json.loads((tmp_path / "out.jsonl.meta.json").read_bytes())
    assert about["renamed_columns"] == {"data_text": "text"}
    for tokens in (False, True):
        cells = read_csv(written("csv", tmp_path, KEPT, tokens=tokens))
        names = [name for name in cells[0] if name not in (ROW_FIELDS if not tokens else TOKEN_FIELDS)]
        text = ["text"] if tokens else ["data_text"]
        assert names == ["n", *text, "when", "odd", "price", "data", "list", "huge", "empty", "lone"]
        first = {one["row"]: one for one in reversed(cells)}
        assert [first[row]["n"] for row in "0123"] == ["1", "2.5", "NaN", "-9007199254740992"]
        assert (first["1"]["price"], first["2"]["list"], first["3"]["lone"]) == (
            "1.10",
            '[1, {"deep": null}]',
            "\\ud800",
        )


def test_columns_of_parquet_have_types_of_their_own(tmp_path: Path) -> None:
    table = pq.read_table(written("parquet", tmp_path, KEPT))
    kinds = {name: str(table.schema.field(name).type) for name in table.column_names[len(ROW_FIELDS) :]}
    assert kinds == {
        "n": "double",
        "data_text": "string",
        "when": "timestamp[us, tz=UTC]",
        "odd": "string",
        "price": "decimal128(6, 3)",
        "data": "binary",
        "list": "string",
        "huge": "string",
        "empty": "string",
        "lone": "string",
    }
    rows = table.to_pylist()
    assert rows[0]["when"] == datetime(2024, 1, 2, tzinfo=UTC) and rows[1]["data"] == b"\xff"
    assert [row["price"] for row in rows] == [None, Decimal("1.100"), Decimal("100.125"), None]
    assert rows[0]["n"] == 1.0 and math.isnan(rows[2]["n"]) and rows[3]["n"] == -(2.0**53)
    assert (rows[0]["odd"], rows[1]["odd"], rows[3]["huge"]) == ("x", "3", str(2**70))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2**53 + 1, 0.5], "string"),  # a float64 would lose a digit
        ([[1], [2, None]], "list<element: int64>"),
        ([{"a": 1}, {"b": "x"}], "struct<a: int64, b: string>"),
        ([{"a": 1}, {"a": "x"}], "string"),
        ([True, 1], "string"),
        ([None, None], "null"),
        ([date(2024, 1, 2), None], "date32[day]"),
        ([{f"k{i}": i} for i in range(600)], "string"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1000])
def test_a_type_that_holds_every_value_or_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[Any], kind: str, chunk: int
) -> None:
    monkeypatch.setattr(types, "_CHUNK", chunk)
    rows = [ScoredRow(i, scored("a"), i, {"x": value}) for i, value in enumerate(values)]
    table = pq.read_table(written("parquet", tmp_path, rows))
    assert str(table.schema.field("x").type) == kind
    if kind == "string":
        assert table["x"].to_pylist() == [cell(value) for value in values]


def test_csv_on_standard_output_says_which_columns_came_too_late(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    told: list[str] = []
    with open_writer("csv", None, notify=told.append, signature="none") as writer:
        for row in KEPT:
            writer.write(row)
    header = capfdbinary.readouterr().out.decode().splitlines()[0].split(",")
    assert header[len(ROW_FIELDS) :] == ["n", "data_text", "when", "odd"]
    assert "left out: the columns 'price', 'data', 'list', 'huge', 'empty', 'lone'" in told[-1]


def test_compressed_files_hold_the_same_rows_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("csv", "jsonl"):
        plain = written(name, tmp_path, KEPT).read_bytes()
        for _ in range(2):
            target = tmp_path / f"b.{name}.gz"
            with open_writer(name, target) as writer:
                for row in KEPT:
                    writer.write(row)
            assert gzip.decompress(target.read_bytes()) == plain
            first = target.read_bytes()
        assert target.read_bytes() == first and (tmp_path / f"b.{name}.gz.meta.json").exists()
