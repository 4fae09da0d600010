"""Tiny checkpoints, made in the test run: a byte-level tokenizer, a two-layer Llama, and both as a GGUF file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 300
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_CORPUS = [
    "the cat sat on the mat  in 2023 and 20 23",
    "a  2 and don't 're they'll 123 456",
    "  spaces  here ",
    "naïve café",
]


def make_tokenizer() -> Any:
    """A byte-level BPE tokenizer of exactly ``VOCABULARY`` tokens, digits set apart, as SmolLM's."""
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(_CORPUS * 3, trainer)
    assert backend.get_vocab_size() == VOCABULARY
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=SPECIALS[1],
        eos_token=SPECIALS[2],
        pad_token=SPECIALS[2],
        unk_token=SPECIALS[0],
    )


def make_model(**changes: Any) -> Any:
    """A random two-layer Llama with tied embeddings."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**{**settings, **changes})).eval()


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture(scope="session")
def model() -> Any:
    return make_model()


@pytest.fixture(scope="session")
def _saved(tmp_path_factory: pytest.TempPathFactory, model: Any, tokenizer: Any) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "tiny-llama"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def checkpoint(_saved: Path, tmp_path: Path) -> Path:
    """A fresh copy of the tiny checkpoint, to be changed at will."""
    return Path(shutil.copytree(_saved, tmp_path / "tiny-llama"))


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """No test here reads or writes the user's cache, but for the one that loads the real default model."""
    if request.node.get_closest_marker("default_model") is None:
        monkeypatch.setenv("SEQSCORE_CACHE", str(tmp_path / "cache"))


def edit_json(path: Path, **changes: Any) -> None:
    """Set entries of a JSON file; None removes one."""
    value = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({key: item for key, item in value.items() if item is not None}), encoding="utf-8")


@pytest.fixture
def edit() -> Callable[..., None]:
    return edit_json


def write_gguf(
    path: Path,
    model: Any,
    tokenizer: Any,
    *,
    pre: str | None = "smollm",
    kind: str = "gpt2",
    without: str | None = None,
    tensors: dict[str, Any] | None = None,
    entries: dict[str, str] | None = None,
    parts: int | None = None,
    architecture: str = "llama",
) -> Path:
    """Write a tiny Llama and a byte-level tokenizer as llama.cpp's converter does; ``tensors`` come on top: arrays, or
    bytes and their type."""
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    _write_tokenizer(writer, tokenizer, kind, pre)
    for name, value in (entries or {}).items():
        writer.add_string(name, value)
    if parts is not None:
        writer.add_uint16("split.count", parts)
    for name, value in {**_gguf_tensors(model), **(tensors or {})}.items():
        if name != without:
            value, raw = value if isinstance(value, tuple) else (value, None)
            writer.add_tensor(name, value, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_tokenizer(writer: Any, tokenizer: Any, kind: str, pre: str | None) -> None:
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    writer.add_tokenizer_model(kind)
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(vocabulary)
    writer.add_token_types([3 if token in SPECIALS else 1 for token in vocabulary])
    writer.add_token_merges([" ".join(pair) for pair in described["model"]["merges"]])
    if kind == "llama":
        writer.add_token_scores([float(-index) for index in range(len(vocabulary))])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}")


_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def _gguf_tensors(model: Any) -> dict[str, np.ndarray]:
    heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
    tensors = {}
    for name, weight in model.named_parameters():
        value = weight.detach().numpy()
        parts = name.removeprefix("model.").removesuffix(".weight").split(".")
        if parts[0] == "layers":
            if parts[-1] in heads:  # llama.cpp keeps the two halves of a rotary pair side by side
                value = value.reshape(heads[parts[-1]], 2, -1, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
            tensors[f"blk.{parts[1]}.{_NAMES['.'.join(parts[2:])]}.weight"] = np.ascontiguousarray(value)
        else:
            tensors[
                {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}[parts[0]] + ".weight"
            ] = value
    return tensors


@pytest.fixture
def make_gguf(tmp_path: Path, model: Any, tokenizer: Any) -> Callable[..., Path]:
    """Write the tiny model as ``tiny.gguf`` (or ``name``) with the changes given."""

    def make(name: str = "tiny.gguf", **changes: Any) -> Path:
        return write_gguf(tmp_path / name, changes.pop("model", model), tokenizer, **changes)

    return make
