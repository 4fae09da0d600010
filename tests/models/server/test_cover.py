"""Tokens that a server reports, laid over the text: what covers it, and what does not."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqscore.errors import ServerError
from seqscore.models.server.cover import text_values
from seqscore.models.server.reported import Likely, Reported, values_of


def reported(texts: Sequence[str], *, first: float | None = None, offsets: Sequence[int] | None = None) -> Reported:
    logprobs = [first, *(-float(place) for place in range(1, len(texts)))]
    return Reported(logprobs=logprobs, texts=texts, offsets=offsets)


def spans(text: str, told: Reported) -> tuple[list[int], bool, int]:
    """Bounds in bytes, whether exact, and the first token with a value."""
    found = text_values(text, told)
    starts, ends = found.encoded.starts.tolist(), found.encoded.ends.tolist()
    assert starts[1:] == ends[:-1] and starts[0] == 0 and ends[-1] == len(text.encode())
    assert len(found.values.logprobs) == len(starts) - found.first
    return [*starts, ends[-1]], found.encoded.exact, found.first


@pytest.mark.parametrize(
    ("text", "texts", "expected"),
    [
        ("ab c", ["ab", " c"], ([0, 2, 4], True, 1)),
        ("ab c", ["ab", " c", "!"], ([0, 2, 4], True, 1)),  # one that was written behind
        ("ab c", ["<s>", "ab", " c", "!"], ([0, 2, 4], True, 0)),  # one in front
        ("ab c", [" ab", " c", "!"], ([0, 2, 4], True, 1)),  # SentencePiece's space in front
        ("größer", ["gr", "ö", "ßer"], ([0, 2, 4, 8], True, 1)),
        ("日本", ["日", "", "本"], ([0, 3, 3, 6], False, 1)),
        ("aa", ["a", "a", "a"], ([0, 1, 2], True, 1)),
    ],
)
def test_texts_of_tokens_that_follow_one_another(
    text: str, texts: list[str], expected: tuple[list[int], bool, int]
) -> None:
    assert spans(text, reported(texts)) == expected


@pytest.mark.parametrize(
    ("text", "texts", "offsets", "expected"),
    [
        ("a日本", ["a", "", "", "本", "x"], [0, 1, 1, 2, 3], ([0, 1, 1, 4, 7], False, 1)),
        ("a日", ["a", "\ufffd", "\ufffd"], [0, 1, 1], ([0, 1, 1, 4], False, 1)),
        ("a日", ["<s>", "a", "", "", "x"], [0, 3, 4, 4, 5], ([0, 1, 1, 4], False, 0)),
        ("a日", [" a", "", "", "x"], [0, 2, 2, 3], ([0, 1, 1, 4], False, 1)),
    ],
)
def test_tokens_that_begin_where_the_server_says(
    text: str, texts: list[str], offsets: list[int], expected: tuple[list[int], bool, int]
) -> None:
    assert spans(text, reported(texts, offsets=offsets)) == expected


@pytest.mark.parametrize(
    ("text", "texts", "offsets"),
    [
        ("ab c", ["ab", "c"], None),  # a space is lost
        ("ab c", ["ab", " c", "!", "?"], None),  # more was written than may be
        ("ab c", ["<s>", "<s>", "ab", " c"], None),
        ("ab c", ["ab"], None),
        ("ab c", ["ab", " d"], [0, 2]),  # another token stands there
        ("日ab", ["", "", "ab"], [0, 1, 0]),  # goes back
        ("a日", ["a", "", "", "x", "y"], [0, 1, 1, 2, 2]),
        ("hide <x> it", ["hide", " ", " it", "."], [0, 4, 5, 8]),  # a special token was read, and has no text
    ],
)
def test_what_does_not_cover_a_text_is_an_error(text: str, texts: list[str], offsets: list[int] | None) -> None:
    with pytest.raises(ServerError, match="do not cover the text"):
        text_values(text, reported(texts, offsets=offsets))


def test_a_value_at_the_first_token_needs_none_in_front() -> None:
    found = text_values("ab", Reported(logprobs=[-1.0, -2.0], texts=["a", "b"]))
    with_null = text_values("ab", reported(["a", "b"]))
    assert with_null.first == 1
    assert found.first == 0 and found.values.logprobs.tolist() == [-1.0, -2.0]


@settings(max_examples=30)
@given(st.text(st.sampled_from("aß日 🙂\n"), min_size=1, max_size=12), st.data())
def test_any_cut_of_a_text_is_found_again(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text)), max_size=5)) - {len(text)})
    bounds = [0, *cuts, len(text)]
    texts = [text[begin:end] for begin, end in pairwise(bounds)]
    in_bytes = [len(text[:bound].encode()) for bound in bounds]
    for written in ([], ["z"]):
        assert spans(text, reported([*texts, *written])) == (in_bytes, True, 1)
    assert spans(text, reported(["<s>", *texts])) == (in_bytes, True, 0)


def test_tokens_without_ids_have_the_checksum_of_their_text() -> None:
    ids = text_values("ab ab", reported(["ab", " ", "ab"])).encoded.ids
    assert ids.tolist() == [zlib.crc32(b"ab"), zlib.crc32(b" "), zlib.crc32(b"ab")]


def test_greedy_is_known_where_the_most_probable_token_is() -> None:
    def greedy(best: list[tuple[str, float] | None]) -> list[bool] | None:
        tops = [None if one is None else [Likely(one[1], None, one[0])] for one in best]
        found = values_of(Reported(logprobs=[None, -1.0, -2.0], texts=["a", "b", "c"], tops=tops), 1, 3).greedy
        return None if found is None else found.tolist()

    assert greedy([None, ("x", -0.5), ("c", -2.0)]) == [False, True]
    assert greedy([None, None, ("c", -2.0)]) is None
    assert greedy([None, ("", -0.5), ("c", -2.0)]) == [False, True]
    assert greedy([None, ("", -1.0), ("c", -2.0)]) is None  # which of those without a text it is cannot be told
    assert greedy([None, ("\ufffd", -1.0), ("c", -2.0)]) is None
    assert not np.isnan(values_of(Reported(logprobs=[None, float("-inf")]), 1, 2).logprobs).any()
