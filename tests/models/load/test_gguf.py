from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqscore.errors import ModelError, TokenizerError
from seqscore.models.load.gguf import SPLITTERS, apply_splitter, load_gguf, read_header

Make = Callable[..., Path]


def _load(path: Path, dtype: str = "float32") -> tuple[Any, Any]:
    return load_gguf(path, read_header(path), dtype=dtype)


def test_model_and_tokenizer_are_those_that_were_written(make_gguf: Make, model: Any, tokenizer: Any) -> None:
    loaded, read = _load(make_gguf())
    expected = model.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.state_dict().items())
    assert read.get_vocab() == tokenizer.get_vocab()
    for text in ("a  2 and 2023", "don't\n\n  naïve 12 3", "the cat sat"):
        assert read(text).input_ids == tokenizer(text).input_ids
    assert read.chat_template == "{% for message in messages %}{{ message['content'] }}{% endfor %}"


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_dtype(make_gguf: Make, dtype: str) -> None:
    loaded, _ = _load(make_gguf(), dtype)
    assert {str(weight.dtype) for weight in loaded.parameters()} == {f"torch.{dtype}"}


def test_what_transformers_needs_to_read_one_is_a_dependency(make_gguf: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours imports accelerate. Does this fail since transformers does without, the dependency can go."""
    path = make_gguf()
    monkeypatch.setattr("transformers.modeling_utils.is_accelerate_available", lambda: False)
    with pytest.raises(ModelError, match="accelerate is required when loading a GGUF file"):
        _load(path)
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(one.startswith("accelerate>=") for one in project["dependencies"])


def test_it_can_be_saved_like_any_other(make_gguf: Make, tmp_path: Path) -> None:
    loaded, _ = _load(make_gguf())
    assert not hasattr(loaded.config, "quantization_config")
    assert loaded.hf_quantizer is None
    loaded.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "model.safetensors").is_file()


def test_a_file_of_the_same_name_in_the_current_folder_is_not_taken(
    make_gguf: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Any
) -> None:
    path = make_gguf()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / path.name).write_bytes(b"another file")
    monkeypatch.chdir(tmp_path / "here")
    loaded, _ = _load(path)
    assert torch.equal(loaded.model.norm.weight, model.model.norm.weight)


def test_loading_says_nothing(make_gguf: Make, capfd: pytest.CaptureFixture[str]) -> None:
    path = make_gguf()
    capfd.readouterr()
    _load(path)
    assert capfd.readouterr() == ("", "")


def test_the_splitter_follows_the_name(make_gguf: Make) -> None:
    """transformers alone would cut with GPT-2's splitter whatever the name."""
    _, smollm = _load(make_gguf(pre="smollm"))
    _, gpt2 = _load(make_gguf(pre="gpt-2"))
    assert smollm.tokenize("a  2") == ["a", "ĠĠ", "2"]
    assert gpt2.tokenize("a  2") == ["a", "Ġ", "Ġ", "2"]


_PIECES = {
    "gpt-2": ["I", "'ll", "ĠVE", "'", "LL", "Ġ", "Ġ1234", "ĠCamelCase", "/", "Ċ", "Ċ", "x"],
    "smollm": ["I", "'ll", "ĠVE", "'", "LL", "ĠĠ", "1", "2", "3", "4", "ĠCamelCase", "/", "Ċ", "Ċ", "x"],
    "llama-bpe": ["I", "'ll", "ĠVE", "'LL", "Ġ", "Ġ", "123", "4", "ĠCamelCase", "/ĊĊ", "x"],
    "qwen2": ["I", "'ll", "ĠVE", "'LL", "Ġ", "Ġ", "1", "2", "3", "4", "ĠCamelCase", "/ĊĊ", "x"],
    "tekken": ["I", "'ll", "ĠVE", "'LL", "Ġ", "Ġ", "1", "2", "3", "4", "ĠCamel", "Case", "/ĊĊ", "x"],
    "gpt-4o": ["I'll", "ĠVE'LL", "Ġ", "Ġ", "123", "4", "ĠCamel", "Case", "/ĊĊ", "x"],
}


@pytest.mark.parametrize("name", sorted(SPLITTERS))
def test_pieces_of_every_splitter(tokenizer: Any, name: str) -> None:
    same = {"starcoder": "smollm", "llama3": "llama-bpe", "llama-v3": "llama-bpe"}
    import copy

    own = copy.deepcopy(tokenizer)
    apply_splitter(own, SPLITTERS[name])
    pieces = own.backend_tokenizer.pre_tokenizer.pre_tokenize_str("I'll VE'LL  1234 CamelCase/\n\nx")
    assert [piece for piece, _ in pieces] == _PIECES[same.get(name, name)]


def test_splitters_agree_with_those_of_transformers_where_it_has_them(tokenizer: Any) -> None:
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    both = SPLITTERS.keys() & GGUF_PRE_TOKENIZER_SPLITS.keys()
    assert both >= {"llama-bpe", "qwen2", "tekken", "gpt-4o"}
    assert {name: SPLITTERS[name].pattern for name in both} == {name: GGUF_PRE_TOKENIZER_SPLITS[name] for name in both}


def test_normaliser_and_whole_words(make_gguf: Make) -> None:
    _, qwen = _load(make_gguf(pre="qwen2"))
    assert qwen("cafe\u0301").input_ids == qwen("caf\u00e9").input_ids
    assert qwen.backend_tokenizer.model.ignore_merges is False
    _, llama = _load(make_gguf(pre="llama-bpe"))
    assert llama("cafe\u0301").input_ids != llama("caf\u00e9").input_ids
    assert llama.backend_tokenizer.model.ignore_merges is True


@pytest.mark.parametrize("pre", ["default", "novel", "command-r", None])
def test_an_unknown_splitter_is_an_error_that_says_what_to_do(make_gguf: Make, pre: str | None) -> None:
    expected = f"names the pre-tokenizer '{pre}'" if pre else r"names no pre-tokenizer \(tokenizer\.ggml\.pre\)"
    with pytest.raises(TokenizerError, match=rf"{expected}; known are gpt-2, smollm.*use the model's safetensors"):
        _load(make_gguf(pre=pre))


@pytest.mark.parametrize("kind", ["bert", "t5", "rwkv", ""])
def test_other_tokenizers_are_refused(make_gguf: Make, kind: str) -> None:
    with pytest.raises(TokenizerError, match=f"tokenizer of type '{kind}', which is not supported"):
        _load(make_gguf(kind=kind))


def test_sentencepiece_needs_no_splitter(make_gguf: Make) -> None:
    loaded, _ = _load(make_gguf(kind="llama", pre=None))
    assert type(loaded).__name__ == "LlamaForCausalLM"


def test_a_missing_weight_is_an_error(make_gguf: Make) -> None:
    with pytest.raises(
        ModelError, match=r"lacks 1 of the model's weights, e\.g\. model\.layers\.1\.mlp\.up_proj\.weight"
    ):
        _load(make_gguf(without="blk.1.ffn_up.weight"))


def test_weights_that_transformers_would_drop_are_an_error(make_gguf: Make) -> None:
    with pytest.raises(ModelError, match="some are dropped, so its numbers would be wrong"):
        _load(make_gguf(tensors={"blk.1.attn_sinks.weight": np.ones(4, dtype=np.float32)}))


def test_scaled_rotary_frequencies_are_an_error_and_plain_ones_are_not(make_gguf: Make) -> None:
    plain = np.ones(4, dtype=np.float32)
    _load(make_gguf("plain.gguf", tensors={"rope_freqs.weight": plain}))
    with pytest.raises(ModelError, match="scales its rotary frequencies"):
        _load(make_gguf("scaled.gguf", tensors={"rope_freqs.weight": plain * 8}))
    with pytest.raises(ModelError, match=r"scales its rotary positions \(yarn\)"):
        _load(make_gguf("yarn.gguf", entries={"llama.rope.scaling.type": "yarn"}))
    _load(make_gguf("none.gguf", entries={"llama.rope.scaling.type": "none"}))


def test_an_untied_head_is_read(make_gguf: Make, model: Any) -> None:
    own = torch.randn(model.lm_head.weight.shape).numpy()
    loaded, _ = _load(make_gguf(tensors={"output.weight": own}))
    assert torch.equal(loaded.lm_head.weight, torch.from_numpy(own))


@pytest.mark.parametrize("architecture", ["bert", "novel"])
def test_an_architecture_that_cannot_be_read(make_gguf: Make, architecture: str) -> None:
    with pytest.raises(ModelError):
        _load(make_gguf(architecture=architecture))


def test_one_of_several_parts(make_gguf: Make) -> None:
    with pytest.raises(ModelError, match="one part of a GGUF in several"):
        read_header(make_gguf(parts=2))
    with pytest.raises(ModelError, match="one part of a GGUF in several"):
        read_header(make_gguf("x-00001-of-00003.gguf"))
    assert read_header(make_gguf("x-00001-of-00001.gguf")).pre == "smollm"


def test_not_a_gguf(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(ModelError, match=r"x\.gguf is not a GGUF file: it begins with b'PK"):
        read_header(tmp_path / "x.gguf")
    (tmp_path / "x.gguf").write_bytes(b"")
    with pytest.raises(ModelError, match="not a GGUF file"):
        read_header(tmp_path / "x.gguf")


@pytest.mark.parametrize("share", [0.0005, 0.05, 0.5, 0.999])
def test_a_file_cut_short(make_gguf: Make, share: float) -> None:
    path = make_gguf()
    content = path.read_bytes()
    path.write_bytes(content[: max(int(len(content) * share), 5)])
    with pytest.raises(ModelError, match=r"is not a whole GGUF file .*fetch it again"):
        read_header(path)
