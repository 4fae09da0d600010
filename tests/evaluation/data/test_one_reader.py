"""What ``score`` reads, ``eval`` reads, and the same rows come out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from seqscore.errors import OptionError
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.dataset import DataRow, open_dataset
from seqscore.evaluation.data.texts import InputOptions, InputRow, open_inputs
from seqscore.evaluation.read.measures import task_of_run
from seqscore.evaluation.run.run_task import evaluate
from seqscore.evaluation.tasks.choices import ChoicesTask
from seqscore.evaluation.tasks.perplexity import PerplexityTask
from seqscore.evaluation.tasks.registry import guess_fields
from seqscore.evaluation.tasks.rows import TaskRow
from tests.evaluation.evaluated import OPTIONS, rows_of, tiny_scorer


def both(sources: list[Path], **options: Any) -> tuple[list[Any], list[Any], list[str]]:
    """Id, number and text of every row: as ``score`` has them, as ``eval`` has them; and what was said."""
    said: list[str] = []
    asked = DataOptions(notify=said.append, **options)
    names = [str(one) for one in sources]
    scored = [
        (row.id, row.number, row.text)
        for row in open_inputs([], names, options=InputOptions(data=asked))
        if isinstance(row, InputRow)
    ]
    data = open_dataset(names, options=asked)
    column = guess_fields("perplexity", data.columns)["text"]
    return scored, [(row.id, row.number, row.text(column)) for row in data.rows() if isinstance(row, DataRow)], said


def test_folders_saved_datasets_and_files_together(tmp_path: Path) -> None:
    import datasets

    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "a", "key": "k"}\n')
    (folder / "b.csv").write_text("key,text\nk,b\n")
    datasets.Dataset.from_list([{"text": "c", "key": "k"}]).save_to_disk(str(tmp_path / "saved"))
    scored, evaluated, _ = both([folder, tmp_path / "saved", folder / "a.jsonl"], id_column="key")
    assert scored == evaluated == [("k", number, text) for number, text in enumerate("abca")], "ids may repeat"
    with pytest.raises(OptionError, match="--split belongs to datasets of the datasets library"):
        both([folder], split="test")


def test_another_usual_name_of_the_text_is_taken_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"sentence": "a"}\n')
    scored, evaluated, said = both([path])
    assert scored == evaluated == [(0, 0, "a")] and "has no column 'text'; text = 'sentence' (guessed)" in said[0]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "context,target\nIt,rained\n,rained\nNA,rained\n,snowed\n"),
        ("a.jsonl", "".join(f'{{"context": {one}, "target": "a"}}\n' for one in ('"It"', "null", "3", "null"))),
    ],
)
def test_an_empty_context_is_none_and_counted_and_a_word_for_it_is_an_error(
    tmp_path: Path, name: str, data: str
) -> None:
    path, said = tmp_path / name, list[str]()
    path.write_text(data)
    reading = DataOptions(notify=said.append)
    found = list(
        open_inputs([], [str(path)], options=InputOptions(column="target", context_column="context", data=reading))
    )
    assert [isinstance(row, InputRow) and (row.context or "") for row in found] == ["It", "", False, ""]
    notice = [one for one in said if "the context is empty, so the text is scored without one" in one]
    assert len(notice) == 1 and " and 1 more: " in notice[0]
    dataset = open_dataset([str(path)], options=reading)
    entries = [
        entry.row for entry in PerplexityTask(fields=guess_fields("perplexity", dataset.columns)).entries(dataset)
    ]
    assert [isinstance(row, TaskRow) for row in entries] == [True, True, False, True]
    assert said[-1] == notice[0], "the evals say the same"


def test_a_limit_says_which_files_it_did_not_reach(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.txt" for name in "abc"]
    for path in paths:
        path.write_text("1\n2\n")
    scored, evaluated, said = both(paths, limit=3)
    assert scored == evaluated == [(0, 0, "1"), (1, 1, "2"), (2, 2, "1")]
    assert len(set(said)) == 1
    assert said[0] == (
        f"the first 3 rows are in the first 2 of 3 files of {str(paths[0])!r} and 2 more; the others were not reached "
        f"(limit, --limit)"
    )
    assert both(paths, limit=6)[2] == [] == both(paths)[2]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.jsonl"))
    path.write_text('{"text": "It rained.", "key": 1}\n{"text": null}\n')
    scored, evaluated, _ = both([path], limit=1)
    assert scored == evaluated == [(0, 0, "It rained.")]
    data = open_dataset([str(path)])
    run = evaluate(
        tiny_scorer(),
        data,
        PerplexityTask(fields=guess_fields("perplexity", data.columns)),
        tmp_path / "run",
        options=OPTIONS,
    )
    first, second = rows_of(run)
    assert first["error_code"] is None and second["error_code"] == "no_text"
    assert "caf\\xe9" in second["error_message"] or "caf\\udce9" in second["error_message"]
    assert run.summary is not None and run.summary["errors"] == {"no_text": 1}


def test_how_a_file_is_read_belongs_to_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\na\n")
    usual = open_dataset([str(path)]).description
    for given in ({"encoding": "latin-1"}, {"quoting": "none"}, {"empty_cells": "text"}, {"read_as": "text"}):
        described = open_dataset([str(path)], options=DataOptions(**given)).description  # type: ignore[arg-type]
        assert described == {**usual, **described} and described != usual
    assert json.dumps(usual)


def test_paths_into_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"doc": {"text": "a", "parts": [{"t": "p"}]}},
        {"doc": {"text": "b"}, "doc.text": "exact"},
        {"doc": {"text": None}},
        {"doc": 3},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def texts(column: str) -> list[str | None]:
        found = open_inputs([], [str(path)], options=InputOptions(column=column))
        return [row.text if isinstance(row, InputRow) else None for row in found]

    assert texts("doc.text") == ["a", "exact", None, None]
    assert texts("doc.parts.0.t") == ["p", None, None, None]
    data = open_dataset([str(path)])
    assert guess_fields("perplexity", data.columns, {"text": "doc.text"})["text"] == "doc.text"
    with pytest.raises(OptionError, match=r"there is no column 'dok.text' for text"):
        guess_fields("perplexity", data.columns, {"text": "dok.text"})


def test_a_run_knows_choices_in_several_columns_again(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,choice1,choice2,answer\nIt,rained,snowed,1\nIt,rained,snowed,2\n")
    data = open_dataset([str(path)], options=DataOptions(notify=lambda message: None))
    task = ChoicesTask(fields=guess_fields("choices", data.columns))
    run = evaluate(tiny_scorer(), data, task, tmp_path / "run", options=OPTIONS)
    assert [row["gold"] for row in rows_of(run)] == [0, 1]
    again = task_of_run(run)
    assert isinstance(again, ChoicesTask) and again.fields["choices"] == ("choice1", "choice2")
    assert run.summary is not None and "choice1" in run.summary["signature"]
    assert evaluate(tiny_scorer(), data, task, tmp_path / "run", options=OPTIONS).summary == run.summary
