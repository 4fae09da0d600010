"""Words as a tokenizer cuts them, against its own ``word_ids``."""

from __future__ import annotations

import numpy as np
import pytest

from seqscore.text.codec.encoder import TextEncoder
from tests.masked_models import bytes_of_roberta, residues, word_pieces
from tests.tokenizers_for_tests import build

TEXTS = ("the cats sat. It rained", "don't  (sit) 20a!", "日本 the\n\ncat", "a", "the the the", " the cat ")


def numbered(words: list[int | None]) -> list[int]:
    """The same partition, counted from 0."""
    return np.unique(words, return_inverse=True)[1].tolist()


@pytest.mark.parametrize("kind", ["byte-level", "byte-level-prefix", "byte-level-added", "unigram", "wordpiece"])
def test_words_are_those_that_the_tokenizer_cuts_first(kind: str) -> None:
    tokenizer = build(kind)
    encoder = TextEncoder(tokenizer)
    assert encoder.tells_words
    for text in TEXTS:
        encoded = encoder.encode(text)
        found = encoder.token_words(text, encoded.ids, encoded.starts)
        assert numbered(found.tolist()) == numbered(tokenizer(text, add_special_tokens=False).word_ids()), text


@pytest.mark.parametrize("tokenizer", [word_pieces(), bytes_of_roberta()])
def test_tokens_that_a_context_cut_otherwise_are_of_the_word_in_which_they_begin(tokenizer: object) -> None:
    encoder = TextEncoder(tokenizer)
    text = "the rained, it sat"
    whole = encoder.encode(text)
    words = encoder.token_words(text, whole.ids, whole.starts)
    cuts = [int(whole.starts[i]) for i in range(len(words)) if not i or words[i] != words[i - 1]]
    places = np.arange(len(text))  # a token of each byte
    found = encoder.token_words(text, places, places)
    assert found.tolist() == [sum(cut <= place for cut in cuts) for place in places]


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("llama-2", "the cat", "the| cat"),  # it cuts no words first, so the vocabulary's marks tell
        ("suffix-bpe", "the cat", "the| cat"),
    ],
)
def test_without_a_cut_the_marks_of_the_vocabulary_tell_words(kind: str, text: str, found: str) -> None:
    encoder = TextEncoder(build(kind))
    encoded = encoder.encode(text)
    assert encoder.tells_words
    words = encoder.token_words(None, encoded.ids, encoded.starts).tolist()
    assert words == encoder.token_words(text, encoded.ids, encoded.starts).tolist()
    parts = [""] * (words[-1] + 1 - words[0])
    for word, start, end in zip(words, encoded.starts.tolist(), encoded.ends.tolist(), strict=True):
        parts[word - words[0]] += text[start:end]
    assert "|".join(parts) == found


def test_a_special_token_is_a_word_of_its_own() -> None:
    encoder = TextEncoder(bytes_of_roberta(), special_tokens="parse")
    encoded = encoder.encode("at<mask>at")
    for text in ("at<mask>at", None):
        words = encoder.token_words(text, encoded.ids, encoded.starts)
        assert np.diff(words).tolist() == [0, 1, 1, 0]


def test_some_tokens_are_of_no_word_that_is_known() -> None:
    assert not TextEncoder(residues()).tells_words and not TextEncoder(build("slow-words")).tells_words
