"""What stands beside a word: its length, its log-frequency, and the words before it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.words.frequencies import Frequencies
from seqscore.evaluation.words.spillover import Predictors, WordsBefore, check_columns


def added(before: WordsBefore, *words: str, **columns: list[Any]) -> list[dict[str, Any]]:
    return [
        before.added(
            word,
            {"surprisal": 10.0 * place, "surprisal_corrected": None if place == 1 else 9.0 * place},
            {name: values[place] for name, values in columns.items()},
        )
        for place, word in enumerate(words)
    ]


def test_the_words_before_in_a_text_and_null_at_its_beginning() -> None:
    before = WordsBefore(Predictors(spillover=2))
    for _ in range(2):
        before.begin()
        found = added(before, "The", "old", "keys,")
        assert [row["length"] for row in found] == [3, 3, 5]
        assert [row["surprisal_prev1"] for row in found] == [None, 0.0, 10.0]
        assert [row["surprisal_prev2"] for row in found] == [None, None, 0.0]
        assert [row["surprisal_corrected_prev1"] for row in found] == [None, 0.0, None]
        assert [row["length_prev1"] for row in found] == [None, 3, 3]


def test_the_words_before_go_on_through_a_passage() -> None:
    before = WordsBefore(Predictors(spillover=1))
    for passage, expected in ((("s",), None), (("s",), 10.0), (("t",), None), (None, None), (None, None)):
        before.begin(passage)
        assert added(before, "a", "b")[0]["surprisal_prev1"] == expected
    before.begin(("t",))
    added(before, "a")
    before.forget()
    before.begin(("t",))
    assert added(before, "a")[0]["surprisal_prev1"] is None, "behind a text that could not be scored"


def test_names_are_in_order_and_r_takes_them() -> None:
    how = Predictors(spillover=2, frequencies=Frequencies({"a": 5.0}), spillover_of=("rt",))
    before = WordsBefore(how)
    before.begin()
    found = added(before, "A", "b", rt=["300", "250"])
    assert tuple(found[0]) == how.names
    assert how.names[:3] == ("length", "log_frequency", "surprisal_prev1")
    assert all(name.isidentifier() for name in how.names)
    assert [row["log_frequency"] for row in found] == [math.log(5), None]
    assert (found[1]["log_frequency_prev1"], found[1]["rt_prev1"], found[1]["rt_prev2"]) == (math.log(5), "300", None)
    assert Predictors().names == ("length",)


def test_a_column_of_frequencies() -> None:
    before = WordsBefore(Predictors(spillover=1, frequency_column="freq", log_base="10"))
    before.begin()
    found = added(before, *"abcdefg", freq=["100", 10, "", None, 0, float("nan"), "NA"])
    assert [row["log10_frequency"] for row in found] == [2.0, 1.0, None, None, None, None, None]
    assert [row["log10_frequency_prev1"] for row in found][:3] == [None, 2.0, 1.0]
    for bad in ("many", -1, "1_0", "inf", "#REF!", [1]):
        with pytest.raises(InputError, match=r"column 'freq' is .* at the word 'x'; expected a number, 0 or more"):
            added(before, "x", freq=[bad])


def test_length_is_in_code_points() -> None:
    before = WordsBefore(Predictors())
    before.begin()
    assert [row["length"] for row in added(before, "e\u0301", "東京", "👍🏽", "ab.")] == [2, 2, 2, 3]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"spillover": -1}, "whole number of at least 0"),
        ({"spillover": 1.5}, "whole number"),
        ({"spillover": 21}, "at most 20"),
        ({"spillover_of": ("rt",)}, "say of how many with spillover=N"),
        ({"spillover_of": ("surprisal",), "spillover": 1}, "'surprisal' is a name of the scores' own columns"),
        ({"spillover_of": ("length",), "spillover": 1}, "'length' is a name of the scores' own columns"),
        ({"spillover_of": ("log10_frequency",), "spillover": 1}, "rename the column of the data"),
        ({"frequencies": Frequencies({}), "frequency_column": "f"}, "choose one"),
        ({"log_base": "2"}, "log_base='2' is unknown"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Predictors(**options)


def test_columns_that_are_not_there() -> None:
    check_columns(Predictors(frequency_column="f", spillover=1, spillover_of=("rt",)), ["f", "rt"])
    for options in ({"frequency_column": "f"}, {"spillover": 1, "spillover_of": ("f",)}):
        with pytest.raises(OptionError, match="there is no column 'f'; the columns of the words are rt"):
            check_columns(Predictors(**options), ["rt"])  # type: ignore[arg-type]
