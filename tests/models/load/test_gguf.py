from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from seqscore.errors import ModelError, TokenizerError
from seqscore.models.load.gguf import SPLITTERS, apply_splitter, load_gguf, read_header
from tests.models.conftest import make_model, write_gguf

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def model() -> Any:
    return make_model(num_hidden_layers=1)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, model: Any, tokenizer: Any) -> Path:
    return write_gguf(tmp_path_factory.mktemp("written") / "tiny.gguf", model, tokenizer)


@pytest.fixture(scope="module")
def whole(written: Path) -> tuple[Any, Any]:
    """Model and tokenizer of a file with nothing wrong, read once."""
    return _load(written)


def _load(path: Path, dtype: str = "float32") -> tuple[Any, Any]:
    return load_gguf(path, read_header(path), dtype=dtype)


def _load_tokenizer(path: Path) -> Any:
    """The tokenizer alone: reading the weights takes longer."""
    with patch("seqscore.models.load.gguf._check_nothing_dropped"):
        return _load_over(path, torch.nn.Identity())[1]


def _load_over(path: Path, model: Any) -> tuple[Any, Any]:
    """All but the weights, in whose place are those of a model that was read before."""
    with patch("seqscore.models.load.gguf._read_model", return_value=model):
        return _load(path)


def test_model_and_tokenizer_are_those_that_were_written(whole: tuple[Any, Any], model: Any, tokenizer: Any) -> None:
    loaded, read = whole
    expected = model.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.state_dict().items())
    assert read.get_vocab() == tokenizer.get_vocab()
    for text in ("a  2 and 2023", "don't\n\n  naïve 12 3", "the cat sat"):
        assert read(text).input_ids == tokenizer(text).input_ids
    assert read.chat_template == "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def test_dtype_and_place_and_nothing_is_said(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], model: Any
) -> None:
    """A file of the same name in the current folder is not taken."""
    (tmp_path / written.name).write_bytes(b"another file")
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    loaded, _ = _load(written, "bfloat16")
    assert capfd.readouterr() == ("", "")
    for name, weight in loaded.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name].bfloat16())


def test_what_transformers_needs_to_read_one_is_a_dependency(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours imports accelerate. Does this fail since transformers does without, the dependency can go."""
    monkeypatch.setattr("transformers.modeling_utils.is_accelerate_available", lambda: False)
    with pytest.raises(ModelError, match="accelerate is required when loading a GGUF file"):
        _load(written)
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(one.startswith("accelerate>=") for one in project["dependencies"])


def test_it_can_be_saved_like_any_other(whole: tuple[Any, Any], tmp_path: Path) -> None:
    loaded, _ = whole
    assert not hasattr(loaded.config, "quantization_config")
    assert loaded.hf_quantizer is None
    loaded.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "model.safetensors").is_file()


def test_the_splitter_follows_the_name(make_gguf: Make, whole: tuple[Any, Any]) -> None:
    """transformers alone would cut with GPT-2's splitter whatever the name."""
    gpt2 = _load_tokenizer(make_gguf(pre="gpt-2"))
    _, smollm = whole
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
    qwen = _load_tokenizer(make_gguf(pre="qwen2"))
    assert qwen("cafe\u0301").input_ids == qwen("caf\u00e9").input_ids
    assert qwen.backend_tokenizer.model.ignore_merges is False
    llama = _load_tokenizer(make_gguf(pre="llama-bpe"))
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


def test_sentencepiece_needs_no_splitter(make_gguf: Make, tokenizer: Any) -> None:
    read = _load_tokenizer(make_gguf(kind="llama", pre=None))
    assert read.get_vocab().items() >= tokenizer.get_vocab().items()
    assert "ByteLevel" not in str(read.backend_tokenizer.pre_tokenizer)


def test_a_missing_weight_is_an_error(make_gguf: Make) -> None:
    with pytest.raises(
        ModelError, match=r"lacks 1 of the model's weights, e\.g\. model\.layers\.0\.mlp\.up_proj\.weight"
    ):
        _load(make_gguf(without="blk.0.ffn_up.weight"))


def test_weights_that_transformers_would_drop_are_an_error(make_gguf: Make, whole: tuple[Any, Any]) -> None:
    with pytest.raises(ModelError, match="some are dropped, so its numbers would be wrong"):
        _load_over(make_gguf(tensors={"blk.0.attn_sinks.weight": np.ones(4, dtype=np.float32)}), whole[0])


def test_scaled_rotary_frequencies_are_an_error(make_gguf: Make, whole: tuple[Any, Any]) -> None:
    plain = np.ones(4, dtype=np.float32)
    with pytest.raises(ModelError, match="scales its rotary frequencies"):
        _load_over(make_gguf("scaled.gguf", tensors={"rope_freqs.weight": plain * 8}), whole[0])
    with pytest.raises(ModelError, match=r"scales its rotary positions \(yarn\)"):
        _load_over(make_gguf("yarn.gguf", entries={"llama.rope.scaling.type": "yarn"}), whole[0])


def test_plain_rotary_frequencies_and_an_untied_head_are_read(make_gguf: Make, model: Any) -> None:
    own = torch.randn(model.lm_head.weight.shape).numpy()
    tensors = {"output.weight": own, "rope_freqs.weight": np.ones(4, dtype=np.float32)}
    loaded, _ = _load(make_gguf(tensors=tensors, entries={"llama.rope.scaling.type": "none"}))
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
def test_a_file_cut_short(written: Path, tmp_path: Path, share: float) -> None:
    path, content = tmp_path / "short.gguf", written.read_bytes()
    path.write_bytes(content[: max(int(len(content) * share), 5)])
    with pytest.raises(ModelError, match=r"is not a whole GGUF file .*fetch it again"):
        read_header(path)
