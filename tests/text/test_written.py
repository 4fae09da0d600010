"""Items written out: delimiters put in, templates rendered, what cannot be scored refused before it is encoded."""

from __future__ import annotations

from typing import Any

import pytest

from seqscore import Chat, Pair
from seqscore.errors import InputError
from seqscore.text.chat import RenderedChat
from seqscore.text.written import GivenIds, GivenIdsPair, Written, WrittenPair, WrittenText, write_out
from tests.tiny_tokenizers import tiny_tokenizer

TOKENIZER = tiny_tokenizer(chat=True)
QUESTION = {"role": "user", "content": "Who?"}
ANSWER = {"role": "assistant", "content": "The fox"}


def written(item: Any, **changes: Any) -> Written:
    return write_out(item, TOKENIZER, **{"special_tokens": "literal", "boundary": "auto", **changes})


def test_texts_and_pairs_of_texts() -> None:
    assert written("a fox") == WrittenText("a fox")
    assert written(Pair("a", "fox")) == WrittenPair("a", "fox", "")
    assert written(Pair("a", "fox", "auto")) == WrittenPair("a", " fox", " ")


def test_ids_are_handed_on_as_they_are() -> None:
    ids = [5, 6]
    alone, pair = written(ids), written(Pair(ids, ids))
    assert isinstance(alone, GivenIds) and alone.ids is ids
    assert isinstance(pair, GivenIdsPair) and pair.context is ids and pair.continuation is ids


def test_chats_are_rendered() -> None:
    chat, pair = written(Chat([QUESTION, ANSWER])), written(Pair([QUESTION], "The fox"))
    assert isinstance(chat, RenderedChat) and isinstance(pair, WrittenPair)
    (stretch,) = chat.stretches
    assert chat.text[slice(*stretch)] == "The fox"
    assert pair.from_template and pair.context == "<|user|>Who?<|end|><|bot|>" and not pair.spells_markup


@pytest.mark.parametrize(("special_tokens", "apart"), [("literal", True), ("parse", False)])
def test_a_continuation_that_spells_markup_behind_a_template(special_tokens: str, apart: bool) -> None:
    found = written(Pair([QUESTION], "<|end|>"), special_tokens=special_tokens)
    assert isinstance(found, WrittenPair) and found.spells_markup == apart


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Pair("a", ""), "the continuation is empty"),
        (Pair("a", [5]), "a Pair is two texts, two lists of token ids, or chat messages and a text; got str and list"),
        (Pair("a", "b", "x"), "must be 'auto', empty or white space"),
        (Pair([5], None), "a text is missing here"),
        (Chat([QUESTION]), "no message of the assistant"),
        (None, "a text is missing here"),
        (["a", "b"], r"use Pair\(context, continuation\)"),
    ],
)
def test_what_cannot_be_scored_is_refused(item: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        written(item)


def test_a_chat_has_no_boundary_to_heal() -> None:
    with pytest.raises(InputError, match="boundary='healed' is for Pairs"):
        written(Chat([QUESTION, ANSWER]), boundary="healed")
