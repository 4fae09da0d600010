"""Tiny random models of many architectures, built from config: a few thousand weights each, no files, no network."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel

VOCABULARY = 300
_GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
_LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
_SPECIAL_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}

CONFIGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "gpt2": _GPT,
        "gpt_neo": {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 8,
            "max_position_embeddings": 64,
        },
        "gptj": {**_GPT, "rotary_dim": 4},
        "gpt_neox": {**_LLAMA, "rotary_pct": 0.25},
        "opt": {
            "hidden_size": 32,
            "ffn_dim": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 64,
            "word_embed_proj_dim": 32,
        },
        "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
        "falcon": {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 64,
            "alibi": True,
            "new_decoder_architecture": False,
        },
        "llama": _LLAMA,
        "mistral": {**_LLAMA, "sliding_window": 8},
        "qwen2": _LLAMA,
        "qwen3": {**_LLAMA, "head_dim": 8},
        "gemma2": {
            **_LLAMA,
            "head_dim": 8,
            "sliding_window": 8,
            "final_logit_softcapping": 3.0,
            "attn_logit_softcapping": 5.0,
            "query_pre_attn_scalar": 8,
        },
        "gemma3_text": {**_LLAMA, "head_dim": 8, "sliding_window": 8, "query_pre_attn_scalar": 8},
        "phi3": {**_LLAMA, "sliding_window": 8},
        "cohere": {**_LLAMA, "logit_scale": 0.25},
        "granite": {**_LLAMA, "logits_scaling": 4.0, "embedding_multiplier": 2.0},
        "olmo2": _LLAMA,
        "stablelm": _LLAMA,
        "roberta": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 66,
            "is_decoder": True,
        },
        "mamba": {"hidden_size": 32, "state_size": 8, "num_hidden_layers": 2},
        "qwen2_moe": {
            **_LLAMA,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 32,
            "num_experts": 4,
            "num_experts_per_tok": 2,
        },
    }
)


def tiny_model(architecture: str, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> PreTrainedModel:
    """A random model of this architecture, its weights large enough for its parts to matter."""
    return _model(architecture, dtype=dtype, seed=seed)


def longrope_model(*, original: int) -> PreTrainedModel:
    """A Phi-3 whose rotary embedding changes for inputs longer than ``original``."""
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0] * 4,
        "long_factor": [4.0] * 4,
        "original_max_position_embeddings": original,
    }
    return _model("phi3", rope_parameters=rope, original_max_position_embeddings=original, sliding_window=None)


def _model(architecture: str, *, dtype: torch.dtype = torch.float32, seed: int = 0, **changes: Any) -> PreTrainedModel:
    settings = {"vocab_size": VOCABULARY, **_SPECIAL_IDS, **CONFIGS[architecture], **changes}
    config = CONFIG_MAPPING[architecture](**settings)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15)
    if dtype == torch.float64 and hasattr(model.config, "num_experts"):
        model.set_experts_implementation("eager")  # grouped products have no float64
    return model.to(dtype).eval()
