from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from seqscore import Scorer
from seqscore.errors import TokenizerError
from seqscore.models.load.quiet import quiet_transformers
from seqscore.models.load.tokenizer import load_tokenizer

TEXT = "a  2 and 2023, don't\n\n  cafe\u0301 日本 <|im_end|> the cat"


def _load(folder: Path, said: list[str] | None = None) -> Any:
    with quiet_transformers():
        common = {"trust_remote_code": False, "local_files_only": True}
        return load_tokenizer(folder, common, None if said is None else said.append)


@pytest.mark.parametrize(
    "name",
    [
        "GPT2Tokenizer",
        "GPT2TokenizerFast",
        "Qwen2Tokenizer",
        "GPTNeoXTokenizerFast",
        "LlamaTokenizer",
        "GemmaTokenizer",
    ],
)
def test_the_file_decides_whatever_class_is_named(checkpoint: Path, edit: Callable[..., None], name: str) -> None:
    edit(checkpoint / "tokenizer_config.json", tokenizer_class=name)
    written = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    read = _load(checkpoint)
    expected = written.encode(TEXT, add_special_tokens=False).ids
    assert read(TEXT, add_special_tokens=False).input_ids == expected
    assert read.decode(expected) == written.decode(expected, skip_special_tokens=False)


def test_transformers_alone_would_split_otherwise_and_the_notice_says_so(
    checkpoint: Path, edit: Callable[..., None]
) -> None:
    from transformers import AutoTokenizer

    edit(checkpoint / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
    said: list[str] = []
    assert _load(checkpoint, said).tokenize("a  2") == ["a", "ĠĠ", "2"]
    assert AutoTokenizer.from_pretrained(checkpoint).tokenize("a  2") != ["a", "ĠĠ", "2"]
    assert len(said) == 1
    assert "transformers' GPT2Tokenizer had replaced its pre_tokenizer" in said[0]


def test_nothing_is_said_where_nothing_was_lost(checkpoint: Path, tokenizer: Any, tmp_path: Path) -> None:
    said: list[str] = []
    _load(checkpoint, said)
    from transformers import GPT2Tokenizer

    vocabulary = dict(tokenizer.get_vocab())
    own = GPT2Tokenizer(vocab=vocabulary, merges=[])
    own.save_pretrained(tmp_path / "gpt2")
    (tmp_path / "gpt2" / "config.json").write_text('{"model_type": "gpt2"}')
    assert type(_load(tmp_path / "gpt2", said)).__name__ == "GPT2Tokenizer"
    assert said == []


def test_whole_words_are_kept(checkpoint: Path, edit: Callable[..., None]) -> None:
    written = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    model: Any = written.model
    model.ignore_merges = True
    written.save(str(checkpoint / "tokenizer.json"))
    edit(checkpoint / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
    assert _load(checkpoint).backend_tokenizer.model.ignore_merges is True


def test_a_prefix_space_that_is_asked_for_stays(checkpoint: Path, edit: Callable[..., None]) -> None:
    from tokenizers import pre_tokenizers

    written = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    own: Any = written
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    written.save(str(checkpoint / "tokenizer.json"))
    edit(checkpoint / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer", add_prefix_space=True)
    assert _load(checkpoint).tokenize("x") == ["Ġ", "x"]


@pytest.mark.parametrize("content", ["", "{}", '{"version": "1.0"}', "[1]"])
def test_a_broken_file_is_an_error(checkpoint: Path, content: str) -> None:
    (checkpoint / "tokenizer.json").write_text(content)
    with pytest.raises(TokenizerError, match="cannot read the tokenizer in"):
        _load(checkpoint)


@pytest.mark.parametrize("length", ["x", [1], True])
def test_a_length_that_is_no_number(checkpoint: Path, edit: Callable[..., None], length: object) -> None:
    edit(checkpoint / "tokenizer_config.json", model_max_length=length)
    with pytest.raises(TokenizerError, match=r"model_max_length is .*, expected a number"):
        _load(checkpoint)


@pytest.mark.parametrize("part", ["normalizer", "decoder"])
def test_a_file_that_multiplies_texts_is_refused_before_it_is_loaded(
    checkpoint: Path, edit: Callable[..., None], part: str
) -> None:
    """While it is loaded, an added token runs through the normaliser."""
    grow = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}
    added = dict.fromkeys(("single_word", "lstrip", "rstrip", "special"), False)
    edit(
        checkpoint / "tokenizer.json",
        added_tokens=[{"id": 300, "content": "aaaa", "normalized": True, **added}],
        **{part: {"type": "Sequence", f"{part}s": [grow] * 3}},
    )
    with pytest.raises(TokenizerError, match=rf"the {part} in .*tokenizer.json makes texts more than 256 times"):
        _load(checkpoint)


def test_a_vocabulary_of_equal_ids_is_refused(checkpoint: Path, edit: Callable[..., None], model: Any) -> None:
    """The library panics while it copies such a tokenizer."""
    written = json.loads((checkpoint / "tokenizer.json").read_text())["model"]
    edit(checkpoint / "tokenizer.json", model={**written, "vocab": dict.fromkeys(written["vocab"], 0)})
    with pytest.raises(TokenizerError, match="cannot be used: range end index"):
        Scorer(model, _load(checkpoint)).score("a")
