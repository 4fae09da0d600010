"""Run folders that were changed by hand, checksums and all: a message, never a defect."""

from __future__ import annotations

import copy
import itertools
import math
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from seqscore.errors import InputError, SeqscoreError
from seqscore.evaluation.read.compare import compare_runs
from seqscore.evaluation.read.drawable import charts_of, rows_named
from seqscore.evaluation.read.reports import report_of_runs
from seqscore.evaluation.run.manifest import read_sealed
from seqscore.evaluation.run.parts import DIGEST, ROWS, part_path, write_checksum
from seqscore.evaluation.run.row_schema import run_schema
from seqscore.evaluation.run.run_folder import Run, read_run
from seqscore.evaluation.run.run_task import evaluate
from seqscore.evaluation.run.stored import checked_manifest, checked_summary
from seqscore.evaluation.run.stored_rows import stored_rows
from seqscore.evaluation.run.summary import run_signature
from seqscore.evaluation.tasks.rows import TaskItem
from seqscore.output.evaluations import print_citation, print_comparison, print_summary
from seqscore.output.report.payload import payload_of, script_json
from tests.evaluation.evaluated import OPTIONS, dataset, edited, made, run_task, tiny_scorer

ROWS_OF: dict[str, list[Any]] = {
    "pairs": [{"good": f"a {i}", "bad": f"b a {i}", "UID": "xy"[i % 2]} for i in range(3)] + [{"good": "a"}],
    "choices": [{"query": "q", "choices": ["a", "b c"], "gold": i} for i in range(2)],
    "nbest": [{"reference": "a b", "hypotheses": ["a c", "a b"], "scores": [-1, -2]}],
}
WRONG = ("nothing", None, True, -1, 1.5, 10**400, "x", [], {})


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*at, key)
        yield from places(one, (*at, key))


def put(value: Any, at: tuple[Any, ...], new: Any) -> None:
    for key in at[:-1]:
        value = value[key]
    if new == "nothing":
        del value[at[-1]]
    else:
        value[at[-1]] = new


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    return cache(lambda name: run_task(tmp_path_factory.mktemp(name), name, ROWS_OF[name]))


def read_in_every_way(path: Path, other: Path, data: Any, task: Any) -> None:
    """As cite, report, compare, plot and eval do; a refusal of one does not keep the others from being tried."""

    def cite() -> None:
        run = read_run(path)
        print_citation(str(run_signature(run)), run.summary)
        print_summary(run.summary or {})

    def page() -> None:
        script_json(payload_of(report_of_runs((path,))))

    def plot() -> None:
        charts_of(path)
        rows_named(path, ["0"])

    for way in (
        *(cite, page, plot, lambda: print_comparison(compare_runs(path, other, resamples=100))),
        lambda: evaluate(tiny_scorer(), data, task, path, options=OPTIONS),
    ):
        try:
            way()
        except SeqscoreError as error:
            assert str(error)


@pytest.mark.parametrize("name", list(ROWS_OF))
def test_any_value_of_a_run_may_be_wrong(
    tmp_path: Path, made_once: Callable[[str], Run], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run, path = made_once(name), tmp_path / "run"
    data = dataset(tmp_path / "data.jsonl", ROWS_OF[name])
    tried = 0
    for change in itertools.chain(changed_json(run), changed_rows(run)):
        shutil.copytree(run.path, path)
        if change(path):
            read_in_every_way(path, run.path, data, made(name, data))
            tried += 1
        shutil.rmtree(path)
    assert tried > 25
    capsys.readouterr()


def changed_json(run: Run) -> Iterator[Callable[[Path], bool]]:
    """Changes of the manifest and the summary: each makes one in a folder, and says that it did."""
    for file, step in (("manifest.json", 3), ("summary.json", 17)):
        for number, at in list(enumerate(places(read_sealed(run.path / file))))[::step]:
            wrong = WRONG[number % len(WRONG)]

            def change(path: Path, file: str = file, at: Any = at, wrong: Any = wrong) -> bool:
                edited(path / file, lambda content: put(content, at, wrong))
                return True

            yield change


def changed_rows(run: Run) -> Iterator[Callable[[Path], bool]]:
    """Changes of a stored row, where its columns can hold them."""
    with run.files.opened(0) as file:
        rows, schema, digest = (
            file.read().to_pylist(maps_as_pydicts="strict"),
            file.schema_arrow,
            file.metadata.metadata[DIGEST],
        )
    for number, at in list(enumerate(places(rows)))[::4]:
        wrong = (None, -1, 2**60, "x", [], {})[number % 6]

        def change(path: Path, at: Any = at, wrong: Any = wrong) -> bool:
            changed = copy.deepcopy(rows)
            put(changed, at, wrong)
            try:
                table = pa.Table.from_pylist(changed, schema=schema.remove_metadata())
            except (pa.ArrowException, TypeError, AttributeError):
                return False
            write_part(part_path(path, 0), table, digest)
            return True

        yield change


def write_part(path: Path, table: pa.Table, digest: bytes) -> None:
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({DIGEST: digest, ROWS: str(table.num_rows).encode()})
    write_checksum(path, xxhash.xxh3_128_hexdigest(path.read_bytes()))


def refusal(check: Callable[..., Any], content: dict[str, Any], *ways: tuple[tuple[Any, ...], Any]) -> str:
    new = copy.deepcopy(content)
    for at, value in ways:
        put(new, at, value)
    with pytest.raises(InputError) as caught:
        check(new, "'run/file.json'")
    return str(caught.value)


def test_messages_name_the_file_and_the_field(made_once: Callable[[str], Run]) -> None:
    run = made_once("pairs")
    summary, manifest = read_sealed(run.path / "summary.json"), read_sealed(run.path / "manifest.json")
    assert checked_summary(summary, "") == summary and checked_manifest(manifest, "") == manifest
    for said, way in {
        "rows must be a whole number of at least 0, got str '4'": (("rows",), "4"),
        "figures[0].unit must be a text, got nothing": (("figures", 0, "unit"), "nothing"),
        "figures[0].interval.low must be a number, got str 'low'": (("figures", 0, "interval", "low"), "low"),
        "errors.bad_input must be a whole number of at least 0, got int -1": (("errors", "bad_input"), -1),
        "error_reasons must be a list, got dict": (("error_reasons",), {}),
        "a figure is there twice": (("figures", 1), summary["figures"][0]),
        "the figure 'accuracy' of all rows is lacking": (("figures", 0), "nothing"),
        "rows, scored and errors do not add up": (("scored",), 4),
    }.items():
        assert f"'run/file.json' was changed: {said}" in refusal(checked_summary, summary, way)
    deep: Any = 1
    for _ in range(20):
        deep = [deep]
    for said, way in {
        "status must be one of running, complete, got str 'done'": (("status",), "done"),
        "parts must be a whole number": (("parts",), None),
        "fingerprint.task.task must be a text": (("fingerprint", "task", "task"), 7),
        "fingerprint.data must be an object": (("fingerprint", "data"), []),
        "is nested too deep": (("fingerprint", "settings", "seed"), deep),
        "part_rows must be at least 1": (("part_rows",), 0),
    }.items():
        assert said in refusal(checked_manifest, manifest, way)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("word_errors", -1.0, "an item has -1.0 for its word_errors, expected a count"),
        ("reference_words", 1.5, "an item has 1.5 for its reference_words, expected a count"),
        ("first_pass", math.inf, "an item has inf for its first_pass, expected a finite number"),
        ("num_words", None, "an item has a number that is null"),
    ],
)
def test_numbers_that_no_task_stores(
    tmp_path: Path, made_once: Callable[[str], Run], name: str, value: Any, said: str
) -> None:
    shutil.copytree(made_once("nbest").path, tmp_path / "run")
    run = read_run(tmp_path / "run")
    with run.files.opened(0) as file:
        rows, schema, digest = (
            file.read().to_pylist(maps_as_pydicts="strict"),
            file.schema_arrow,
            file.metadata.metadata[DIGEST],
        )
    rows[0]["items"][1]["numbers"][name] = value
    table = pa.Table.from_pylist(rows, schema=schema.remove_metadata())
    write_part(part_path(tmp_path / "run", 0), table, digest)
    with pytest.raises(InputError, match=re.escape(said)):
        list(stored_rows(read_run(tmp_path / "run")))


def test_whole_numbers_come_back_exactly() -> None:
    item = TaskItem(role="text", item="a", numbers={"count": 2**53, "tenth": 0.1, "least": 5e-324})
    schema = run_schema()
    numbers = schema.field("items").type.value_type.field("numbers").type
    (back,) = pa.array([dict(item.numbers)], numbers).to_pylist(maps_as_pydicts="strict")
    assert back == {"count": 2**53, "tenth": 0.1, "least": 5e-324}
    for value in (2**53 + 1, 10**400, math.nan, -math.inf):
        with pytest.raises(InputError, match="which no float64 holds"):
            TaskItem(role="text", item="a", numbers={"count": value})
