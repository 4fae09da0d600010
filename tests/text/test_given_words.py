"""Words that are given: found in their text, or refused at the first that is not there."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from seqscore.errors import InputError
from seqscore.text.given_words import GivenWords, find_words
from seqscore.text.items import Pair


@pytest.mark.parametrize(
    ("words", "text", "spans"),
    [
        (["The", "keys", "."], "The keys.", [(0, 3), (4, 8), (8, 9)]),
        (["New York", "slept"], " New York\tslept \n", [(1, 9), (10, 15)]),
        (["我们", "去", "北京"], "我们去北京", [(0, 2), (2, 3), (3, 5)]),
        ([" a", "b"], "  a b", [(2, 3), (4, 5)]),
        (["The ", "\tkeys\n"], "The keys ", [(0, 3), (4, 8)]),
        (["我们\u3000", "去"], "我们去", [(0, 2), (2, 3)]),
    ],
)
def test_words_are_found_in_order(words: list[str], text: str, spans: list[tuple[int, int]]) -> None:
    assert find_words(words, text) == spans
    assert GivenWords(words, text=text).spans() == spans


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        (["The", "key", "to"], "The keys to", "word 3, 'to', is not where it should be: the text has 's to' at"),
        (["The", "keys"], "The, keys", "word 2, 'keys', .* the text has ', keys' at character 3"),
        (["The", "end", "is"], "The end", "word 3, 'is', is not where it should be: the text has ended"),
        (["The"], "The end", "behind the last word, 'The', the text goes on with 'end'"),
        (["caf\u00e9"], unicodedata.normalize("NFD", "caf\u00e9"), "another Unicode normal form"),
        (["a"], "", "word 1, 'a', .* the text has ended"),
    ],
)
def test_the_first_word_that_is_not_there_is_named(words: list[str], text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_words(words, text)


def test_a_text_is_made_of_words() -> None:
    assert GivenWords(("a", "b.")).item() == "a b."
    assert GivenWords(["日", "本"], joiner="").item() == "日本"
    assert GivenWords(["a"], context="So", delimiter=" ").item() == Pair("So", "a", delimiter=" ")
    assert GivenWords(["a"], text="a ", context="").item() == Pair("", "a ")


@pytest.mark.parametrize(
    "arguments",
    [
        {"words": "abc"},
        {"words": []},
        {"words": ["a", ""]},
        {"words": ["a", " "]},
        {"words": ["a", None]},
        {"words": {"a"}},
        {"words": ["a"], "joiner": "-"},
    ],
)
def test_what_is_no_list_of_words_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"word|joiner"):
        GivenWords(**arguments)
