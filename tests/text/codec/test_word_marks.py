"""Which tokens begin a word: by what they add to a text, told by the tokenizer's own decoding."""

from __future__ import annotations

import string
import unicodedata

import numpy as np
import pytest

from seqscore.text.codec.encoder import TextEncoder
from seqscore.text.codec.word_marks import INSIDE, NOTHING, PUNCTUATION, SPACE, SPECIAL, WordMarks, word_marks
from tests.tokenizers_for_tests import build

BEGIN = ("byte-level", "byte-level-prefix", "byte-level-added", "llama-2", "gemma", "unigram", "characters", "byt5")


def marks_of(kind: str) -> WordMarks:
    return TextEncoder(build(kind)).word_marks


@pytest.mark.parametrize("kind", BEGIN)
def test_a_token_that_begins_with_white_space_begins_a_word(kind: str) -> None:
    tokenizer, marks = build(kind), marks_of(kind)
    special, (letter,) = set(tokenizer.all_special_ids), tokenizer.encode("xa", add_special_tokens=False)[-1:]
    found: dict[str, list[int]] = {"space": [], "punctuation": [], "other": []}
    for number in range(len(tokenizer)):
        if number in special:
            continue
        before, both = (tokenizer.decode(ids, skip_special_tokens=False) for ids in ([letter], [letter, number]))
        character = both[len(before) :][:1]
        if character.isspace():
            found["space"].append(number)
        elif character and (character in string.punctuation or unicodedata.category(character)[0] == "P"):
            found["punctuation"].append(number)
        else:
            found["other"].append(number)
    assert marks.marks == "begin" and found["space"]
    assert np.flatnonzero(marks.kinds == SPACE).tolist() == found["space"]
    assert np.flatnonzero(marks.kinds == PUNCTUATION).tolist() == found["punctuation"]
    ends = special - ({tokenizer.unk_token_id} if kind in ("unigram", "characters", "byt5") else set())
    assert set(marks.begins("space").tolist()) == {*found["space"], *ends}
    assert set(marks.begins("punctuation").tolist()) == {*found["space"], *found["punctuation"], *ends}
    assert set(marks.unspaced().tolist()) == set(range(len(tokenizer))) - set(found["space"])


def test_wordpiece_marks_what_continues_a_word() -> None:
    tokenizer, marks = build("wordpiece"), marks_of("wordpiece")
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    begins = {n for n, token in enumerate(tokens) if not token.startswith("##") and token not in string.punctuation}
    assert marks.marks == "continue" and tokenizer.unk_token_id in begins
    assert set(marks.begins("space").tolist()) == begins | special
    assert set(marks.unspaced().tolist()) == {n for n, token in enumerate(tokens) if not token.startswith("##")}
    assert not marks.is_unspaced(tokens.index("##s")) and marks.is_unspaced(tokens.index("."))


def test_the_first_gpt_marks_what_ends_a_word() -> None:
    tokenizer, marks = build("suffix-bpe"), marks_of("suffix-bpe")
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    assert marks.marks == "end"
    assert marks.ends.tolist() == [token.endswith("</w>") for token in tokens]


@pytest.mark.parametrize("kind", ["words", "slow-words", "slow-bytes"])
def test_whole_words_mark_nothing(kind: str) -> None:
    assert marks_of(kind).marks is None


def test_pieces_of_characters_and_missing_tokens_begin_nothing() -> None:
    pieces = [b" a", "\u3000".encode(), "\u3000".encode()[:2], b"\xa0", b"", None, b".", b"</s>", b"\xff", b"\xc2\xa0x"]
    marks = word_marks(pieces, special=[7, 99], unknown=None, continues=None, ends=None)
    expected = [SPACE, SPACE, INSIDE, INSIDE, INSIDE, NOTHING, PUNCTUATION, SPECIAL, INSIDE, SPACE]
    assert marks.kinds.tolist() == expected
    assert marks.begins("space").tolist() == [0, 1, 7, 9]
    assert marks.unspaced().tolist() == [2, 3, 4, 6, 7, 8]
