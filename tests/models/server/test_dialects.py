"""Each dialect gives what the model behind the server gives, by the same model here in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqscore import Chat, Pair, Scorer
from seqscore.errors import ContextLengthError, InputError, OptionError, ServerError, TokenizerError
from tests.models.server.conftest import Serve, opened
from tests.models.server.stand_in import NAME
from tests.tiny_tokenizers import tiny_tokenizer

TEXTS = ["The quick brown fox", "a", "", "one two three, the other", " The answer  is\nthe same."]
PARTS = ["größer als 日本", "日本 größer", "一🙂", "ประเทศ", "مرحبا"]
"""Texts whose characters span several tokens."""

SAME = 1e-11
"""Both are float64 forwards of 20 tokens or so; a sum of a few dozen numbers near 1 in another order."""

OF_TEXTS = ["llama-cpp-python", "completions", "vllm", "sglang", "tgi"]
OF_IDS = ["completions", "vllm", "sglang"]


def same(one: object, other: object) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=SAME, equal_nan=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", OF_TEXTS)
def test_texts_behind_a_start_token_that_the_server_puts_there(dialect: str, serve: Serve, own: Scorer) -> None:
    scorer = opened(serve(dialect, puts_bos=True))
    unscored = int(dialect == "llama-cpp-python")  # which gives no value for the first token in any case
    for text, score, expected in zip(TEXTS, scorer.score(TEXTS), own.score(TEXTS), strict=True):
        assert score.text == text and score.token_texts == expected.token_texts and score.exact_spans
        assert same(score.logprobs[unscored:], expected.logprobs[unscored:])
        assert score.scored[unscored:].all() and not score.scored[:unscored].any()
        if dialect == "tgi" or not text:
            assert score.greedy is None or not text
        else:
            assert score.greedy is not None and expected.greedy is not None
            assert score.greedy[unscored:].tolist() == expected.greedy[unscored:].tolist()
        if dialect in ("sglang", "tgi"):
            assert score.token_ids.tolist() == expected.token_ids.tolist()
    fields = dict(scorer.signature().fields)
    assert fields["bos"] == fields["special"] == fields["boundary"] == "own" and fields["model"] == NAME
    assert ("ids" in fields) == (dialect not in ("sglang", "tgi"))


@pytest.mark.parametrize("dialect", [one for one in OF_TEXTS if one != "llama-cpp-python"])
def test_texts_with_nothing_in_front(dialect: str, serve: Serve, own: Scorer) -> None:
    scorer = opened(serve(dialect))
    for score, expected in zip(scorer.score(TEXTS), own.score(TEXTS, bos="none"), strict=True):
        assert same(score.logprobs, expected.logprobs) and score.scored.tolist() == expected.scored.tolist()
    pair = Pair("The answer", " is the same")
    assert same(scorer.score(pair).log_likelihood, own.score(pair, bos="none").log_likelihood)


def test_a_start_token_can_be_written_in_front(serve: Serve, own: Scorer) -> None:
    server = serve("llama-cpp-python")
    scorer = opened(server)
    with pytest.raises(ServerError, match=r"the probabilities that stand behind it, not those before .*--bos '<s>'"):
        scorer.score("one")
    score, expected = scorer.score(TEXTS[0], bos="<s>"), own.score(TEXTS[0])
    assert same(score.logprobs[1:], expected.logprobs[1:]) and server.prompts[-1] == "<s>" + TEXTS[0]
    assert score.text == TEXTS[0] and scorer.signature(bos="<s>")["bos"] == "text/<s>"
    with pytest.raises(ServerError, match="also behind '</s>', which it does not read as its start token"):
        scorer.score("one", bos="</s>")
    for policy in ("none", 1):
        with pytest.raises(OptionError, match=f"bos={policy!r} is for models that are given token ids"):
            scorer.score("one", bos=policy)


def test_texts_whose_tokens_hold_parts_of_characters(serve: Serve, own: Scorer) -> None:
    """llama-cpp-python says how many characters stand before a token: those tokens share the character."""
    scorer = opened(serve("llama-cpp-python", puts_bos=True))
    for text, score, expected in zip(PARTS, scorer.score(PARTS), own.score(PARTS), strict=True):
        assert same(score.logprobs[1:], expected.logprobs[1:])
        assert "".join(score.token_texts) == text and not score.exact_spans
        if score.greedy is not None:
            assert expected.greedy is not None and score.greedy[1:].tolist() == expected.greedy[1:].tolist()
        whole = [end for end in expected.ends.tolist() if (text.encode() + b"x")[end] & 0xC0 != 0x80]
        assert set(whole) <= set(score.ends.tolist())
    others = opened(serve("completions"))
    with pytest.raises(ServerError, match=r"do not cover the text .*name the model's tokenizer \(--tokenizer\)"):
        others.score(PARTS[0])


@pytest.mark.parametrize("dialect", OF_IDS)
def test_ids_are_sent_where_there_is_a_tokenizer(dialect: str, serve: Serve, own: Scorer, tokenizer: Path) -> None:
    server = serve(dialect, puts_bos=True)
    scorer = opened(server, tokenizer=tokenizer)
    items = [*TEXTS, *PARTS, Pair("The an", "swer"), [3, 4, 5], "literal <s> text"]
    for score, expected in zip(scorer.score(items), own.score(items), strict=True):
        assert same(score.logprobs, expected.logprobs) and score.token_ids.tolist() == expected.token_ids.tolist()
        assert expected.greedy is not None and score.start_token == 1
        if dialect == "completions" and score.greedy is None:  # which names tokens by texts that parts do not have
            assert score.text in PARTS
        else:
            assert score.greedy is not None and score.greedy.tolist() == expected.greedy.tolist()
    for keywords in (
        {"bos": "none"},
        {"bos": "</s>"},
        {"boundary": "separate"},
        {"special_tokens": "parse"},
        {"eos": "scored"},
    ):
        score, expected = scorer.score(items[-3:], **keywords), own.score(items[-3:], **keywords)  # type: ignore[call-overload]
        assert all(same(a.logprobs, b.logprobs) for a, b in zip(score, expected, strict=True))
    assert all(isinstance(prompt, list) for prompt in server.prompts[5:])
    assert scorer.signature()["tokenizer"].startswith("sha256:") and scorer.tokenizer.bos_token == "<s>"
    with pytest.raises(OptionError, match="boundary='healed' needs the probability of all tokens that begin alike"):
        scorer.score("a", boundary="healed")
    for extra in ("rank", "entropy"):
        with pytest.raises(OptionError, match=f"extras='{extra}': a server model does not give it; it offers none"):
            scorer.score("a", extras=extra)


def test_chats_are_rendered_by_the_tokenizer(serve: Serve, tmp_path: Path, own: Scorer) -> None:
    tiny_tokenizer(chat=True).save_pretrained(tmp_path)
    own = Scorer(own.model, tiny_tokenizer(chat=True), engine="reference")
    chat = Chat(({"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}))
    assert same(opened(serve("vllm"), tokenizer=tmp_path).score(chat).logprobs, own.score(chat).logprobs)


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
def test_long_texts_are_scored_in_windows_of_what_the_server_reads(
    dialect: str, serve: Serve, tokenizer: Path, own: Scorer
) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 3
    scorer = opened(serve(dialect, limit=30), tokenizer=tokenizer)
    assert scorer.max_length == 29
    expected = Scorer(own.model, own.tokenizer, engine="reference", max_length=29).score(text)
    score = scorer.score(text)
    assert score.num_windows == expected.num_windows > 2 and same(score.logprobs, expected.logprobs)


def test_what_is_too_long_is_an_error_in_its_place(serve: Serve, tokenizer: Path) -> None:
    long = "The quick brown fox jumps over the lazy dog. " * 3
    for options in ({}, {"tokenizer": tokenizer}):
        scorer = opened(serve("completions", limit=30, puts_bos=True), **options)
        found = list(scorer.stream(["one", long, "two"], errors="record"))
        assert isinstance(found[1], ContextLengthError) and found[1].item == 1
        assert "answers 400 (This model's maximum context length is 30 tokens)" in str(found[1])
        assert not isinstance(found[0], Exception) and not isinstance(found[2], Exception)


def test_a_tokenizer_is_of_the_servers_model_or_an_error(serve: Serve, tmp_path: Path, tokenizer: Path) -> None:
    for dialect in ("llama-cpp-python", "tgi"):
        with pytest.raises(OptionError, match="takes no token ids, and cuts texts itself; leave it out"):
            opened(serve(dialect, puts_bos=True), tokenizer=tokenizer)
    other = tiny_tokenizer()
    other.add_tokens([" live", "where"])
    other.save_pretrained(tmp_path)
    for dialect in ("vllm", "sglang"):
        with pytest.raises(TokenizerError, match="the tokenizer is not that of the server at "):
            opened(serve(dialect), tokenizer=tmp_path)
    with pytest.raises(TokenizerError, match="is neither a folder here nor can it be a name on the hub"):
        opened(serve("vllm"), tokenizer="no such/folder/here")
    with pytest.raises(OptionError, match="max_length=9 counts tokens: name the server's tokenizer"):
        Scorer.from_pretrained(serve("vllm").address, max_length=9)


def test_what_is_no_unicode_text_is_an_error_in_its_place(serve: Serve) -> None:
    scorer = opened(serve("completions", puts_bos=True))
    for item in ("a\ud800b", Pair("a", "\ud800")):
        found = list(scorer.stream(["one", item], errors="record"))
        assert isinstance(found[1], InputError) and "is the lone surrogate U+D800" in str(found[1])
        assert found[1].item == 1 and not isinstance(found[0], Exception)


def test_a_token_over_the_end_of_a_context_is_an_error(serve: Serve) -> None:
    with pytest.raises(InputError, match="a token reaches over the end of the context"):
        opened(serve("completions")).score(Pair("The an", "swer"))


@pytest.mark.parametrize("dialect", ["completions", "vllm", "sglang", "llama-cpp-python"])
def test_the_most_probable_tokens_of_texts(dialect: str, serve: Serve, own: Scorer) -> None:
    scorer = opened(serve(dialect, puts_bos=True))
    for k in (1, 4):
        for score, expected in zip(scorer.score(TEXTS, top_k=k), own.score(TEXTS, top_k=k), strict=True):
            assert expected.top_logprobs is not None and expected.top_texts is not None
            assert score.top_logprobs is not None and score.top_texts is not None and score.top_ids is not None
            first = int(dialect == "llama-cpp-python")
            for place in range(first, len(score)):
                told = dict(zip(score.top_texts[place], score.top_logprobs[place].tolist(), strict=False))
                right = dict(zip(expected.top_texts[place], expected.top_logprobs[place].tolist(), strict=True))
                # Servers name a part of a character by no text, so that two of them may come as one.
                whole = {text: number for text, number in right.items() if "\\x" not in text}
                assert {text for text in told if text} == set(whole) or dialect == "llama-cpp-python"
                assert all(same(told[text], number) for text, number in whole.items())
                if dialect == "sglang":
                    assert score.top_ids[place].tolist() == expected.top_ids[place].tolist()  # type: ignore[index]
    assert scorer.score("one", top_k=3).logprobs.tobytes() == scorer.score("one").logprobs.tobytes()


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
def test_the_most_probable_tokens_of_ids(dialect: str, serve: Serve, own: Scorer, tokenizer: Path) -> None:
    scorer = opened(serve(dialect), tokenizer=tokenizer)
    items = [*TEXTS, *PARTS, Pair("The an", "swer")]
    for score, expected in zip(scorer.score(items, top_k=5), own.score(items, top_k=5), strict=True):
        assert score.top_ids is not None and expected.top_ids is not None
        assert score.top_ids.tolist() == expected.top_ids.tolist() and score.top_texts == expected.top_texts
        assert same(score.top_logprobs, expected.top_logprobs)
        assert score.greedy is not None and expected.greedy is not None
        assert score.greedy.tolist() == expected.greedy.tolist()


@pytest.mark.parametrize(
    ("dialect", "said"),
    [
        ("vllm", "does not give so many of the most probable tokens: it answers 400 .*greater than max allowed: 20"),
        ("sglang", "gives the log-probabilities of at most 20 tokens of a place"),
    ],
)
def test_more_of_them_than_a_server_gives_are_refused(dialect: str, said: str, serve: Serve, tokenizer: Path) -> None:
    server = serve(dialect)
    for options in ({}, {"tokenizer": tokenizer}):
        scorer = opened(server, **options)
        assert scorer.score("one two", top_k=20).top_logprobs is not None
        with pytest.raises(OptionError, match=f"top_k=21: the server at http://127.0.0.1:.* {said}"):
            scorer.score("one two", top_k=21)


def test_who_gives_none_of_them_says_so(serve: Serve, tokenizer: Path) -> None:
    by_text = opened(serve("completions"), tokenizer=tokenizer)
    for scorer in (opened(serve("tgi", puts_bos=True)), by_text):
        with pytest.raises(OptionError, match=r"top_k=2: a server model gives .*the text's own tokens alone"):
            scorer.score("one", top_k=2)
