"""The public functions beside the scorer: data of every kind, options by name, runs that are looked at and compared."""

from __future__ import annotations

import gc
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

import seqscore
from seqscore import InputError, OptionError, Run, compare
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.in_memory import dataset_in_memory
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.tasks.registry import TASKS, options_of, task_class
from seqscore.policies import Policies
from seqscore.typed_json import encoded
from tests.evaluation.evaluated import tiny_scorer

ROWS = [
    {"good": "It rained.", "bad": "It rained rained.", "kind": "a"},
    {"good": "Nobody came.", "bad": "Nobody comed.", "kind": "b"},
]


def evaluate(task: str, data: object, out: Path | None = None, **options: Any) -> Run:
    return seqscore.evaluate(tiny_scorer(), task, data, out, resamples=100, **options)


@pytest.fixture(scope="module")
def from_file(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return evaluate("pairs", _written(tmp_path_factory.mktemp("data")))


def _pandas() -> object:
    import pandas as pd

    return pd.DataFrame(ROWS)


def _arrow() -> object:
    import pyarrow as pa

    return pa.Table.from_pylist(ROWS)


def _datasets() -> object:
    import datasets

    return datasets.Dataset.from_list(ROWS)


def _generator() -> Iterator[dict[str, str]]:
    yield from ROWS


class _Frame:
    """What a DataFrame of polars offers."""

    columns = tuple(ROWS[0])

    def iter_rows(self, *, named: bool) -> Iterator[dict[str, str]]:
        assert named
        yield from ROWS


class _LazyFrame:
    """What a LazyFrame of polars offers."""

    def collect(self) -> _Frame:
        return _Frame()


KINDS: list[Callable[[], object]] = [_pandas, _arrow, _datasets, _generator, _Frame, lambda: ROWS, lambda: tuple(ROWS)]


@pytest.mark.parametrize("make", KINDS)
def test_the_same_rows_give_the_same_figures_whatever_holds_them(make: Callable[[], object], from_file: Run) -> None:
    run = evaluate("pairs", make())
    assert run.figures == from_file.figures
    assert [row.values for row in run.rows()] == [row.values for row in from_file.rows()]


class _Once:
    """Rows that are there once, though its iterator is another object."""

    def __init__(self) -> None:
        self._rows = iter(ROWS)

    def __iter__(self) -> Iterator[dict[str, str]]:
        yield from self._rows


def test_rows_that_can_be_iterated_over_once_are_all_scored(from_file: Run) -> None:
    assert evaluate("pairs", _Once()).figures == from_file.figures


def test_rows_that_are_others_each_time_are_scored_as_they_were_first() -> None:
    class Shuffled:
        calls = 0

        def __iter__(self) -> Iterator[dict[str, str]]:
            self.calls += 1
            return iter(ROWS if self.calls == 1 else ROWS[::-1])

    rows = list(evaluate("pairs", Shuffled()).rows())
    assert [row.items[0].text for row in rows] == [row["good"] for row in ROWS]


def test_rows_without_an_end_can_be_limited() -> None:
    assert evaluate("pairs", cycle(ROWS), limit=3).summary["rows"] == 3


def test_several_files(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    for path, row in zip(paths, ROWS, strict=True):
        path.write_text(json.dumps(row) + "\n")
    assert evaluate("pairs", paths).summary["rows"] == 2


def test_missing_values_of_pandas_are_rows_without_a_text() -> None:
    import pandas as pd

    frame = pd.DataFrame({"text": pd.array(["It rained.", pd.NA], dtype="string"), "day": [pd.NaT, pd.NaT]})
    run = evaluate("perplexity", frame)
    assert run.summary["errors"] == {"no_text": 1}


def test_values_of_numpy_are_what_they_hold() -> None:
    import numpy as np
    import pandas as pd

    plain = [
        {"question": "the cat", "choices": ["sat", "ran off"], "gold": 1},
        {"question": "the dog", "choices": ["barks", "is"], "gold": 0},
    ]
    made = [_of_numpy(row) for row in plain]
    expected = evaluate("choices", plain)
    for data in (made, pd.DataFrame(made)):
        found = evaluate("choices", data)
        assert found.summary["errors"] == {} and found.figures == expected.figures
    numbers = [{"text": one["question"], "rating": np.float32(number)} for number, one in enumerate(plain)]
    assert evaluate("correlate", numbers).summary["errors"] == {}


def _of_numpy(row: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    return {**row, "choices": np.array(row["choices"], object), "gold": np.int64(row["gold"])}


def test_a_column_of_numpy_is_part_of_the_content_as_before() -> None:
    import numpy as np

    looped: list[Any] = [1.5]
    looped.append(looped)
    for value in (np.array([1.5, 2.5]), np.datetime64("2024-05-01"), np.array(["2024-05-01"], "datetime64[D]"), looped):
        data = dataset_in_memory([{"text": "a", "more": value}], options=DataOptions())
        digest = xxhash.xxh3_128(encoded({"text": "a", "more": value}).encode() + b"\n")
        assert data.description["content"] == f"xxh128:{digest.hexdigest()}"


@pytest.mark.parametrize(
    "data, message",
    [
        (3, "must be the name of a file or dataset, an iterable of mappings, or a table, got a value of type int"),
        ({"text": "a"}, "got a single mapping; of one row give a list that holds it"),
        ([], "no row with columns"),
        (["a.jsonl", 3], "no row with columns"),
        (["the fox"], r'a list of texts names files: rows are mappings, \[{"text": ...}\]'),
        (_LazyFrame(), r"are a _LazyFrame, .* give data.collect\(\)"),
    ],
)
def test_what_is_no_data(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate("perplexity", data)


def test_a_series_and_several_splits_are_no_data() -> None:
    import datasets
    import pandas as pd

    with pytest.raises(InputError, match=r'no row with columns.*rows are mappings, \[{"text": ...}\]'):
        evaluate("perplexity", pd.Series(["the fox"]))
    splits = datasets.DatasetDict(test=datasets.Dataset.from_list(ROWS))
    with pytest.raises(InputError, match=r"hold the splits test; choose one: data\['test'\]"):
        evaluate("perplexity", splits)


def test_a_row_that_is_no_mapping_is_an_error_in_its_place() -> None:
    run = evaluate("perplexity", [{"text": "It rained."}, "It rained."])
    assert run.summary["errors"] == {"bad_input": 1}
    assert "row 1 is a str; expected a mapping" in run.summary["error_reasons"][0]["message"]


# ---- resuming, and folders ----


def test_other_rows_are_refused(tmp_path: Path) -> None:
    evaluate("pairs", ROWS, tmp_path / "run")
    again = evaluate("pairs", iter(ROWS), tmp_path / "run")
    assert again.figures == Run(tmp_path / "run").figures
    changed = [ROWS[0], {**ROWS[1], "kind": "c"}]
    with pytest.raises(OptionError, match=r"is a run of something else: data.content: \"xxh128:"):
        evaluate("pairs", changed, tmp_path / "run")


def test_a_temporary_run_goes_with_its_object() -> None:
    run = evaluate("pairs", ROWS)
    path = run.path
    assert (path / "summary.json").is_file()
    del run
    gc.collect()
    assert not path.exists()


def test_the_rows_of_a_run_that_nothing_else_holds() -> None:
    rows = evaluate("pairs", ROWS).rows()
    gc.collect()
    assert [row.id for row in rows] == ["0", "1"]
    assert [row.id for row in evaluate("pairs", ROWS).rows()] == ["0", "1"]


def test_a_run_can_be_opened_again(tmp_path: Path, from_file: Run) -> None:
    with pytest.raises(InputError, match="is no run"):
        Run(tmp_path)
    assert Run(from_file.path).signature == from_file.signature


# ---- options ----


def test_options_reach_what_they_belong_to(from_file: Run) -> None:
    run = evaluate("pairs", ROWS, bos="none", limit=1, keep="scores", delimiter=" ", fields={"group": "kind"})
    signature = run.signature
    assert "|bos:none|" in signature and "|data.limit:1|" in signature
    assert "|settings.keep:scores|" in signature and "|task.delimiter:%20|" in signature
    assert list(run.by_group("accuracy")) == ["a"] and run.by_group("nothing") == {}
    assert run.figures != from_file.figures


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"delimeter": ""},
            "no option 'delimeter': those of task 'pairs' are delimiter, method; of all tasks: bos, eos, long, .*limit",
        ),
        ({"lm_weight": 2.0}, "no option 'lm_weight'"),
        ({"bos": "nothing"}, "bos='nothing'"),
        ({"long": "cut"}, "long='cut' is unknown"),
        ({"keep_columns": ["kind", "more"]}, "no column 'more' to keep"),
        ({"fields": {"group": "more"}}, "no column 'more'"),
        ({"fields": "text"}, "fields='text' must name the column .* fields={'text': 'COLUMN'}"),
        ({"fields": {"good": ["good"]}}, "fields=.* must name the column"),
        ({"limit": "1"}, "limit='1' must be a whole number"),
        ({"limit": 1.5}, "limit=1.5 must be a whole number"),
        ({"limit": True}, "limit=True must be a whole number"),
        ({"part_rows": True}, "part_rows=True must be a whole number"),
        ({"seed": None}, "seed=None must be a whole number"),
        ({"resamples": "9"}, "resamples='9' must be a whole number"),
        ({"level": None}, "level=None must lie between 0 and 1"),
        ({"keep_columns": None}, "keep_columns=None is unknown; expected 'all', 'none', or a list of columns"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        seqscore.evaluate(tiny_scorer(), "pairs", ROWS, **{"resamples": 100, **options})


@pytest.mark.parametrize(
    "options, told",
    [
        ({"with": "rating"}, {"value": "rating"}),
        ({"with_": "rating"}, {"value": "rating"}),
        ({"by": 3}, {"group": "COLUMN"}),
        ({"context_column": "before"}, {"context": "before"}),
    ],
)
def test_a_column_that_the_command_line_has_an_option_for_is_one_of_fields(
    options: dict[str, Any], told: dict[str, str]
) -> None:
    with pytest.raises(OptionError, match=re.escape(f"columns are named by fields={json.dumps(told)}")):
        seqscore.evaluate(tiny_scorer(), "correlate", [{"text": "a", "rating": 1}], **options)
    with pytest.raises(OptionError, match=f"no option '{next(iter(options))}': those of task 'pairs'"):
        seqscore.evaluate(tiny_scorer(), "pairs", ROWS, **options)


def test_an_id_is_one_whatever_the_file_made_of_it() -> None:
    """CSV has text where JSON has a number, and pandas a float where one is missing. Rows of one id stay apart."""
    rows = [{**row, "id": one} for row, one in zip(cycle(ROWS), (1, 1.0, "1", 2, 1.5), strict=False)]
    run, other = (evaluate("pairs", rows, id_column="id", bos=bos) for bos in ("auto", "none"))
    assert [row.id for row in run.rows()] == ["1", "1", "1", "2", "1.5"]
    found = compare(run, other)
    assert found.num_rows == 5
    assert {row.id for row in found.largest} == {"1 (row 0)", "1 (row 1)", "1 (row 2)", "2", "1.5"}


def test_numbers_of_numpy_are_options() -> None:
    run = evaluate("pairs", ROWS, limit=np.int64(1), seed=np.int32(3), level=np.float64(0.9))
    assert "|data.limit:1|" in run.signature and run.summary["rows"] == 1


@pytest.mark.parametrize("scorer", [None, "./llama"])
def test_what_is_no_scorer(scorer: Any) -> None:
    with pytest.raises(OptionError, match=r"is no Scorer; expected one, for instance Scorer.from_pretrained\("):
        seqscore.evaluate(scorer, "pairs", ROWS)


def test_how_many_rows_are_shown_is_no_less_than_none(from_file: Run, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="rows=-1 must be a whole number of at least 0"):
        from_file.report(tmp_path / "page.html", rows=-1)
    with pytest.raises(OptionError, match="largest=-1 must be a whole number of at least 0"):
        compare(from_file, from_file, largest=-1)


@pytest.mark.parametrize(
    "options",
    [{"split": "test"}, {"config": "a"}, {"read_as": "csv"}, {"encoding": "latin-1"}, {"whole_file": True}],
)
def test_what_says_how_files_are_read_is_refused_of_rows_in_memory(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(options))}=.*these rows are in memory already"):
        evaluate("pairs", ROWS, **options)


def test_an_unknown_task() -> None:
    with pytest.raises(OptionError, match="task 'pear' is unknown; expected one of perplexity, pairs"):
        evaluate("pear", ROWS)


def test_no_name_of_an_option_means_two_things() -> None:
    shared = [one.name for kind in (Policies, DataOptions, RunOptions) for one in fields(kind)]
    reserved = ["scorer", "task", "data", "out", "fields", "progress"]
    for task in TASKS:
        names = Counter([*shared, *reserved, *options_of(task_class(task))])
        assert [name for name, count in names.items() if count > 1] == []


def test_progress_is_told() -> None:
    told = []
    evaluate("pairs", ROWS, progress=lambda progress: told.append(progress.rows))
    assert told == [0, 1, 2]


def test_rows_of_files_can_be_sorted_out(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("It rained.\nNobody came.\nSo it was.\n")
    run = evaluate("filter", tmp_path / "texts.txt")
    assert (run.path / "head.txt").is_file()
    with pytest.raises(InputError, match="these are in memory; write them to a file"):
        evaluate("filter", [{"text": "It rained."}])


# ---- looking at runs ----


def test_a_table_has_a_row_an_item_and_the_columns_of_the_data(from_file: Run) -> None:
    table = from_file.to_pandas()
    assert list(table["role"]) == ["good", "bad"] * 2
    assert list(table["kind"]) == ["a", "a", "b", "b"]
    assert table["log_likelihood"].lt(0).all()


def test_compare_report_and_plot(from_file: Run, tmp_path: Path) -> None:
    other = evaluate("pairs", _written(tmp_path), bos="none")
    found = compare(from_file, other, resamples=100)
    assert found.num_rows == 2 and {one.name for one in found.measures} >= {"accuracy", "mean_margin"}
    assert compare(from_file.path, str(other.path), resamples=100).measures[0].a == found.measures[0].a
    page = from_file.report(tmp_path / "report.html", other=other, title="Two runs")
    assert "Two runs" in page.read_text(encoding="utf-8")
    pictures = from_file.plot(tmp_path / "figures", other=other, items=["0"], picture="png")
    assert all(path.is_file() and path.suffix == ".png" for path in pictures)
    assert {"margins", "scatter"} <= {path.stem for path in pictures}


def _written(folder: Path) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path
