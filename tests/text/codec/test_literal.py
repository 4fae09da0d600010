from __future__ import annotations

import json
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from seqscore.text.codec.literal import literal_backend, silent_parse
from tests.tokenizers_for_tests import build


def ids(backend: Any, text: str) -> list[int]:
    found: list[int] = backend.encode(text, add_special_tokens=False).ids
    return found


@pytest.mark.parametrize(
    ("kind", "content"), [("unigram", "</s>"), ("unigram", "<unk>"), ("words", "<s>"), ("llama-2", "<s>")]
)
def test_special_tokens_cannot_be_matched(kind: str, content: str) -> None:
    backend = build(kind).backend_tokenizer
    backend.encode_special_tokens = True
    number = backend.token_to_id(content)
    before = backend.to_str()
    literal = literal_backend(backend, ["<s>", "</s>", "<unk>"])
    assert literal.hidden[number] == content
    text = f"the {content} cat"
    expected = ids(backend, "the <> cat")  # what an unknown word gives
    if kind == "words":
        assert ids(literal.backend, text) == expected
        assert ids(backend, text) != expected  # switching the search off is not enough there
    else:
        assert number not in ids(literal.backend, text)
    assert ids(literal.backend, "the cat") == ids(backend, "the cat")
    assert backend.to_str() == before


def test_special_tokens_outside_the_models_vocabulary_are_not_matched_either() -> None:
    backend = build("unigram").backend_tokenizer
    backend.add_special_tokens([AddedToken("<x>", special=True)])
    number = backend.token_to_id("<x>")
    literal = literal_backend(backend, ["<s>", "</s>", "<unk>", "<x>"])
    assert number not in literal.hidden
    assert number in ids(backend, "a<x>")
    assert number not in ids(literal.backend, "a<x>")


@pytest.mark.parametrize("kind", ["unigram", "words", "wordpiece", "llama-2", "byte-level-added"])
def test_ids_stay_as_they_are(kind: str) -> None:
    backend = build(kind).backend_tokenizer
    special = [token.content for token in backend.get_added_tokens_decoder().values() if token.special]
    literal = literal_backend(backend, special).backend
    ordinary = {token: number for token, number in backend.get_vocab().items() if token not in special}
    assert {token: number for token, number in literal.get_vocab().items() if token in ordinary} == ordinary
    text = "the cat<code> sat é日 zzz"
    assert ids(literal, text) == ids(backend, text)


def test_what_text_builds_by_itself_stays() -> None:
    backend = Tokenizer(
        models.BPE(vocab={"!": 0, "\n": 1, "\n\n": 2, "<e>": 3, "<": 4, "e": 5, ">": 6}, merges=[("\n", "\n")])
    )
    literal = literal_backend(backend, ["!", "\n\n", "<e>", "not in the vocabulary"])
    assert literal.hidden == {3: "<e>"}
    assert ids(literal.backend, "!\n\n<e>") == [0, 2, 4, 5, 6]


def test_whole_words_of_bpe_are_hidden_too() -> None:
    model = models.BPE(vocab={"<e>": 0, "<": 1, "e": 2, ">": 3}, merges=[], ignore_merges=True)
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens([AddedToken("<e>", special=True)])
    backend.encode_special_tokens = True
    assert ids(backend, "<e>") == [0]
    assert ids(literal_backend(backend, ["<e>"]).backend, "<e>") == [1, 2, 3]


def test_merges_may_be_written_as_one_string() -> None:
    backend = build("llama-2").backend_tokenizer
    settings = json.loads(backend.to_str())
    settings["model"]["merges"] = [" ".join(merge) for merge in settings["model"]["merges"]]

    class Old:
        """A backend of an older file format."""

        def to_str(self) -> str:
            return json.dumps(settings)

        def token_to_id(self, token: str) -> int:
            return int(backend.token_to_id(token))

        from_str = staticmethod(Tokenizer.from_str)

    assert ids(literal_backend(Old(), ["<s>"]).backend, "the cat") == ids(backend, "the cat")


def test_silent_parse_says_what_to_do() -> None:
    message = str(silent_parse("</s>", 2))
    assert message == (
        "the tokenizer reads the text '</s>' as its special token 2 even when told not to; pass "
        "special_tokens='parse' if that is what the text means, or remove '</s>' from it"
    )
