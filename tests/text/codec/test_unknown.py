"""Scored tokens that stand for unknown text are counted; nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from seqscore import Pair, Scorer
from tests.tiny_models import tiny_model
from tests.tokenizers_for_tests import build

MODEL = tiny_model("llama")
MODEL.resize_token_embeddings(400)


def with_roles(tokenizer: Any, **roles: str) -> Any:
    for role, token in roles.items():
        setattr(tokenizer, role, token)
    return tokenizer


COUNTED: dict[str, tuple[Any, Any, int]] = {
    "two words": (build("words"), "the dog sat 日本", 2),
    "nothing": (build("words"), "the cat sat", 0),
    "characters": (build("characters"), "ab日c本", 2),
    "wordpiece": (build("wordpiece"), "the ЖЖЖ cat Ж", 2),
    "unigram": (build("unigram"), "a 日本 b", 1),
    "python": (build("slow-words"), "the dog sat on a mat", 3),
    "python, its unknown token pads too": (with_roles(build("slow-words"), pad_token="<unk>"), "the dog", 1),
    "python, its unknown token ends texts too": (with_roles(build("slow-words"), eos_token="<unk>"), "the dog", 1),
    "pads too": (with_roles(build("words"), pad_token="<unk>"), "the dog", 1),
    "begins and ends texts too": (with_roles(build("words"), bos_token="<unk>", eos_token="<unk>"), "the dog", 1),
    "every byte is a token": (build("byte-level"), "日本 ЖЖЖ <|endoftext|>", 0),
    "bytes behind unknown characters": (build("llama-2"), "日本 ЖЖЖ", 0),
    "only the continuation": (build("words"), Pair("dog dog", " the dog"), 1),
    "ids": (build("words"), [2, 0, 3, 0], 2),
    "ids of a token with another task": (build("byte-level"), [5, 0, 6], 0),
    "ids behind ids": (build("words"), Pair([0, 2], [3, 0]), 1),
}


@pytest.mark.parametrize("case", COUNTED)
def test_scored_unknown_tokens_are_counted(case: str) -> None:
    tokenizer, item, expected = COUNTED[case]
    score = Scorer(MODEL, tokenizer).score(item, bos=1)
    assert score.num_unknown == score.to_dict()["num_unknown"] == expected
    if expected:
        assert not score.exact_spans  # what [UNK] stands for cannot be told from it


@pytest.mark.parametrize("kind", ["words", "wordpiece", "slow-words", "byte-level"])
def test_a_text_that_spells_the_unknown_token_means_it(kind: str) -> None:
    tokenizer = build(kind)
    spelled = str(tokenizer.unk_token)
    score = Scorer(MODEL, tokenizer).score(f"the {spelled} cat", bos=1, special_tokens="parse")
    assert tokenizer.unk_token_id in score.token_ids and score.num_unknown == 0
    if kind in ("words", "wordpiece"):
        assert Scorer(MODEL, tokenizer).score(f"ЖЖЖ {spelled}", bos=1, special_tokens="parse").num_unknown == 1


def test_tokens_that_are_not_scored_do_not_count() -> None:
    scorer = Scorer(MODEL, build("words"), max_length=2)
    cut = scorer.score("dog the dog dog", bos=1, long="truncate")
    assert (cut.num_cut, cut.num_unknown) == (2, 1)
    assert scorer.score("dog", bos="none").num_unknown == 0
