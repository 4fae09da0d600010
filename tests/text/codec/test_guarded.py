from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Regex, decoders, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from seqscore import Scorer
from seqscore.errors import TokenizerError
from seqscore.text.codec.encoder import TextEncoder
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer
from tests.tokenizers_for_tests import SlowWords, build

BACKTRACKS = "(b+)+c$"  # more tries than the library takes, for enough b in a row without a c
BAD = "b" * 60 + "!"


def with_splitter(pattern: str) -> PreTrainedTokenizerFast:
    tokenizer = tiny_tokenizer()
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_])
    return tokenizer


def test_a_panic_is_no_exception_so_that_it_needs_this_care() -> None:
    backend = with_splitter(BACKTRACKS).backend_tokenizer
    with pytest.raises(BaseException) as caught:
        backend.encode(BAD)
    assert not isinstance(caught.value, Exception)


@pytest.mark.parametrize("special_tokens", ["literal", "parse"])
def test_a_text_at_which_the_splitter_panics_is_an_error_of_that_item_alone(special_tokens: Any) -> None:
    model, tokenizer = tiny_model("llama"), with_splitter(BACKTRACKS)
    scorer = Scorer(model, tokenizer)
    rows = ["first", BAD, "last"]
    first, bad, last = scorer.stream(rows, errors="record", special_tokens=special_tokens)
    alone = scorer.score(["first", "last"], special_tokens=special_tokens)
    assert [first.log_likelihood, last.log_likelihood] == [one.log_likelihood for one in alone]
    assert isinstance(bad, TokenizerError) and "retry-limit-in-match" in bad.message and bad.item == 1
    with pytest.raises(TokenizerError, match="item 1: the tokenizer cannot encode this text"):
        scorer.score(rows, special_tokens=special_tokens)


def test_a_panic_in_a_normaliser_or_while_decoding_is_an_error_too() -> None:
    tokenizer = tiny_tokenizer()
    ids = tokenizer.encode(BAD, add_special_tokens=False)
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace(Regex(BACKTRACKS), "")
    with pytest.raises(TokenizerError, match="cannot encode"):
        TextEncoder(tokenizer).encode(BAD)
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.decoder = decoders.Sequence([decoders.Fuse(), decoders.Replace(Regex(BACKTRACKS), "")])
    with pytest.raises(TokenizerError, match="cannot decode"):
        TextEncoder(tokenizer).from_ids(ids)


def test_normalisers_and_decoders_that_multiply_are_refused_before_they_are_tried() -> None:
    tripled = [normalizers.Replace("a", "a" * 1000)] * 3  # "aaaa" would be 4 TB, and the process would be gone
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(tripled)
    with pytest.raises(TokenizerError, match="normalizer makes texts more than 256 times as long"):
        TextEncoder(tokenizer)
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.decoder = decoders.Sequence([decoders.Replace("a", "a" * 1000)] * 3)
    with pytest.raises(TokenizerError, match="decoder makes texts"):
        TextEncoder(tokenizer)


class Stubborn(SlowWords):
    """Raises what it is told to at the word "stop"."""

    kind: type[BaseException] = RuntimeError

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        if "stop" in text:
            raise self.kind("said so")
        return list(super()._tokenize(text, **kwargs))


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError, RecursionError, ValueError])
def test_whatever_a_tokenizer_in_python_raises_is_an_error_of_ours(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stubborn, "kind", kind)
    slow = build("slow-words")
    slow.__class__ = Stubborn
    with pytest.raises(TokenizerError, match="cannot encode this text: said so"):
        TextEncoder(slow).encode("stop")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_passes(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stubborn, "kind", kind)
    slow = build("slow-words")
    slow.__class__ = Stubborn
    encoder = TextEncoder(slow)
    with pytest.raises(kind):
        encoder.encode("stop")
