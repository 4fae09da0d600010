from __future__ import annotations

import itertools

import pytest

from seqscore.text.codec.offsets import offset_spans

MARKER = "▁".encode()
ACUTE = "e\u0301"  # é as two characters
CHARACTER = "日".encode()

CASES = {
    "plain": ("ab", [(0, 1), (1, 2)], [b"a", b"b"], ["a", "b"], True),
    "dropped spaces follow": (" a  b ", [(1, 2), (4, 5)], [b"a", b"b"], [" a", "  b "], True),
    "wide spaces too": ("a\u3000b", [(0, 1), (2, 3)], [b"a", b"b"], ["a", "\u3000b"], True),
    "trimmed offsets": ("a b", [(0, 1), (2, 3)], [b"a", b" b"], ["a", " b"], True),
    "lower case": ("Ab", [(0, 1), (1, 2)], [b"a", b"b"], ["A", "b"], True),
    "compatibility form": ("ﬁx", [(0, 1), (1, 2)], [b"fi", b"x"], ["ﬁ", "x"], True),
    "composed, mark left over": (ACUTE + "x", [(0, 1), (2, 3)], ["é".encode(), b"x"], [ACUTE, "x"], True),
    "mark stripped": (ACUTE + " x", [(0, 1), (3, 4)], [b"e", b"x"], [ACUTE, " x"], True),
    "mark at the end": ("x" + ACUTE, [(0, 1), (1, 2)], [b"x", b"e"], ["x", ACUTE], True),
    "control character dropped": ("a\x00b", [(0, 1), (2, 3)], [b"a", b"b"], ["a\x00", "b"], False),
    "control character in front": ("\x00a", [(1, 2)], [b"a"], ["\x00a"], False),
    "control character at the end": ("a\x00", [(0, 1)], [b"a"], ["a\x00"], False),
    "within one token": ("a\x00b", [(0, 3)], [b"ab"], ["a\x00b"], True),
    "one character, three tokens": (
        "x日",
        [(0, 1), (1, 2), (1, 2), (1, 2)],
        [b"x", CHARACTER[:1], CHARACTER[1:2], CHARACTER[2:]],
        [b"x", CHARACTER[:1], CHARACTER[1:2], CHARACTER[2:]],
        True,
    ),
    "tokens across characters": (
        "a日b",
        [(0, 2), (1, 3)],
        [b"a" + CHARACTER[:1], CHARACTER[1:] + b"b"],
        [b"a" + CHARACTER[:1], CHARACTER[1:] + b"b"],
        True,
    ),
    "group with its dropped space": (
        "a 日",
        [(0, 1), (2, 3), (2, 3)],
        [b"a", CHARACTER[:1], CHARACTER[1:]],
        [b"a", b" " + CHARACTER[:1], CHARACTER[1:]],
        True,
    ),
    "group with its own space": (
        "a 日",
        [(0, 1), (2, 3), (2, 3)],
        [b"a", b" " + CHARACTER[:1], CHARACTER[1:]],
        [b"a", b" " + CHARACTER[:1], CHARACTER[1:]],
        True,
    ),
    "dummy space": ("ﬁ", [(0, 1), (0, 1)], [b" ", b"fi"], ["", "ﬁ"], True),
    "dummy space of no width": ("ﬁ", [(0, 0), (0, 1)], [b" ", b"fi"], ["", "ﬁ"], True),
    "ligature split": ("ﬁ", [(0, 1), (0, 1)], [b"f", b"i"], ["ﬁ", ""], False),
    "dummy and ligature split": ("ﬁ", [(0, 1)] * 3, [b" ", b"f", b"i"], ["", "ﬁ", ""], False),
    "unknown": ("a日本b", [(0, 1), (1, 3), (3, 4)], [b"a", None, b"b"], ["a", "日本", "b"], True),
    "dummy and unknown": ("日", [(0, 1), (0, 1)], [b" ", None], ["", "日"], True),
    "unknown shares a character": ("ﬁ", [(0, 1), (0, 1)], [b"f", None], ["ﬁ", ""], False),
    "unknown of no width": ("a", [(0, 1), (1, 1)], [b"a", None], ["a", ""], False),
    "marker": ("a▁B", [(0, 1), (1, 2), (2, 3)], [b"a", b" ", b"b"], ["a", "▁", "B"], True),
    "off by one": ("a b", [(0, 1), (0, 2)], [b"a", b" b"], ["a", " b"], False),
    "wrong throughout": ("a b c", [(0, 1), (0, 2), (1, 3)], [b"a", b" x", b" c"], ["a b c", "", ""], False),
    "another letter": ("ab", [(0, 1), (1, 2)], [b"a", b"c"], ["a", "b"], False),
    "space for a letter": ("ab", [(0, 1), (1, 2)], [b"a", b" "], ["a", "b"], False),
    "part of a character alone": ("日", [(0, 1)], [CHARACTER[:1]], ["日"], False),
    "going back": ("abc", [(1, 2), (0, 1), (2, 3)], [b"b", b"a", b"c"], ["ab", "", "c"], False),
    "end going back": ("abcd", [(0, 3), (1, 2), (2, 3), (3, 4)], [b"abc", b"", b"", b"d"], ["abc", "", "", "d"], False),
    "space for a mark": ("a\u0301b", [(0, 1), (1, 2), (2, 3)], [b"a", b" ", b"b"], ["a", "\u0301", "b"], False),
    "outside": ("ab", [(0, 1), (1, 9)], [b"a", b"b"], ["a", "b"], False),
}


@pytest.mark.parametrize("name", CASES)
def test_offset_spans(name: str) -> None:
    text, offsets, pieces, expected, exact = CASES[name]
    data = text.encode()
    spans = offset_spans(data, offsets, pieces, marker=MARKER)
    edges = spans.bounds.tolist()
    assert (edges[0], edges[-1]) == (0, len(data))
    found = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert found == [piece if isinstance(piece, bytes) else piece.encode() for piece in expected]
    assert spans.exact is exact
