from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqscore.text.codec.spans import (
    Spans,
    byte_positions,
    decoded_spans,
    joined_spans,
    last_token_spans,
    replaced_spans,
    walked_spans,
)

MARKER = "▁".encode()
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text("a ▁é日😀\n")


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(a, len(data)) for a in at), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def slices(spans: Spans | None, data: bytes) -> list[bytes]:
    assert spans is not None
    edges = spans.bounds.tolist()
    assert edges[0] == 0
    assert edges[-1] == len(data)
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(TEXTS, st.lists(st.integers(0, 40)))
def test_joined_spans_are_the_pieces(text: str, at: list[int]) -> None:
    data = text.encode()
    pieces = cut(data, at)
    spans = joined_spans(pieces, data)
    assert slices(spans, data) == pieces
    assert spans is not None
    assert spans.exact
    assert spans.bounds.dtype == np.int64


@given(TEXTS, st.lists(st.integers(0, 40)))
def test_joined_spans_leave_out_one_dummy_space(text: str, at: list[int]) -> None:
    data = text.encode()
    pieces = cut(b" " + data, at)
    assert b"".join(slices(joined_spans(pieces, data), data)) == data
    taken = [len(piece) for piece in slices(joined_spans(pieces, data), data)]
    first = next(index for index, piece in enumerate(pieces) if piece)
    assert taken == [len(piece) - (index == first) for index, piece in enumerate(pieces)]
    assert joined_spans([b" ", *pieces], data) is None  # two spaces are one too many


@given(TEXTS, st.lists(st.integers(0, 40)))
def test_joined_spans_read_a_marker_as_a_space(text: str, at: list[int]) -> None:
    characters = [character.encode() for character in text]
    written = [b" " if character == MARKER else character for character in characters]
    spans = joined_spans(written, text.encode(), marker=MARKER)
    assert slices(spans, text.encode()) == characters
    assert (joined_spans(written, text.encode()) is None) == ("▁" in text)


@pytest.mark.parametrize(
    ("pieces", "text"), [([b"a"], "b"), ([b"a"], "ab"), ([b"ab"], "a"), ([b"\ta"], "a"), ([], "a"), ([b"a "], "a")]
)
def test_joined_spans_refuse_other_bytes(pieces: list[bytes], text: str) -> None:
    assert joined_spans(pieces, text.encode()) is None


@pytest.mark.parametrize(
    ("text", "pieces", "expected", "exact"),
    [
        ("the cat", [b"the", b"cat"], ["the", " cat"], True),
        ("  the \n cat  ", [b"the", b"cat"], ["  the", " \n cat  "], True),
        ("  the  cat", [b" the", b" cat"], ["  the", "  cat"], True),
        ("<s>the cat", [b"<s>", b" the", b" cat"], ["<s>", "the", " cat"], True),  # a space after a special token
        ("a12", [b" a", b" 1", b" 2"], ["a", "1", "2"], True),
        ("a 1", [b" a", b" ", b" 1"], ["a", " ", "1"], False),  # which of the two tokens has the space?
        ("日本 x", ["日".encode()[:1], "日".encode()[1:] + "本".encode(), b"x"], None, True),
        ("a▁b", [b" a", b" b"], ["a", "▁b"], True),
        ("", [b" "], [""], True),
    ],
)
def test_walked_spans(text: str, pieces: list[bytes], expected: list[str] | None, exact: bool) -> None:
    spans = walked_spans(pieces, text.encode(), marker=MARKER)
    assert spans is not None
    assert spans.exact is exact
    found = slices(spans, text.encode())
    if expected is not None:
        assert [piece.decode() for piece in found] == expected
    else:
        assert found == [*pieces[:2], b" x"]


@pytest.mark.parametrize(("pieces", "text"), [([b"the"], "The"), ([b"a"], "ab"), ([b"b"], "ab"), ([b"\n"], "a")])
def test_walked_spans_refuse_other_text(pieces: list[bytes], text: str) -> None:
    assert walked_spans(pieces, text.encode()) is None


@given(TEXTS)
def test_byte_positions(text: str) -> None:
    assert byte_positions(text.encode()).tolist() == [len(text[:i].encode()) for i in range(len(text) + 1)]


@given(st.lists(st.binary(max_size=6), max_size=6))
def test_replaced_spans(pieces: list[bytes]) -> None:
    text, spans = replaced_spans(pieces)
    data = text.encode()
    found = slices(spans, data)
    joined = b"".join(pieces)
    try:
        assert (text, found, spans.exact) == (joined.decode(), pieces, True)
    except UnicodeDecodeError:
        assert not spans.exact
        for piece, mine in zip(pieces, found, strict=True):
            # every stray byte became the three of U+FFFD, in the token that holds it
            extra = len(mine) - len(piece)
            assert extra >= 0
            assert extra % 2 == 0
    valid = joined.decode("utf-8", "ignore")
    assert "".join(c for c in text if c != "\ufffd") == "".join(c for c in valid if c != "\ufffd")


def test_replaced_spans_keep_a_true_replacement_character() -> None:
    text, spans = replaced_spans([b"\xef\xbf", b"\xbd", b"\xff"])
    assert text == "\ufffd\ufffd"
    assert spans.bounds.tolist() == [0, 2, 3, 6]


def test_last_token_spans() -> None:
    assert last_token_spans(3, 7).bounds.tolist() == [0, 0, 0, 7]
    assert last_token_spans(0, 0).bounds.tolist() == [0]
    assert not last_token_spans(3, 7).exact


class Decoder:
    """Decodes tokens that are bytes; counts how many tokens it was given."""

    def __init__(self, pieces: list[bytes], *, strip: bool = False) -> None:
        self.pieces, self.strip, self.given = pieces, strip, 0

    def __call__(self, ids: Sequence[int]) -> str:
        self.given += len(ids)
        text = b"".join(self.pieces[i] for i in ids).decode("utf-8", "replace")
        return text.removeprefix(" ") if self.strip else text


@given(TEXTS, st.lists(st.integers(0, 40)), st.booleans())
def test_decoded_spans(text: str, at: list[int], strip: bool) -> None:
    data = text.encode()
    pieces = [piece for piece in cut(b" " * strip + data, at) if piece]
    spans = decoded_spans(text, range(len(pieces)), Decoder(pieces, strip=strip))
    found = slices(spans, data)
    assert b"".join(found) == data
    if spans.exact and not strip and "\ufffd" not in text:
        assert found == pieces
    if text.isascii() and not strip and not any(c.isspace() for c in text):
        assert spans.exact


def test_decoded_spans_give_a_split_character_to_its_last_token() -> None:
    pieces = [b"a", "日".encode()[:1], "日".encode()[1:2], "日".encode()[2:] + b"b", b"c"]
    spans = decoded_spans("a日bc", range(5), Decoder(pieces))
    assert [piece.decode() for piece in slices(spans, "a日bc".encode())] == ["a", "", "", "日b", "c"]
    assert not spans.exact


def test_decoded_spans_give_dropped_white_space_to_the_token_that_follows() -> None:
    spans = decoded_spans(" a \n b ", range(2), Decoder([b"a", b" b"]))
    assert slices(spans, b" a \n b ") == [b" a", b" \n b "]
    assert spans.exact


def test_decoded_spans_find_their_way_after_an_unknown_token() -> None:
    pieces = [b"a", b"<unk>", b" c", b" d"]
    spans = decoded_spans("a zebra c d", range(4), Decoder(pieces), unknown=1)
    assert slices(spans, b"a zebra c d") == [b"a", b" zebra", b" c", b" d"]
    assert not spans.exact


def test_decoded_spans_keep_an_unknown_token_apart_from_a_split_character() -> None:
    pieces = [b"a", b"<unk>", "日".encode()[:1], "日".encode()[1:]]
    spans = decoded_spans("a zebra日", range(4), Decoder(pieces), unknown=1)
    assert slices(spans, "a zebra日".encode()) == [b"a", b" zebra", b"", "日".encode()]


def test_decoded_spans_find_white_space_after_an_unknown_token() -> None:
    pieces = [b"<unk>", b" ", b"a"]
    spans = decoded_spans("zebra  a", range(3), Decoder(pieces), unknown=0)
    assert slices(spans, b"zebra  a") == [b"zebra", b" ", b" a"]


def test_decoded_spans_stop_where_the_text_differs() -> None:
    pieces = [b"a", b"b", b"x", b"d", *[b"e"] * 30]
    text = "abcd" + "e" * 30
    found = slices(decoded_spans(text, range(len(pieces)), Decoder(pieces)), text.encode())
    assert found[:2] == [b"a", b"b"]
    assert found[2:-1] == [b""] * (len(pieces) - 3)
    assert found[-1] == text[2:].encode()


def test_decoded_spans_of_a_text_that_goes_on() -> None:
    spans = decoded_spans("a bc ", range(1), Decoder([b"a"]))
    assert (spans.bounds.tolist(), spans.exact) == ([0, 5], False)
    assert decoded_spans("a \n", range(1), Decoder([b"a"])).exact


def test_decoded_spans_do_not_search_for_ever() -> None:
    decoder = Decoder([b"x"] * 2000)
    decoded_spans("a" * 2000, range(2000), decoder)
    assert decoder.given < 200


def test_decoded_spans_are_linear() -> None:
    pieces = [c.encode() for c in "日本 the" * 500]
    decoder = Decoder(pieces)
    assert decoded_spans("日本 the" * 500, range(len(pieces)), decoder).exact
    assert decoder.given <= 4 * len(pieces)
