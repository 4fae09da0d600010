"""Items to tokens: how often the codec is asked, and what stands in the record of an item."""

from __future__ import annotations

from typing import Any

import pytest

from seqscore.errors import InputError, SeqscoreError
from seqscore.text.codec.encoder import Encoded, TextEncoder
from seqscore.text.encoding import EncodedItem, ItemEncoder
from seqscore.text.start import StartToken
from seqscore.text.written import GivenIds, GivenIdsPair, Written, WrittenPair, WrittenText
from tests.tiny_tokenizers import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
AUTO = StartToken("auto", 1)


class Counting(TextEncoder):
    """Keeps the texts of every call."""

    def __init__(self) -> None:
        super().__init__(TOKENIZER)
        self.calls: list[list[str]] = []

    def encode_batch(self, texts: Any) -> list[Encoded]:
        self.calls += [list(texts)] if texts else []
        return super().encode_batch(texts)


def encoded(*items: Written | SeqscoreError, **changes: Any) -> tuple[list[EncodedItem | SeqscoreError], Counting]:
    counting = Counting()
    settings = {"start": AUTO, "boundary": "auto", "special_tokens": "literal", **changes}
    return ItemEncoder(encoder=counting, markup_encoder=counting, **settings).encode_all(items), counting


def test_texts_are_encoded_in_one_call_and_everything_comes_back_in_order() -> None:
    refused = InputError("no item")
    found, codec = encoded(WrittenText("The fox"), refused, GivenIds([5, 6]), WrittenText("the cat"))
    assert codec.calls == [["The fox", "the cat"]]
    assert found[1] is refused
    texts = [one.tokens.text for one in found if isinstance(one, EncodedItem) and one.is_text]
    assert texts == ["The fox", "the cat"]
    assert isinstance(found[2], EncodedItem) and found[2].tokens.ids.tolist() == [5, 6] and not found[2].is_text


def test_a_bad_text_is_told_from_its_neighbours() -> None:
    found, _ = encoded(WrittenText("The fox"), WrittenText("\ud800"), WrittenText("the cat"))
    assert [isinstance(one, EncodedItem) for one in found] == [True, False, True]


def test_a_pair_that_parts_at_a_token_is_encoded_once() -> None:
    found, codec = encoded(WrittenPair("The fox", " the cat", " "))
    (one,) = found
    assert isinstance(one, EncodedItem) and codec.calls == [["The fox the cat"]]
    assert (one.context, one.flag, one.delimiter) == ("The fox", "clean", " ")
    assert int(one.tokens.starts[one.first]) == len("The fox")


@pytest.mark.parametrize(("start", "merges"), [(AUTO, True), (StartToken("token", 1), False)])
def test_ids_that_begin_with_the_start_token_bring_it_along(start: StartToken, merges: bool) -> None:
    found, _ = encoded(GivenIds([1, 5]), GivenIdsPair([1, 5], [6]), start=start)
    assert [isinstance(one, EncodedItem) and one.merges_start for one in found] == [merges, merges]


def test_nothing_stands_in_front_of_what_a_template_wrote() -> None:
    pair = WrittenPair("The fox", " the cat", from_template=True)
    for start, expected in ((AUTO, "none"), (StartToken("token", 1), "token"), (StartToken("lm-eval", 1), "lm-eval")):
        (one,), _ = encoded(pair, start=start)
        assert isinstance(one, EncodedItem) and one.start.kind == expected


def test_a_continuation_that_spells_markup_is_encoded_apart() -> None:
    (one,), codec = encoded(WrittenPair("The fox", " the cat", from_template=True, spells_markup=True))
    assert isinstance(one, EncodedItem) and one.flag == "apart"
    assert ["The fox the cat"] not in codec.calls
