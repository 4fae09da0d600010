from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqscore import Run as opened
from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.dataset import open_dataset
from seqscore.evaluation.data.kept_columns import check_kept, keep_columns, kept_columns
from seqscore.evaluation.read.export import export_fields, exported
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.run_task import evaluate
from seqscore.evaluation.run.stored_rows import stored_rows
from seqscore.evaluation.tasks.perplexity import PerplexityTask
from seqscore.evaluation.tasks.registry import guess_fields
from seqscore.output.record_writer import WriterOptions
from seqscore.output.writers import open_records
from tests.evaluation.evaluated import OPTIONS, log_likelihood, run_task, tiny_scorer

QUESTIONS: list[Any] = [
    {"question": "the cat", "choices": ["sat", "ran off"], "answerKey": "B", "subject": "s", "year": 1999, "id": "q"},
    {"question": "the dog", "choices": ["barks", "is"], "answerKey": 0, "subject": "t", "note": {"$x": [1.5, None]}},
    {"question": "nothing", "choices": [], "answerKey": 0, "subject": "t", "year": 2001},
]


def test_a_record_an_item_with_the_columns_of_its_row(tmp_path: Path) -> None:
    run = run_task(tmp_path, "choices", QUESTIONS)
    records = list(exported(run))
    assert [one.fields["row"] for one in records] == [0] * 4 + [1] * 4 + [2]
    assert [(one.fields.get("item"), one.fields.get("role")) for one in records[:4]] == [
        *((0, "choice"), (1, "choice"), (2, "unconditional"), (3, "unconditional")),
    ]
    assert all(set(one.fields) <= set(export_fields(run)) for one in records)
    assert records[0].columns == {"answerKey": "B", "year": 1999, "id": "q"}, "what is not stored anyway"
    assert records[4].columns == {"answerKey": 0, "note": {"$x": [1.5, None]}}
    first = records[1].fields
    total, count = log_likelihood(" ran off", "the cat")
    assert (first["gold"], first["group"], first["text"], first["context"]) == (1, "s", " ran off", "the cat")
    assert first["log_likelihood"] == pytest.approx(total, abs=1e-4) and first["num_scored"] == count
    assert first["perplexity"] == pytest.approx(math.exp(-first["log_likelihood"] / count), rel=1e-12)
    assert records[8].fields["error"].startswith("bad_input: ") and records[8].columns["year"] == 2001
    bits = next(exported(run, unit="bits")).fields
    assert bits["log_likelihood"] == records[0].fields["log_likelihood"] / math.log(2) and bits["unit"] == "bits"


def test_which_columns_are_stored_and_given(tmp_path: Path) -> None:
    run = run_task(tmp_path / "a", "choices", QUESTIONS)
    assert [one.columns for one in exported(run, keep="none")] == [{}] * 9
    assert next(exported(run, keep=("year",))).columns == {"year": 1999}
    with pytest.raises(OptionError, match="holds a column 'question'; its columns are answerKey, year, id, note"):
        next(exported(run, keep=("year", "question")))
    with pytest.raises(
        OptionError, match=r"\('choices' is what the task reads as choices, and in the records as such\)"
    ):
        next(exported(run, keep=("choices",)))
    assert len(list(exported(run, keep=("note",)))) == 9  # which the first row does not have
    (tmp_path / "b").mkdir()
    run = run_task(tmp_path / "b", "choices", QUESTIONS, replace(OPTIONS, keep_columns=("question", "year")))
    assert next(exported(run)).columns == {"question": "the cat", "year": 1999}
    assert run.fingerprint["settings"]["keep_columns"] == ["question", "year"]
    (tmp_path / "c").mkdir()
    run = run_task(tmp_path / "c", "choices", QUESTIONS, replace(OPTIONS, keep_columns="none"))
    assert {row["columns"] for row in stored_rows(run)} == {None}


def run_of_table(folder: Path) -> Run:
    """A run over a table of odd types."""
    table = pa.table(
        {
            "id": ["a", "a", "b"],
            "text": ["one", None, "two cats"],
            "when": pa.array([1, 2, 3], pa.timestamp("us", tz="UTC")),
            "exact": pa.array([1, 1_700_000_000_123_456_789, 3], pa.timestamp("ns")),
            "price": pa.array([Decimal("1.10"), None, Decimal("2.00")]),
            "data": pa.array([b"\xff", b"", None]),
            "nan": [math.nan, 1.0, math.inf],
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
            "nested": [[{"a": 1}], [], None],
        }
    )
    pq.write_table(table, folder / "odd.parquet")
    data = open_dataset([str(folder / "odd.parquet")])
    task = PerplexityTask(fields=guess_fields("perplexity", data.columns))
    return evaluate(tiny_scorer(), data, task, folder / "run", options=OPTIONS)


def test_types_come_through_the_run_into_parquet_again(tmp_path: Path) -> None:
    run = run_of_table(tmp_path)
    rows = list(stored_rows(run))
    assert [row["error_code"] is None for row in rows] == [True, False, True], "no column beside the text costs a row"
    target = tmp_path / "rows.parquet"
    with open_records("parquet", target, export_fields(run), WriterOptions()) as records:
        for record in exported(run):
            records.write(record, "model:s")
    table = pq.read_table(target)
    kinds = {name: str(table.schema.field(name).type) for name in table.column_names[len(export_fields(run)) :]}
    exact = kinds.pop("exact")
    assert kinds == {
        "data_id": "string",
        "when": "timestamp[us, tz=UTC]",
        "price": "decimal128(3, 2)",
        "data": "binary",
        "nan": "double",
        "kind": "string",
        "nested": "list<element: struct<a: int64>>",
    }
    found = table.to_pylist()
    assert [row["when"] for row in found] == [datetime(1970, 1, 1, microsecond=i, tzinfo=UTC) for i in (1, 2, 3)]
    assert [row["price"] for row in found] == [Decimal("1.10"), None, Decimal("2.00")]
    assert [row["data"] for row in found] == [b"\xff", b"", None] and found[2]["nan"] == math.inf
    assert exact in ("string", "timestamp[ns]") and "123456789" in str(table["exact"][1]), "not a digit is lost"


def test_a_run_changed_by_hand_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqscore.evaluation.read import export

    run = run_task(tmp_path, "choices", QUESTIONS)
    rows = [{**row, "columns": '{"a": {"$what": 1}}'} for row in stored_rows(run)]
    monkeypatch.setattr(export, "stored_rows", lambda run: iter(rows))
    with pytest.raises(InputError, match="row 0: the columns of the row cannot be read"):
        list(exported(run))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["all"], "all"),
        (["none"], "none"),
        (["a,b"], ("a", "b")),
        (["a", "b c"], ("a", "b c")),
        (['"a,b", c'], ("a,b", "c")),
    ],
)
def test_columns_to_keep(given: list[str], expected: Any) -> None:
    assert keep_columns(given) == expected


@pytest.mark.parametrize("given", [["all,a"], ["none", "all"], ["a,,b"], [""], ["a,a"], []])
def test_columns_to_keep_that_say_nothing(given: list[str]) -> None:
    with pytest.raises(OptionError, match="expected all, none, or names of columns"):
        keep_columns(given)


def test_columns_to_keep_are_there() -> None:
    check_kept(("a",), ("a", "b"))
    check_kept("all", ("a",))
    check_kept(("c",), ())  # where no row can be read, nothing is known
    with pytest.raises(OptionError, match="there is no column 'c' to keep; the columns are a, b"):
        check_kept(("a", "c"), ("a", "b"))
    assert kept_columns({"a": 1, "b": 2}, "all", {"a"}) == {"b": 2}
    assert kept_columns({"a": 1, "b": 2}, ("a", "z"), {"a"}) == {"a": 1}


def test_an_impossible_text_has_infinite_numbers_and_each_format_writes_them_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqscore.evaluation.read import export

    run = run_task(tmp_path, "perplexity", [{"text": "the cat"}, {"text": "the dog"}])
    rows = list(stored_rows(run))
    rows[0]["items"][0]["log_likelihood"] = -math.inf
    monkeypatch.setattr(export, "stored_rows", lambda run: iter(rows))
    table = opened(run.path).to_pandas()
    assert table["log_likelihood"].dtype == table["perplexity"].dtype == np.float64
    assert table["log_likelihood"][0] == -math.inf and table["perplexity"][0] == table["bits_per_byte"][0] == math.inf
    for form in ("jsonl", "csv", "tsv", "md", "tex", "parquet"):
        target = tmp_path / f"rows.{form}"
        with open_records(form, target, export_fields(run), WriterOptions()) as records:
            for record in exported(run):
                records.write(record, "model:s")
    assert (
        '"log_likelihood": "-Infinity", "unit": "nats", "perplexity": "Infinity"'
        in (tmp_path / "rows.jsonl").read_text()
    )
    assert ",-Infinity,nats," in (tmp_path / "rows.csv").read_text()
    assert pq.read_table(tmp_path / "rows.parquet")["log_likelihood"][0].as_py() == -math.inf
