from __future__ import annotations

import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.gold import choice_texts, gold_index
from seqscore.evaluation.tasks.registry import guess_fields


@pytest.mark.parametrize(
    ("task", "columns", "expected"),
    [
        ("perplexity", "text", {"text": "text"}),
        ("perplexity", "id sentence source", {"text": "sentence"}),
        ("perplexity", "context continuation", {"text": "continuation", "context": "context"}),
        ("perplexity", "prompt completion", {"text": "completion", "context": "prompt"}),
        ("perplexity", "context text", {"text": "text"}),
        ("filter", "url content", {"text": "content"}),
        ("pairs", "sentence_good sentence_bad UID", {"good": "sentence_good", "bad": "sentence_bad", "group": "UID"}),
        (
            "pairs",
            "prefix_acceptable prefix_unacceptable property_phrase property",
            {
                "context_good": "prefix_acceptable",
                "context_bad": "prefix_unacceptable",
                "continuation": "property_phrase",
            },
        ),
        ("pairs", "prompt chosen rejected", {"good": "chosen", "bad": "rejected", "context": "prompt"}),
        ("choices", "query choices gold", {"query": "query", "choices": "choices", "gold": "gold"}),
        ("choices", "question choices answerKey", {"query": "question", "choices": "choices", "gold": "answerKey"}),
        ("choices", "ctx endings label", {"query": "ctx", "choices": "endings", "gold": "label"}),
        (
            "choices",
            "context_options continuation gold",
            {"contexts": "context_options", "continuation": "continuation", "gold": "gold"},
        ),
        ("nbest", "reference nbest scores", {"reference": "reference", "hypotheses": "nbest", "scores": "scores"}),
        ("nbest", "ref hyps", {"reference": "ref", "hypotheses": "hyps"}),
    ],
)
def test_guesses(task: str, columns: str, expected: dict[str, str]) -> None:
    found = guess_fields(task, columns.split())
    assert dict(found.columns) == expected
    assert found.guessed == set(expected)


def test_named_fields_win_and_are_not_called_guesses() -> None:
    found = guess_fields("pairs", ["good", "bad", "x", "y"], {"good": "x", "bad": "good"})
    assert dict(found.columns) == {"good": "x", "bad": "good"}
    assert found.describe() == "good = 'x', bad = 'good'"
    assert guess_fields("pairs", ["good", "bad"]).describe() == "good = 'good' (guessed), bad = 'bad' (guessed)"
    assert dict(guess_fields("perplexity", ["text", "before"], {"context": "before"}).columns) == {
        "text": "text",
        "context": "before",
    }


@pytest.mark.parametrize(
    ("task", "columns", "given", "said"),
    [
        (
            "perplexity",
            "a b",
            {},
            r"no column looks like the text .* name it: --field text=COLUMN, in Python "
            r"fields=\{.text.: .COLUMN.\}. The columns are a",
        ),
        ("perplexity", "text sentence", {}, "several columns may be the text: text, sentence"),
        ("choices", "query choices gold label", {}, "several columns may be the gold: gold, label"),
        ("pairs", "good bad", {"good": "best"}, "no column 'best' for good; the columns are good, bad"),
        ("pairs", "good bad", {"text": "good"}, "has no field 'text'; its fields are context_good, context_bad"),
        ("rank", "good bad", {}, "task 'rank' is unknown"),
    ],
)
def test_what_cannot_be_guessed(task: str, columns: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        guess_fields(task, columns.split(), given)


CHOICES = ["red", "green", "3", "blue"]


@pytest.mark.parametrize(
    ("value", "labels", "index"),
    [
        (0, None, 0),
        (3, None, 3),
        ("1", None, 1),
        (" 2 ", None, 2),
        ("B", None, 1),
        ("blue", None, 3),
        ("1", ["1", "2", "3", "4"], 0),
        ("4", ["1", "2", "3", "4"], 3),
        ("D", ["A", "B", "C", "D"], 3),
    ],
)
def test_gold(value: object, labels: list[str] | None, index: int) -> None:
    assert gold_index(value, CHOICES, labels, where="row 0", column="gold") == index


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (4, "is 4, expected a number from 0 to 3"),
        (-1, "is -1, expected"),
        (True, "got True"),
        (1.5, "got 1.5"),
        (None, "got null"),
        ("E", "names no choice"),
        ("", "names no choice"),
        ("3", "may mean several"),
        ("9" * 10, "names no choice"),
    ],
)
def test_gold_that_names_no_choice(value: object, said: str) -> None:
    with pytest.raises(InputError, match=f"row 0: column 'gold' .*{said}"):
        gold_index(value, CHOICES, None, where="row 0", column="gold")


def test_choices_as_lists_and_with_labels() -> None:
    assert choice_texts(["a", "b"], where="r", column="c") == (("a", "b"), None)
    assert choice_texts({"text": ["a", "b"], "label": ["1", 2]}, where="r", column="c") == (("a", "b"), ("1", "2"))


@pytest.mark.parametrize("value", [None, "ab", ["a"], [], ["a", 1], {"text": ["a", "b"], "label": ["A"]}, {"text": 1}])
def test_choices_of_other_forms_are_errors(value: object) -> None:
    with pytest.raises(InputError, match="r: column 'c'"):
        choice_texts(value, where="r", column="c")
