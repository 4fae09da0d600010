"""Right choices as numbers from 0 or 1, letters, labels and texts, in one column or several."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from seqscore.errors import InputError
from seqscore.evaluation.data.dataset import DataOptions, open_dataset
from seqscore.evaluation.data.gold import gold_index
from seqscore.evaluation.tasks.choices import ChoicesTask
from seqscore.evaluation.tasks.registry import guess_fields
from seqscore.evaluation.tasks.rows import TaskRow

CHOICES = ["red", "Green", "blue"]


def golds(
    path: Path, rows: str | list[dict[str, Any]], *, field: str | None = None, **settings: Any
) -> tuple[Any, Any]:
    """The gold of every row, an error as its message, and the notices."""
    path.write_text(rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows))
    said: list[str] = []
    data = open_dataset([str(path)], options=DataOptions(notify=said.append))
    given = {} if field is None else {"choices": field}
    task = ChoicesTask(fields=guess_fields("choices", data.columns, given), **settings)
    entries = [entry.row for entry in task.entries(data)]
    return [row.gold if isinstance(row, TaskRow) else row.message for row in entries], said


def rows(*values: Any, choices: Any = CHOICES) -> list[dict[str, Any]]:
    return [{"query": "q", "choices": choices, "gold": value} for value in values]


@pytest.mark.parametrize("kind", [int, str, float, lambda number: f" {number} "])
def test_numbers_count_from_where_they_say(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "a.jsonl"
    assert golds(path, rows(kind(0), kind(2), kind(1))) == ([0, 2, 1], [])
    found, said = golds(path, rows(kind(1), kind(2), kind(3)))
    assert found == [0, 1, 2] and len(said) == 1
    assert "counted from 1, for" in said[0] and "line 3 names number" in said[0] and "--gold-from 0" in said[0]
    found, said = golds(path, rows(kind(1), kind(2)))
    assert found == [1, 2] and "counted from 0, though none of 2 rows names number 0" in said[0]
    assert golds(path, rows(kind(1), kind(2)), gold_from="1") == ([0, 1], [])
    found, said = golds(path, rows(kind(1), kind(3)), gold_from="0")
    assert found[0] == 1 and ("expected a number from 0 to 2" in found[1] or "counted from 0" in found[1])


def test_two_choices_counted_from_one(tmp_path: Path) -> None:
    """The issue's own case: "1" is the first of two, not the second."""
    found, said = golds(tmp_path / "a.jsonl", rows("1", "2", choices=["four", "five"]))
    assert found == [0, 1] and "counted from 1" in said[0]


def test_numbers_that_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"counted from 0 \(.*line 2: 0\) and from 1 \(.*line 1: 3 of 3\)"):
        golds(tmp_path / "a.jsonl", rows(3, 0))


def test_texts_letters_and_labels_say_nothing_about_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert golds(path, rows("B", "c", "(a)", "blue", "RED", "green ")) == ([1, 2, 0, 2, 0, 1], [])
    labelled = {"text": CHOICES, "label": ["1", "2", "3"]}
    assert golds(path, rows("3", "1", choices=labelled)) == ([2, 0], [])
    assert golds(path, rows("3", "1", choices=["3", "1", "x"])) == (
        [golds(path, rows("3", choices=["3", "1", "x"]))[0][0], *golds(path, rows("1", choices=["3", "1", "x"]))[0]],
        [],
    )


@pytest.mark.parametrize("kind", [int, float, str, Decimal, lambda number: f"{number}.0"])
def test_numbers_of_choices_with_numbers_as_labels_are_labels(tmp_path: Path, kind: Any) -> None:
    """ARC holds both forms, with the right answer as text, or as a number once a data frame wrote it."""
    for labels, given in ((["1", "2", "3"], 3), ([1, 2, 3], 3), (["3", "1", "0"], 0), (["1", "x", "3"], 3)):
        found = gold_index(kind(given), CHOICES, [str(one) for one in labels], where="r", column="g")
        assert found == 2, (labels, given)
    with pytest.raises(InputError, match=r"r: column 'g' is .*names no choice of 3 with the labels 1, 2, 3"):
        gold_index(kind(0), CHOICES, ["1", "2", "3"], where="r", column="g")
    if kind in (int, float, str):
        labelled = {"text": CHOICES, "label": ["1", "2", "3"]}
        assert golds(tmp_path / "a.jsonl", rows(kind(1), kind(3), choices=labelled)) == ([0, 2], [])
        letters = {"text": CHOICES, "label": ["A", "B", "C"]}
        found, said = golds(tmp_path / "a.jsonl", rows(kind(1), kind(3), choices=letters))
        assert found == [0, 2] and "counted from 1" in said[0], "letters are no numbers, so these are positions"


@pytest.mark.parametrize("word", ["None", "NA", "null", "nan"])
def test_a_last_choice_that_is_a_word_for_nothing_is_no_choice_less(tmp_path: Path, word: str) -> None:
    data = f"question,A,B,C,answer\nq,Moon,Sun,{word},0\nq,Moon,Sun,Mars,2\nq,Moon,Sun,,0\n"
    path = tmp_path / "a.csv"
    found, said = golds(path, data)
    assert f"line 2: column 'C' is {word}, which may be a text" in found[0] and "--empty-cells text" in found[0]
    assert found[1:] == [2, 0] and said == []
    path.write_text(data)
    (row, *_) = open_dataset([str(path)], options=DataOptions(empty_cells="text")).look(1)
    assert row.at(("A", "B", "C")) == ["Moon", "Sun", word]


def test_rows_beyond_the_limit_do_not_say_what_numbers_count_from(tmp_path: Path) -> None:
    for name, first in (("a", 0), ("b", 3)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(first, 1)))
    data = open_dataset(
        [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")], options=DataOptions(limit=2, notify=print)
    )
    assert [row.values["gold"] for row in data.look(1000)] == [0, 1]
    task = ChoicesTask(fields=guess_fields("choices", data.columns))
    assert [entry.row.gold for entry in task.entries(data) if isinstance(entry.row, TaskRow)] == [0, 1]


@pytest.mark.parametrize(
    ("value", "index"), [("b", 1), ("(B)", 1), ("B.", 1), ("c)", 2), ("BLUE", 2), (1.0, 1), (Decimal(2), 2), ("1.0", 1)]
)
def test_forms_of_gold(value: Any, index: int) -> None:
    assert gold_index(value, CHOICES, None, where="r", column="g") == index


def test_a_text_goes_before_a_small_letter() -> None:
    assert gold_index("a", ["b", "a"], None, where="r", column="g") == 1
    assert gold_index("b", ["x", "y"], ["A", "B"], where="r", column="g") == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, True, None, "D", "green?", Decimal("NaN"), 10**400])
def test_gold_that_names_none(value: Any) -> None:
    with pytest.raises(InputError, match="r: column 'g'"):
        gold_index(value, CHOICES, None, where="r", column="g")


TABLE = "question,choice1,choice2,choice3,label\nq,red,Green,blue,1\nq,red,Green,,2\nq,red,,blue,1\n"


@pytest.mark.parametrize("field", [None, "choice1,choice2,choice3"])
def test_choices_in_several_columns(tmp_path: Path, field: str | None) -> None:
    """COPA, SWAG, WinoGrande and spreadsheets: a column a choice; a row may have fewer."""
    found, said = golds(tmp_path / "a.csv", TABLE, field=field)
    assert found[:2] == [0, 1]
    assert found[2].endswith("line 4: column 'choice2' is empty, and 'choice3' is not")
    assert "counted from 1" in said[0], "number 2 of the two that the second row has"
    fields = guess_fields("choices", ["question", "choice1", "choice2", "label"])
    assert fields.describe().startswith("query = 'question' (guessed), choices = 'choice1', 'choice2' (guessed)")
    assert dict(guess_fields("choices", ["question", "A", "B", "C", "D", "answer"]).columns)["choices"] == (*"ABCD",)
    exact = guess_fields("choices", ["q", "a,b", "a", "b", "gold"], {"query": "q", "choices": "a,b"})
    assert exact["choices"] == "a,b", "a column of exactly that name goes first"
