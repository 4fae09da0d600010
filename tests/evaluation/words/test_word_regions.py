"""Texts in regions, a column each: their words, and which region each is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.tasks.regions import sentence_of
from seqscore.evaluation.words.word_data import WordTextOptions
from tests.evaluation.words.given import texts_of

REGIONS = ("subject", "verb", "rest")


def test_a_text_is_that_of_its_columns_and_each_word_names_its_region(tmp_path: Path) -> None:
    data = "item,subject,verb,rest,before\n1,The  keys,are, on the table.,Look!\n2,He,,left.,\n"
    one, two = texts_of(tmp_path / "a.csv", data, regions=REGIONS, fields={"context": "before"}, id_column="item")
    assert (one.text, one.words) == ("The  keys are on the table.", ("The", "keys", "are", "on", "the", "table."))
    assert [one.columns_at(place)["region"] for place in range(6)] == ["subject"] * 2 + ["verb"] + ["rest"] * 3
    assert (one.id, one.context, one.delimiter, two.context, two.text) == ("1", "Look!", "auto", None, "He left.")
    assert [two.columns_at(place) for place in range(2)] == [{"region": "subject"}, {"region": "rest"}]
    parts = [("subject", "The  keys"), ("verb", "are"), ("rest", " on the table.")]
    assert sentence_of(parts, " ")[0] == one.text  # as ``eval criteria`` reads it


@pytest.mark.parametrize(("joiner", "text"), [(" ", "猫 吃 鱼。"), ("auto", "猫吃鱼。"), ("", "猫吃鱼。")])
def test_what_stands_between_regions(tmp_path: Path, joiner: str, text: str) -> None:
    (one,) = texts_of(tmp_path / "a.csv", "subject,verb,rest\n猫,吃,鱼。\n", regions=REGIONS, joiner=joiner)
    assert (one.text, one.words) == (text, ("猫", "吃", "鱼。"))


def test_a_column_of_the_data_that_is_called_region_keeps_its_name(tmp_path: Path) -> None:
    (one,) = texts_of(tmp_path / "a.csv", "region,subject,verb,rest\nNorth,It,rained,.\n", regions=REGIONS)
    assert one.columns_at(0) == {"region": "North", "word_region": "subject"}


def test_rows_that_have_no_text_and_options_that_do_not_go_together(tmp_path: Path) -> None:
    empty, filled = texts_of(tmp_path / "a.csv", "subject,verb,rest\n, ,\nIt,,rained.\n", regions=REGIONS)
    assert "the regions subject, verb, rest are all empty" in empty
    assert filled.text == "It rained."
    with pytest.raises(InputError, match="no column 'verbs'"):
        texts_of(tmp_path / "a.csv", "subject,verb\nIt,rained.\n", regions=("subject", "verbs"))
    with pytest.raises(InputError, match="no column 'before'"):
        texts_of(tmp_path / "a.csv", "subject\nIt\n", regions=("subject",), fields={"context": "before"})
    with pytest.raises(OptionError, match="must name columns"):
        WordTextOptions(regions="subject")  # type: ignore[arg-type]
    for other in ({"group": ("item",)}, {"fields": {"text": "a"}}):
        with pytest.raises(OptionError, match="regions= are the columns that make a text"):
            WordTextOptions(regions=REGIONS, **other)  # type: ignore[arg-type]
