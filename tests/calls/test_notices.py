"""What a caller is warned of: once, at the caller's own line, and only where it concerns the items."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from seqscore import Pair, Scorer
from seqscore.errors import JoinWarning, SeqscoreWarning, StartWarning
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

MODEL = tiny_model("llama")
MARKED = "{% for m in messages %}<s>{{ m['role'] }}{{ m['content'] }}{% endfor %}<s>"
ONCE = "<s>{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}"
EVERY_USER = "{% for m in messages %}{% if m['role'] == 'user' %}<s>{% endif %}{{ m['content'] }}{% endfor %}"
CHAT = Pair([{"role": "user", "content": "a"}], "b")


def without_start_token() -> Scorer:
    model = tiny_model("llama")
    model.config.bos_token_id = model.generation_config.bos_token_id = None
    return Scorer(model, tiny_tokenizer(bos=None, eos=None, chat=True))


def with_template(template: str) -> Scorer:
    tokenizer: PreTrainedTokenizerBase = tiny_tokenizer(chat=True)
    tokenizer.chat_template = template
    return Scorer(MODEL, tokenizer)


def told(call: Callable[[], Any]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return [one for one in found if issubclass(one.category, SeqscoreWarning)]


def test_words_that_run_together_are_told_once_a_call() -> None:
    scorer = Scorer(MODEL, tiny_tokenizer())
    items = ["fox", Pair("The", " fox"), Pair("The", "fox"), Pair("The", "dog")]
    for run in (scorer.score, lambda items: list(scorer.stream(iter(items)))):
        (one,) = told(lambda run=run: run(items))  # type: ignore[misc]
        assert one.category is JoinWarning and one.filename == __file__
        assert "in item 2 ('The|fox') and 1 more" in str(one.message)
    (one,) = told(lambda: scorer.score(Pair("The", "fox")))
    assert "in item 0 ('The|fox'):" in str(one.message)


@pytest.mark.parametrize(
    "item",
    [Pair("The", " fox"), Pair("The", "fox", delimiter="auto"), Pair("今天", "下雨"), Pair([9], [9]), Pair("", "fox")],
)
def test_nothing_is_told_of_other_pairs(item: Pair) -> None:
    assert not told(lambda: Scorer(MODEL, tiny_tokenizer()).score(item))


def test_a_start_token_that_is_missing_is_told_once_a_scorer() -> None:
    scorer = without_start_token()
    assert not told(lambda: scorer.score("fox", bos="none"))  # as asked
    assert not told(lambda: scorer.score(CHAT))  # which needs none
    (one,) = told(lambda: [scorer.score("fox"), scorer.score("dog")])
    assert one.category is StartWarning and "the first token of every text is not scored" in str(one.message)


def test_a_start_token_that_marks_the_turns_of_chats_is_told_once_a_scorer() -> None:
    scorer = with_template(MARKED)
    assert not told(lambda: scorer.score(CHAT))
    assert not told(lambda: scorer.score("fox", bos="</s>"))
    (one,) = told(lambda: [scorer.score("fox"), scorer.score("dog")])
    assert one.category is StartWarning and "the start token '<s>' (1) is a marker of this model's chat" in str(
        one.message
    )


@pytest.mark.parametrize("template", [ONCE, EVERY_USER, "{{ raise_exception('no') }}<s>", "<s>{{"])
def test_a_start_token_that_a_template_writes_once_is_none(template: str) -> None:
    assert not told(lambda: with_template(template).score("fox"))


def test_the_delimiter_that_was_taken_stands_on_the_record() -> None:
    scorer = Scorer(MODEL, tiny_tokenizer())
    scores = scorer.score([Pair("The", "fox", delimiter="auto"), Pair("今天", "下雨", delimiter="auto"), "fox"])
    assert [score.delimiter for score in scores] == [" ", "", None]
    assert [score.to_dict()["delimiter"] for score in scores] == [" ", "", None]
    assert scores[0].log_likelihood == scorer.score(Pair("The", " fox")).log_likelihood
