from __future__ import annotations

import copy
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from seqscore.errors import TokenizerError
from seqscore.policies import SpecialTokensPolicy
from seqscore.text.codec.encoder import TextEncoder
from seqscore.text.codec.python_source import PythonSource
from seqscore.text.codec.rust_source import RustSource
from seqscore.text.codec.sources import open_source
from tests.masked_models import residues
from tests.tokenizers_for_tests import KINDS, SlowWords, build


class Shouting(PreTrainedTokenizerFast):  # type: ignore[misc]
    """A fast tokenizer whose class adds a step of its own."""

    def _encode_plus(self, text: Any, **kwargs: Any) -> Any:
        return super()._encode_plus(text.replace("!", " the"), **kwargs)


class Overeager(SlowWords):
    """Puts an end token after every text, asked or not."""

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        return [*super()._tokenize(text), "</s>"]


class Talkative(SlowWords):
    """Has a token for no text at all."""

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        return super()._tokenize(text) or ["a"]


class Reluctant(SlowWords):
    """Cannot be copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        raise RuntimeError("holds a lock")


@pytest.mark.parametrize("kind", KINDS)
def test_fast_tokenizers_are_spoken_to_directly(kind: str) -> None:
    tokenizer = build(kind)
    source = open_source(tokenizer, "literal")
    assert isinstance(source, RustSource if tokenizer.is_fast else PythonSource)
    assert source.size() == max(tokenizer.get_vocab().values()) + 1
    assert source.decode(source.ids(["the cat"])[0]) == tokenizer.decode(
        tokenizer("the cat", add_special_tokens=False)["input_ids"], clean_up_tokenization_spaces=False
    )


@pytest.mark.parametrize(("special_tokens", "found"), [("literal", False), ("parse", True)])
def test_backend_source_by_itself(special_tokens: SpecialTokensPolicy, found: bool) -> None:
    backend = build("byte-level").backend_tokenizer
    backend.encode_special_tokens = found  # what it is set to must not matter
    backend.enable_truncation(2)
    backend.enable_padding(length=9, pad_id=0, pad_token="<|endoftext|>")
    source = RustSource(backend, {0: "<|endoftext|>"}, special_tokens)
    ids = source.ids(["the cat<|endoftext|> the cat"])[0]
    assert (0 in ids) is found
    assert len(ids) > 4
    assert source.with_defaults("the cat a") == (source.ids(["the cat a"])[0], [False] * 3)


def test_truncation_and_padding_are_no_step_of_the_class() -> None:
    tokenizer = build("byte-level")
    tokenizer.backend_tokenizer.enable_truncation(2)
    assert isinstance(open_source(tokenizer, "literal"), RustSource)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.enable_padding(length=9, pad_id=0, pad_token="<|endoftext|>")
    assert isinstance(open_source(tokenizer, "literal"), RustSource)


def test_steps_that_a_class_adds_are_kept() -> None:
    tokenizer = Shouting(tokenizer_object=build("byte-level").backend_tokenizer, eos_token="<|endoftext|>")
    source = open_source(tokenizer, "literal")
    assert isinstance(source, RustSource)  # no probe shows the step ...
    tokenizer = Shouting(tokenizer_object=build("characters").backend_tokenizer, unk_token="<unk>")
    probe = "a b"
    tokenizer._encode_plus = lambda text, **kwargs: PreTrainedTokenizerFast._encode_plus(  # type: ignore[method-assign]
        tokenizer, text + "." * (text == probe), **kwargs
    )
    source = open_source(tokenizer, "literal")
    assert isinstance(source, PythonSource)  # ... unless one does
    mine = TextEncoder(tokenizer)
    encoded = mine.encode("a b")
    assert len(encoded.ids) == 4
    assert encoded.ends.tolist()[-1] == 3
    assert not encoded.exact


@pytest.mark.parametrize(
    ("kind", "unknown"),
    [
        ("byte-level", None),
        ("llama-2", None),
        ("llama-2-unknown", "<unk>"),
        ("unigram", "<unk>"),
        ("wordpiece", "[UNK]"),
        ("characters", "<unk>"),
        ("slow-words", "<unk>"),
    ],
)
def test_unknown_token(kind: str, unknown: str | None) -> None:
    tokenizer = build(kind)
    expected = None if unknown is None else tokenizer.convert_tokens_to_ids(unknown)
    assert open_source(tokenizer, "literal").unknown == expected


def test_an_unknown_token_with_another_task_is_none() -> None:
    source = open_source(SlowWords(pad_token="<unk>"), "literal")
    assert source.unknown is None


@pytest.mark.parametrize(
    ("kind", "alphabet", "byte_tokens"), [("byt5", "latin1", False), ("slow-words", "plain", False)]
)
def test_style_of_a_tokenizer_in_python_is_tried_out(kind: str, alphabet: str, byte_tokens: bool) -> None:
    style = open_source(build(kind), "literal").style
    assert (style.alphabet, style.byte_tokens) == (alphabet, byte_tokens)


def test_special_only_to_the_class_is_special() -> None:
    backend = build("byte-level").backend_tokenizer
    backend.add_tokens([AddedToken("<|im_end|>", special=False, normalized=False)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>")
    number = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert not tokenizer.backend_tokenizer.get_added_tokens_decoder()[number].special
    assert number not in TextEncoder(tokenizer).encode("the<|im_end|>").ids
    assert number in TextEncoder(tokenizer, special_tokens="parse").encode("the<|im_end|>").ids


def test_ordinary_tokens_with_a_second_task_stay_ordinary() -> None:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=build("byte-level").backend_tokenizer, pad_token="!", eos_token="ĊĊ"
    )
    mine = TextEncoder(tokenizer)
    pieces = [mine.piece(token_id) for token_id in mine.encode("the!\n\n").ids.tolist()]
    assert pieces == [b"the", b"!", b"\n\n"]


def test_dropout_is_off() -> None:
    tokenizer = build("byte-level")
    tokenizer.backend_tokenizer.model.dropout = 0.9
    mine = TextEncoder(tokenizer)
    assert {tuple(mine.encode("the cat and the cat").ids.tolist()) for _ in range(20)} == {
        tuple(TextEncoder(build("byte-level")).encode("the cat and the cat").ids.tolist())
    }


def test_sampling_is_off() -> None:
    settings = {"nbest_size": 20, "alpha": 0.1}
    pieces = [("<unk>", 0.0), ("▁", -1.0), ("a", -2.0), ("b", -2.0), ("ab", -3.0), ("▁a", -2.5)]
    backend = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    tokenizer.backend_tokenizer.model = models.Unigram(pieces, unk_id=0, byte_fallback=False, **settings)
    assert len({tuple(tokenizer("abababab")["input_ids"]) for _ in range(30)}) > 1
    mine = TextEncoder(tokenizer)
    assert len({tuple(mine.encode("abababab").ids.tolist()) for _ in range(30)}) == 1


def test_a_text_that_cannot_be_encoded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Tokenizer(models.WordLevel({"the": 0, "[UNK]": 1}, unk_token="<missing>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    tokenizer.backend_tokenizer.add_tokens(["a", "b", ",", "Hello", "world:", "3", "é", "日本", "😀"])
    mine = TextEncoder(tokenizer)
    with pytest.raises(TokenizerError, match=r"^the tokenizer cannot encode this text: ") as alone:
        mine.encode("the zebra")
    assert alone.value.item is None
    with pytest.raises(TokenizerError) as caught:
        mine.encode_batch(["the", "", "the zebra", "the"])
    assert caught.value.item == 2
    monkeypatch.setattr("seqscore.text.codec.encoder._CHUNK_TEXTS", 2)
    with pytest.raises(TokenizerError) as caught:
        mine.encode_batch(["the", "", "the", "", "", "the zebra", "the"])
    assert caught.value.item == 5


def test_special_tokens_that_nobody_asked_for() -> None:
    with pytest.raises(TokenizerError) as caught:
        TextEncoder(Overeager())
    assert str(caught.value) == (
        "the tokenizer puts its special token '</s>' (id 1) into the text 'a b' although add_special_tokens=False; "
        "it cannot be used to score plain text"
    )


def test_an_empty_text_has_no_tokens_whatever_the_tokenizer_says() -> None:
    mine = TextEncoder(Talkative())
    assert mine.encode(" ").ids.tolist() == [5]
    assert mine.encode("").ids.tolist() == []
    assert mine.encode_with_defaults("").ids.tolist() == [1]


def test_a_tokenizer_that_cannot_be_copied() -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer \(Reluctant\) cannot be copied.*holds a lock"):
        TextEncoder(Reluctant())


def test_a_tokenizer_in_python_that_cannot_be_literal_says_so() -> None:
    mine = TextEncoder(SlowWords())
    with pytest.raises(TokenizerError, match="reads the text '</s>' as its special token 1 even when told not to"):
        mine.encode("the </s> cat")
    assert mine.encode("the</s>cat").ids.tolist() == [0]  # one unknown word
    with pytest.raises(TokenizerError) as caught:
        mine.encode_batch(["the", "the </s> cat"])
    assert caught.value.item == 1


def test_added_tokens_of_a_tokenizer_in_python() -> None:
    tokenizer = SlowWords()
    tokenizer.add_tokens(["<code>"])
    mine = TextEncoder(tokenizer)
    number = tokenizer.convert_tokens_to_ids("<code>")
    assert mine.encode("the<code>cat").ids.tolist() == [2, number, 3]
    with pytest.raises(TokenizerError, match=r"cannot keep its added token '<code>' whole and read .* '</s>' as text"):
        mine.encode("the<code>cat</s>")
    parsed = TextEncoder(tokenizer, special_tokens="parse").encode("the<code>cat</s>")
    assert parsed.ids.tolist() == [2, number, 3, 1]


def test_the_copy_is_the_encoders_own() -> None:
    tokenizer = build("byte-level")
    mine = TextEncoder(tokenizer)
    before = mine.encode("the zyx").ids.tolist()
    tokenizer.add_tokens(["zyx"])
    assert mine.encode("the zyx").ids.tolist() == before
    assert copy.deepcopy(tokenizer)("zyx")["input_ids"] == [len(tokenizer) - 1]


def test_a_vocabulary_that_is_found_like_added_tokens_is_found() -> None:
    """ESM's: with special tokens split nothing would be."""
    tokenizer = residues()
    for special_tokens in ("literal", "parse"):
        encoded = TextEncoder(tokenizer, special_tokens=special_tokens).encode("MKV")
        assert encoded.ids.tolist() == tokenizer("MKV", add_special_tokens=False)["input_ids"] == [20, 15, 7]
        assert encoded.exact and encoded.ends.tolist() == [1, 2, 3]
    with pytest.raises(TokenizerError, match="cannot read the special token '<mask>' as text without cutting the rest"):
        TextEncoder(tokenizer).encode("MK<mask>V")
    assert TextEncoder(tokenizer, special_tokens="parse").encode("MK<mask>V").ids.tolist() == [20, 15, 32, 7]
