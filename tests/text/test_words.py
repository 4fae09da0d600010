"""Words as runs of tokens."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqscore.text.words import word_spans


def split(text: str, *pieces: str) -> list[tuple[str, int, int]]:
    assert "".join(pieces) == text
    ends = np.cumsum([len(piece.encode()) for piece in pieces])
    starts = np.concatenate([[0], ends[:-1]])
    return [(word.text, word.first_token, word.last_token) for word in word_spans(text, starts, ends)]


def test_leading_white_space_goes_with_the_word_behind_it() -> None:
    assert split("The quick fox", "The", " qu", "ick", " fox") == [("The", 0, 1), ("quick", 1, 3), ("fox", 3, 4)]


def test_a_token_of_white_space_goes_with_the_word_behind_it_and_at_the_end_with_the_last() -> None:
    assert split("a  \n b \n", "a", "  ", "\n", " b", " \n") == [("a", 0, 1), ("b", 1, 5)]


def test_a_token_over_two_words_joins_them() -> None:
    assert split("of the cat", "of the", " c", "at") == [("of the", 0, 1), ("cat", 1, 3)]


def test_split_characters() -> None:
    data = "日 本".encode()
    ends = np.array([1, 3, 4, 6, 7])
    starts = np.array([0, 1, 3, 4, 6])
    words = word_spans(data.decode(), starts, ends)
    assert [(word.text, word.begin, word.end, word.first_token, word.last_token) for word in words] == [
        ("日", 0, 3, 0, 2),
        ("本", 4, 7, 2, 5),
    ]


def test_no_words() -> None:
    assert split(" \n", " ", "\n") == []
    assert split("") == []


@given(st.lists(st.text(alphabet="ab 日\n", min_size=1, max_size=4), max_size=12))
def test_every_token_belongs_to_one_word_and_words_hold_their_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    ends = np.cumsum([len(piece.encode()) for piece in pieces], dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64) if pieces else ends
    words = word_spans(text, starts, ends)
    assert bool(words) == bool(text.split())
    if words:
        assert [t for word in words for t in range(word.first_token, word.last_token)] == list(range(len(pieces)))
    assert [part for word in words for part in word.text.split()] == text.split()
    for word in words:
        assert text.encode()[word.begin : word.end].decode() == word.text
