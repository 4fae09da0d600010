"""Tokens of words, by the byte at which a token begins."""

from __future__ import annotations

import numpy as np
import pytest

from seqscore.text.segmentation import segmentation_of, words_at
from seqscore.text.word_tokens import NO_TOKEN, PlacedWords, tokens_of


def spans_of(*pieces: str | bytes) -> tuple[np.ndarray, np.ndarray]:
    widths = [len(piece.encode() if isinstance(piece, str) else piece) for piece in pieces]
    ends = np.cumsum(widths)
    return ends - widths, ends


@pytest.mark.parametrize(
    ("pieces", "words", "firsts", "lasts", "split", "borders"),
    [
        (["The", " cat", " s", "at"], "space", [0, 1, 2], [1, 2, 4], [], [0, 1, 2, 4]),
        (["a", "\n", "b", " "], "space", [0, 1], [1, 4], [], [0, 1, 3]),
        ([" ", "a", " b"], "space", [0, 2], [2, 3], [], [0, 2, 3]),
        (["a.\n", "b"], "space", [0, 1], [1, 2], [0, 1], [0, NO_TOKEN, 2]),
        (["a b", " c"], "space", [0, 1, 1], [1, 1, 2], [0, 1], [0, NO_TOKEN, 1, 2]),
        (["a", "b "], "space", [0], [2], [], [0, NO_TOKEN]),
        (["日本", "語"], "[日本語]", [0, 1, 1], [1, 1, 2], [0, 1], [0, NO_TOKEN, 1, 2]),
        (["日".encode()[:2], "日".encode()[2:] + "本".encode()], "[日本]", [0, 2], [2, 2], [0, 1], [0, NO_TOKEN, 2]),
        (["", "a", "", " b"], "space", [0, 2], [2, 4], [], [0, 2, 4]),
    ],
)
def test_a_token_belongs_to_the_word_of_its_first_byte(
    pieces: list[str | bytes], words: str, firsts: list[int], lasts: list[int], split: list[int], borders: list[int]
) -> None:
    text = b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces).decode()
    placed = PlacedWords(segmentation_of(words).words(text), text)
    found = tokens_of(placed, *spans_of(*pieces))
    assert (found.firsts.tolist(), found.lasts.tolist()) == (firsts, lasts)
    assert np.flatnonzero(found.split).tolist() == split
    assert found.borders.tolist() == borders


def test_words_behind_a_context() -> None:
    text = "So the cat"
    words = words_at("the cat", [(0, 3), (4, 7)])
    found = tokens_of(PlacedWords(words, text, offset=3, begin=2), *spans_of("So", " the", " cat"), first=1)
    assert (found.firsts.tolist(), found.lasts.tolist()) == ([1, 2], [2, 3])
    assert found.borders.tolist() == [1, 2, 3] and not found.split.any()
    over = tokens_of(PlacedWords(words, text, offset=3, begin=2), *spans_of("So th", "e", " cat"), first=0)
    assert over.split.tolist() == [True, False] and over.borders.tolist() == [NO_TOKEN, 2, 3]


def test_no_words_have_no_tokens() -> None:
    found = tokens_of(PlacedWords(words_at(" ", []), " "), *spans_of(" "))
    assert len(found.firsts) == 0 and len(found.split) == 0
