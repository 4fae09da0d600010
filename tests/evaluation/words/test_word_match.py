"""Which words are the same, and what is said of two that are not."""

from __future__ import annotations

import unicodedata

import pytest

from seqscore.evaluation.words.word_match import difference, letters_of, same_word

NFD = unicodedata.normalize("NFD", "élève")


@pytest.mark.parametrize(
    ("one", "other", "said", "loose"),
    [
        ("élève", NFD, "another Unicode normal form: NFC and NFD", True),
        ("keys", "key's", "differ in punctuation", True),
        ("keys.", "keys", "differ in punctuation", True),
        ("Keys", "keys", "differ in case", True),
        ("STRASSE", "straße", "differ in case", True),
        ("ke\u200bys", "keys", "are not seen: U+200B and none", True),
        ("New\u00a0York", "New York", "another width: U+00A0 and ASCII", True),
        ("New\u2028York", "New York", "are not seen: U+2028 and U+0020", True),
        ("\ufeffkeys", "keys", "are not seen: U+FEFF and none", True),
        ("key", "keys", "", False),
        ("ﬁne", "fine", "such as a ligature or another width: U+FB01 and ASCII", True),
        ("it's", "it’s", "differ in punctuation", True),
        ("!", "?", "", False),
        ("कि", "की", "", False),
    ],
)
def test_differences_that_are_not_easily_seen(one: str, other: str, said: str, loose: bool) -> None:
    for a, b in ((one, other), (other, one)):
        assert bool(said) is bool(difference(a, b))
        assert not same_word(a, b, "exact")
        assert same_word(a, b, "letters") is loose
    assert said in difference(one, other)


def test_the_same_word_is_the_same_in_both_ways() -> None:
    for word in ("keys", "!", "", NFD, "東京"):
        assert same_word(word, word, "exact")
        assert same_word(word, word, "letters")
    assert letters_of("«Straße»,") == "strasse"
    assert letters_of("--") == "--"
