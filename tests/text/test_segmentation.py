"""Where words stand: by white space, by Unicode's rules, by a pattern; and that nothing of a text is left out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqscore.errors import InputError, OptionError
from seqscore.text.segmentation import segmentation_of, words_at


def parts(text: str, words: str) -> list[str]:
    """The stretch of text that each word has."""
    found = segmentation_of(words).words(text)
    data, bounds = text.encode(), found.bounds.tolist()
    return [data[a:b].decode() for a, b in pairwise(bounds)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The keys, to", ["The", "keys,", "to"]),
        ("  a\tb \n", ["a", "b"]),
        ("a\u00a0b\u3000c", ["a", "b", "c"]),
        ("a\u200bb", ["a\u200bb"]),
        ("naïve 😀 日本", ["naïve", "😀", "日本"]),
        ("e\u0301te\u0301 x", ["e\u0301te\u0301", "x"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_words_by_white_space(text: str, words: list[str]) -> None:
    found = segmentation_of("space").words(text)
    assert list(found.texts) == words == text.split()
    data = text.encode()
    for i, word in enumerate(words):
        assert text[found.char_starts[i] : found.char_ends[i]] == word
        assert data[found.starts[i] : found.ends[i]].decode() == word


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我们今天去北京大学。", ["我们", "今天", "去", "北京", "大学", "。"]),
        ("今日は天気がいいですね", ["今日", "は", "天気", "が", "いい", "です", "ね"]),
        ("ประเทศไทยสวยงาม", ["ประเทศไทย", "สวยงาม"]),
        ("The cat's mat, 3.14.", ["The", "cat's", "mat", ",", "3.14", "."]),
        ("他说hello😀world 👨\u200d👩\u200d👧!", ["他", "说", "hello", "😀", "world", "👨\u200d👩\u200d👧", "!"]),
        ("e\u0301te\u0301\u00a0b", ["e\u0301te\u0301", "b"]),
        (" ", []),
    ],
)
def test_words_by_the_rules_of_unicode(text: str, words: list[str]) -> None:
    segmentation = segmentation_of("unicode")
    assert list(segmentation.words(text).texts) == words
    assert segmentation.name.startswith("unicode/icu-") and not segmentation.sets_apart


def test_what_stands_between_words_belongs_to_one_of_them() -> None:
    assert parts("(The cat, (dog) ran!?  ", r"\w+") == ["(The", " cat,", " (dog)", " ran!?  "]
    assert parts("cat-dog", r"\w+") == ["cat-", "dog"]
    assert parts("a  b ", "space") == ["a", "  b "]
    assert segmentation_of(r"\w+").words("ran!? (so) ").stop == len("ran!? (so)")


@given(st.text("aé日 \n.,😀\u3000", max_size=30), st.sampled_from(["space", "unicode", r"\w+", "[a日]"]))
def test_parts_cover_a_text_in_order(text: str, words: str) -> None:
    try:
        found = parts(text, words)
    except InputError as error:
        assert not text.isspace() and "no word was found" in str(error)
        return
    assert "".join(found) == text or not found
    assert all(found) and (found or not text.strip())


@pytest.mark.parametrize("words", ["spaces", "", "\u0061", "[a", "a*", "(?:)", "unicod-e"])
def test_what_is_no_way_to_find_words_is_refused(words: str) -> None:
    with pytest.raises(OptionError, match="words="):
        segmentation_of(words)


def test_a_pattern_stands_in_the_name() -> None:
    assert segmentation_of("[a-z]+").name == "regex/[a-z]+"
    assert segmentation_of("space").name == "space"


def test_words_that_are_given_places_keep_them() -> None:
    found = words_at("ab c", [(0, 1), (1, 4)])
    assert found.texts == ("a", "b c") and found.bounds.tolist() == [0, 1, 4]
