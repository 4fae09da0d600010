"""Conversations: which tokens are the assistant's, given what; what a template may do, and what is refused."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqscore import Chat, Pair, Scorer
from seqscore.errors import InputError, SeqscoreWarning
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.data.texts import open_inputs
from seqscore.evaluation.scored.row_stream import score_rows
from seqscore.evaluation.scored.scored_rows import ScoredRow
from seqscore.text import template as template_module
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

MODEL = tiny_model("llama", dtype=torch.float64)
END = 5
PROMPT = "{% if add_generation_prompt %}<|bot|>{% endif %}"
PLAIN = "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }}\n{% endfor %}"
TRIMS = "{% for m in messages %}<|user|>{{ m['content'] | trim }}<|end|>{% endfor %}" + PROMPT
THINKS = "{% for m in messages %}<|user|>{{ m['content'].split('</think>')[-1] }}<|end|>{% endfor %}"
TWICE = "{% for m in messages %}<|user|>{{ m['content'] }}{{ m['content'] }}{% endfor %}"
SYSTEM = (
    "<|user|>{% if messages[0]['role'] != 'system' %}Help.{% endif %}"
    "{% for m in messages %}<|bot|>{{ m['content'] }}<|end|>{% endfor %}"
)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


TALK = [user("What?"), assistant("The fox"), user("Who?"), assistant("The fox"), user("Bye")]


def scorer(template: str | None = None, **changes: Any) -> Scorer:
    tokenizer = tiny_tokenizer(chat=True, **changes)
    if template is not None:
        tokenizer.chat_template = template
    return Scorer(MODEL, tokenizer, engine="reference")


def ids_of(text: str) -> list[int]:
    return list(tiny_tokenizer()(text, add_special_tokens=False).input_ids)


def right(ids: list[int], first: int, last: int) -> float:
    """Sum of log p(ids[t] | ids[:t]) for first <= t < last, by plain transformers in float64."""
    with torch.no_grad():
        logprobs = MODEL(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return math.fsum(float(logprobs[t - 1, ids[t]]) for t in range(first, last))


def test_every_turn_of_the_assistant_is_scored_given_all_before_it() -> None:
    score = scorer().score(Chat(TALK))
    turn = ids_of("The fox")
    head, middle = [3, *ids_of("What?"), END, 3], [END, 3, *ids_of("Who?"), END, 3]
    ids = [*head, *turn, *middle, *turn]
    a, b = len(head), len(head) + len(turn) + len(middle)
    assert score.token_ids.tolist() == ids and score.start_token is None and score.boundary == "clean"
    assert [one.message for one in score.turns()] == [1, 3] and [one.text for one in score.turns()] == ["The fox"] * 2
    expected = [right(ids, a, a + len(turn)), right(ids, b, b + len(turn))]
    assert [one.log_likelihood for one in score.turns()] == pytest.approx(expected, abs=1e-11)
    assert score.log_likelihood == pytest.approx(math.fsum(expected), abs=1e-11)
    assert score.num_scored == 2 * len(turn) == sum(one.num_tokens for one in score.turns())
    assert score.context == "<|user|>What?<|end|><|user|>"
    record = score.to_dict()["turns"]
    assert [one["log_likelihood"] for one in record] == [one.log_likelihood for one in score.turns()]
    assert "turns" not in scorer().score("a").to_dict() and scorer().score("a").turns() == ()


def test_extras_are_given_for_the_turns_alone() -> None:
    score = scorer().score(Chat(TALK), extras=("rank", "entropy"))
    assert score.ranks is not None and score.entropies is not None
    assert ((score.ranks > 0) == score.scored).all() and (~np.isnan(score.entropies) == score.scored).all()
    assert not score.greedy[~score.scored].any()


def test_the_last_turn_alone_is_that_of_the_whole() -> None:
    whole, last = scorer().score([Chat(TALK), Chat(TALK, turns="last")])
    assert [one.message for one in last.turns()] == [3] and last.log_likelihood == whole.turns()[1].log_likelihood


def test_the_end_of_a_turn_is_scored_on_request() -> None:
    score = scorer().score(Chat(TALK[:2], end="scored"))
    ids = [3, *ids_of("What?"), END, 3, *ids_of("The fox"), END]
    first = 3 + len(ids_of("What?"))
    assert score.token_ids.tolist() == ids and score.turns()[0].text == "The fox<|end|>"
    assert score.log_likelihood == pytest.approx(right(ids, first, len(ids)), abs=1e-11)


def test_a_pair_goes_on_with_an_answer_that_was_begun() -> None:
    score = scorer().score(Pair([user("What?"), assistant("The")], " fox"))
    assert score.context == "<|user|>What?<|end|><|user|>The"  # this template writes the same before every message
    ids = [3, *ids_of("What?"), END, 3, *ids_of("The fox")]
    assert score.log_likelihood == pytest.approx(right(ids, len(ids) - len(ids_of(" fox")), len(ids)), abs=1e-11)
    with pytest.raises(InputError, match="takes white space from the end of the begun answer 'The '"):
        scorer(TRIMS).score(Pair([user("What?"), assistant("The ")], "fox"))
    assert (
        scorer(TRIMS).score(Pair([user("What?"), assistant(" The")], " fox")).context
        == "<|user|>What?<|end|><|user|>The"
    )


def test_a_system_turn_is_a_part_of_the_context() -> None:
    with_system = scorer(SYSTEM).score(Chat([{"role": "system", "content": "Be brief."}, *TALK[:2]]))
    without = scorer(SYSTEM).score(Chat(TALK[:2]))
    assert with_system.context == "<|user|><|bot|>Be brief.<|end|><|bot|>What?<|end|><|bot|>"
    assert without.context == "<|user|>Help.<|bot|>What?<|end|><|bot|>"
    assert with_system.turns()[0].message == 2 and with_system.log_likelihood != without.log_likelihood


def test_white_space_that_a_template_trims_is_not_scored() -> None:
    score = scorer(TRIMS).score(Chat([user("What?"), assistant("  The fox\n"), user(" a "), assistant("b")]))
    assert [one.text for one in score.turns()] == ["The fox", "b"]


def test_turns_within_plain_text_are_tokenised_apart_where_a_token_reaches_over() -> None:
    talk = [user("the"), assistant("\nThe fox"), user("dog"), assistant("lazy dog")]
    score = scorer(PLAIN).score(Chat(talk))
    assert score.text == "user:the\nassistant:\nThe fox\nuser:dog\nassistant:lazy dog"
    assert [one.text for one in score.turns()] == ["\nThe fox", "lazy dog"]
    separate = scorer(PLAIN).score(Chat(talk), boundary="separate")
    assert separate.boundary == "separate" and [one.text for one in separate.turns()] == ["\nThe fox", "lazy dog"]


def test_a_start_token_that_is_named_stands_in_front() -> None:
    score = scorer().score(Chat(TALK[:2]), bos="<s>")
    ids = [1, 3, *ids_of("What?"), END, 3, *ids_of("The fox")]
    assert score.start_token == 1
    assert score.log_likelihood == pytest.approx(right(ids, len(ids) - len(ids_of("The fox")), len(ids)), abs=1e-11)


@pytest.mark.parametrize(
    ("template", "chat", "message"),
    [
        (THINKS, Chat([user("a"), assistant("<think>x</think>b")]), "rewrites the content of message 1"),
        (
            "{% for m in messages %}<|user|>{{ m['content'] }}{{ m['content'] }}{% endfor %}",
            Chat(TALK),
            "does not write the content of message 1",
        ),
        ("{{ messages[0]['content'] }}", Chat(TALK), "does not write the content of message 1"),
        (
            "{% for m in messages %}{{ m['content'] }}{% endfor %}",
            Chat([assistant("a")]),
            "nothing before the first answer",
        ),
        (PLAIN, Chat(TALK, end="scored"), "writes no special token behind an answer"),
        ("{{ raise_exception('Roles must alternate!') }}", Chat(TALK), "refuses these messages: Roles must alternate!"),
        (None, Chat([user("a")]), "no message of the assistant"),
        (None, Chat([]), "takes a list of messages"),
        (None, Chat("a"), "takes a list of messages"),  # type: ignore[arg-type]
        (None, Chat([user("a"), assistant(" ")]), "chat message 1, of the assistant, has no text"),
        (None, Chat([user("a"), {"role": "assistant"}]), "chat message 1 must have a text 'role' and a text 'content'"),
        (None, Chat([user("a"), assistant("b<|end|>")]), r"chat message 1 spells the special token '<\|end\|>'"),
        (None, Chat([{"role": "user<|end|>", "content": "a"}, assistant("b")]), "chat message 0 spells the special"),
        (None, Chat(TALK, turns="first"), "turns='first'; expected one of all, last"),  # type: ignore[arg-type]
        (None, Chat(TALK, end=True), "end=True; expected one of unscored, scored"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_told_is_refused(template: str | None, chat: Chat, message: str) -> None:
    with pytest.raises(InputError, match=message):
        scorer(template).score(chat)


def test_policies_for_pairs_are_refused() -> None:
    for policies in ({"boundary": "healed"}, {"bos": "lm-eval"}):
        with pytest.raises(InputError, match="is for Pairs; a Chat takes 'auto' or 'separate'"):
            scorer().score(Chat(TALK), **policies)  # type: ignore[call-overload]


LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
LONG_STEPS = "{% for i in range(99999) %}{{ range(99999) | sum }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (LOOPS, "did not come to an end within 20,000 steps"),
        (
            "{% for i in range(999) %}{{ range(99999) | map('string') | list | length }}{% endfor %}",
            "did not come to an end",
        ),
        (LONG_STEPS, "did not come to an end within 20,000 steps or 0 seconds of computing"),
        (
            "{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}",
            "refuses these messages|did not come to an end",
        ),
        ("{{ 9 ** 9 ** 9 }}", "is not run: it takes powers of numbers"),
        ("{% generation %}{{ 9 ** 9 ** 9 }}{% endgeneration %}", "is not run: it takes powers of numbers"),
        ("{{ 'a' * 10000000000 }}", "is not run: it holds the number 10000000000"),
        ("{{ x", "refuses these messages: unexpected end of template"),
    ],
)
def test_a_template_that_does_not_end_is_an_error(template: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_module, "_MAX_STEPS", 20_000)
    monkeypatch.setattr(template_module, "_MAX_SECONDS", 0.3)
    before = sys.gettrace()
    with pytest.raises(InputError, match=message):
        scorer(template).score(Pair([user("a")], "b"))
    assert sys.gettrace() is before


def test_a_file_of_conversations_is_scored_turn_by_turn(tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    rows = [{"messages": TALK, "topic": "fox"}, {"messages": [user("a")]}, {"messages": "no list"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with_chats = scorer()
    with pytest.warns(SeqscoreWarning, match="the assistant's turns in 'messages' are scored"):
        first, second, third = score_rows(with_chats, open_inputs([], [str(file)]))
    expected = with_chats.score(Chat(TALK))
    assert isinstance(first, ScoredRow) and first.score.turns() == expected.turns()
    assert isinstance(second, Problem) and "no message of the assistant" in second.error.message
    assert isinstance(third, ScoredRow) and third.score.text == "no list"
