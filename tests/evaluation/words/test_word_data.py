"""Which texts and words a dataset has: a text a row, a list of words a row, a word a row."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.dataset import open_dataset
from seqscore.evaluation.data.in_memory import dataset_in_memory
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.words.word_data import WordTextOptions, word_texts
from seqscore.evaluation.words.word_groups import MOST_WORDS
from tests.evaluation.words.given import texts_of


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_text_a_row_with_its_context_and_its_columns(tmp_path: Path) -> None:
    said: list[str] = []
    data = "id,context,sentence,group\na,Yes.,It rained.,x\nb,,Nobody came.,y\n"
    one, two = texts_of(tmp_path / "a.csv", data, said, id_column="id")
    assert (one.id, one.text, one.words, one.context, one.delimiter) == ("a", "It rained.", None, "Yes.", "auto")
    assert (one.columns, one.number, two.number, two.context) == ({"group": "x"}, 0, 1, None)
    assert said == ["words: text = 'sentence' (guessed), context = 'context' (guessed)"]


def test_a_list_of_words_a_row_in_every_format(tmp_path: Path) -> None:
    words = ["The", "old", "New York", "東京", "."]
    pq.write_table(pa.table({"words": [words], "n": [1]}), tmp_path / "a.parquet")
    (tabled,) = word_texts(open_dataset([str(tmp_path / "a.parquet")], options=DataOptions(notify=print)))
    (listed,) = texts_of(tmp_path / "a.jsonl", lines({"words": words, "n": 1}))
    (cell,) = texts_of(tmp_path / "a.csv", 'words,n\n"' + json.dumps(words).replace('"', '""') + '",1\n')
    for one in (tabled, listed, cell):
        assert (one.text, one.words) == ("The old New York 東京 .", tuple(words))
    assert (listed.columns, cell.columns) == ({"n": 1}, {"n": "1"})


def test_words_that_are_objects_have_columns_of_their_own(tmp_path: Path) -> None:
    words = [{"word": "Ja", "rt": 1, "space_after": False}, {"word": "!", "rt": 2, "space_after": True}]
    (one,) = texts_of(tmp_path / "a.jsonl", lines({"words": words, "item": 3}))
    assert (one.text, one.words, one.after) == ("Ja!", ("Ja", "!"), " ")
    assert (one.own, one.columns) == (({"rt": 1}, {"rt": 2}), {"item": 3})


def test_words_stand_in_the_text_beside_them_and_a_text_that_is_named_is_taken_alone(tmp_path: Path) -> None:
    data = lines({"text": "A  b.", "words": ["A", "b."]}, {"text": None, "words": ["c", "d"]})
    one, two = texts_of(tmp_path / "a.jsonl", data)
    assert (one.text, one.words, two.text) == ("A  b.", ("A", "b."), "c d")
    (alone, bad) = texts_of(tmp_path / "a.jsonl", data, fields={"text": "text"})
    assert (alone.words, alone.text) == (None, "A  b.")
    assert "column 'text' is null" in bad
    (only,) = texts_of(tmp_path / "b.jsonl", lines({"text": "A b.", "words": 2}))
    assert (only.words, only.columns) == (None, {"words": 2})


@pytest.mark.parametrize(("joiner", "text"), [(" ", "他 来 了"), ("", "他来了"), ("auto", "他来了")])
def test_what_stands_between_words(tmp_path: Path, joiner: str, text: str) -> None:
    (one,) = texts_of(tmp_path / "a.jsonl", lines({"words": ["他", "来", "了"]}), joiner=joiner)
    assert one.text == text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "is an empty list; expected a list of words"),
        (7, "is a number; expected a list of words"),
        (["a", ""], "word 2: the word '' is empty"),
        (["\u00a0"], r"word 1: the word '\\xa0' is white space"),
        (["a", " b"], "word 2: the word ' b' has white space around it"),
        (["b\u3000"], "has white space around it"),
        (["a", None], "word 2 is null; expected text"),
        ([1984], "word 1 is a number; expected text"),
        ([{"lemma": "a"}], "word 1 is an object without one of word, form, token, text"),
        ([{"word": "a", "space_after": "perhaps"}], "is 'perhaps', and tells whether a space follows"),
        ([{"word": "a", "space_after": True}, {"word": "b"}], "some words say whether a space follows"),
        ("['a', 'b']", "no list in JSON: .*as Python prints it: write it with json.dumps"),
    ],
)
def test_what_is_no_list_of_words_is_said(tmp_path: Path, value: object, said: str) -> None:
    good = {"words": ["a"]}
    first, second = texts_of(tmp_path / "a.jsonl", lines(good, {"words": value}))
    assert first.text == "a"
    assert re.search(said, second), second


ROWS = 'item,cond,n,word,rt\n1,a,1,The,310\n1,a,2,"keys,",250\n1,b,1,"""No""",400\n2,a,1,Ja,1\n2,a,2,!,2\n'


def test_a_word_a_row(tmp_path: Path) -> None:
    found = texts_of(tmp_path / "a.csv", ROWS, group=("item", "cond"))
    assert [(one.id, one.number, one.text) for one in found] == [
        ("1/a", 0, "The keys,"),
        ("1/b", 1, '"No"'),
        ("2/a", 2, "Ja !"),
    ]
    assert found[0].columns == {"item": "1", "cond": "a"}
    assert found[0].own == ({"n": "1", "rt": "310"}, {"n": "2", "rt": "250"})
    assert found[0].where.endswith("line 2")
    for data in (b"\xef\xbb\xbf" + ROWS.replace("\n", "\r\n").encode(), ROWS.replace(",", "\t").encode()):
        other = tmp_path / ("b.csv" if b"\xbf" in data else "b.tsv")
        assert [one.id for one in texts_of(other, data.replace(b'"keys\t"', b"keys,"), group=("item", "cond"))] == [
            one.id for one in found
        ]


def test_a_limit_counts_texts_and_cuts_none(tmp_path: Path) -> None:
    (one,) = texts_of(tmp_path / "a.csv", ROWS, group=("item", "cond"), limit=1)
    assert one.text == "The keys,"


@pytest.mark.parametrize(
    ("column", "cells"), [("space_after", "false,true,0,yes"), ("whitespace", ", ,,\u00a0"), ("gap", "no,1,NO,True")]
)
def test_a_column_says_what_follows_a_word(tmp_path: Path, column: str, cells: str) -> None:
    rows = "".join(f"1,{word},{cell}\n" for word, cell in zip("abcd", cells.split(","), strict=True))
    fields = {"space": column} if column == "gap" else {}
    (one,) = texts_of(tmp_path / "a.csv", f"item,word,{column}\n{rows}", group=("item",), fields=fields)
    assert (one.text, one.own[0]) == ("ab cd", {})
    assert one.after == ("\u00a0" if column == "whitespace" else " ")


def test_a_group_whose_words_cannot_all_be_read_fails_as_a_whole(tmp_path: Path) -> None:
    data = "item,word\n1,a\n1,NA\n2,b\n2,c,d\n2,e\n3,f\n4,g\n,h\n5,i\n6,j\n"
    found = texts_of(tmp_path / "a.csv", data, group=("item",))
    assert "line 3: column 'word' is NA; the row has no text there" in found[0]
    assert "line 5: number of values is 3" in found[1], "the line within it"
    assert found[2].text == "f"
    assert "column 'item' is empty" in found[3], "a row behind it, of which nobody knows whether it is its last"
    assert "column 'item' is empty" in found[4], "or the first of this"
    assert (found[5].text, len(found)) == ("j", 6)
    assert texts_of(tmp_path / "b.csv", "item,word\n1,NA\n", group=("item",), empty_cells="text")[0].text == "NA"
    (last,) = texts_of(tmp_path / "c.jsonl", '{"item": 1, "word": "a"}\nx\n', group=("item",))
    assert "line 2 is not JSON" in last


def test_groups_that_come_apart_are_refused(tmp_path: Path) -> None:
    data = "item,word\n1,a\n2,b\n1,c\n"
    with pytest.raises(InputError, match=r"line 4: the group item = '1' begins again .* sort the data, or name more"):
        texts_of(tmp_path / "a.csv", data, group=("item",))
    rows = [{"item": one, "word": "a"} for one in (1, 1.0, "1", True, "01")]
    with pytest.raises(InputError, match="the group item = '1'"):
        list(word_texts(dataset_in_memory([*rows, rows[0]], options=DataOptions()), WordTextOptions(group=("item",))))
    found = list(word_texts(dataset_in_memory(rows, options=DataOptions()), WordTextOptions(group=("item",))))
    assert [len(one.words or ()) for one in found if not isinstance(one, Problem)] == [3, 1, 1]


def test_a_group_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert MOST_WORDS >= 10_000
    monkeypatch.setattr("seqscore.evaluation.words.word_groups.MOST_WORDS", 3)
    with pytest.raises(InputError, match=r"begins at .*line 2 has more than 3 rows; --group"):
        texts_of(tmp_path / "a.csv", "item,word\n" + "1,a\n" * 4, group=("item",))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group": ("items",)}, "has no column 'items'"),
        ({}, "no column looks like the text .*name the columns that tell texts apart: --group"),
        ({"context_from": "passage"}, "needs the column that tells passages apart: --passage"),
        ({"passage": ("item",)}, "context_from='passage'"),
        ({"context_from": "story"}, "context_from='story' is unknown; expected one of sentence, passage"),
        ({"joiner": "-"}, "delimiter='-' must be"),
        ({"group": "item"}, "group='item' must name columns"),
        ({"group": ("item",), "fields": {"word": "n"}}, "no column 'n'"),
        ({"fields": {"words": "rt"}}, "no column 'rt'"),
        ({"context_from": "passage", "fields": {"context": "c"}}, "are two contexts"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_a_row_is_read(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    (tmp_path / "a.csv").write_text("item,word\n1,a\n")
    dataset = open_dataset([str(tmp_path / "a.csv")], options=DataOptions(notify=print))
    with pytest.raises((OptionError, InputError), match=said):
        word_texts(dataset, WordTextOptions(**options))
