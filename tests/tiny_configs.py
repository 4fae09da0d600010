"""Settings of tiny models of many architectures: the fewest layers that show every kind of layer an architecture has.

Windows and chunks are 8 wide, so that short texts outgrow them. ``model_type`` stands only where an architecture
comes in more than one variant.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

VOCABULARY = 300
CONTEXT = 1024
SPECIAL_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}

_GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT}
_MULTI_HEAD = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
}
_LLAMA = {**_MULTI_HEAD, "num_key_value_heads": 2}
_HEADS_OF_8 = {**_LLAMA, "head_dim": 8}
_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
_SMALL_EXPERTS = {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2}
_SLIDING_THEN_FULL = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
# Multi-head latent attention: keys of 12 (8 without position, 4 with) and values of 6.
_LATENT = {
    **_MULTI_HEAD,
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 6,
    "moe_intermediate_size": 16,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
}
# State-space layers in the manner of Mamba 2; chunks of 16 positions.
_STATE_SPACE = {
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
    "mamba_expand": 2,
    "mamba_chunk_size": 16,
}

_ABSOLUTE_OR_BIASED_POSITIONS: dict[str, dict[str, Any]] = {
    "gpt2": _GPT,
    "gpt_bigcode": _GPT,
    "gpt_neo": {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 8,
        "max_position_embeddings": CONTEXT,
    },
    "openai-gpt": _GPT,
    "ctrl": {**_GPT, "dff": 64},
    "opt": {
        "hidden_size": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT,
        "word_embed_proj_dim": 32,
    },
    "biogpt": _MULTI_HEAD,
    "roberta": {**_MULTI_HEAD, "max_position_embeddings": CONTEXT + 2, "is_decoder": True},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": CONTEXT},
    "falcon": {**_MULTI_HEAD, "alibi": True, "new_decoder_architecture": False},
}

_ROTARY: dict[str, dict[str, Any]] = {
    "apertus": _LLAMA,
    "arcee": _LLAMA,
    "bitnet": _LLAMA,
    "codegen": {**_GPT, "n_ctx": CONTEXT, "rotary_dim": 4},
    "cohere": {**_LLAMA, "logit_scale": 0.25},
    "diffllama": _LLAMA,
    "ernie4_5": _HEADS_OF_8,
    "falcon_rotary": {
        **_MULTI_HEAD,
        "model_type": "falcon",
        "num_kv_heads": 2,
        "alibi": False,
        "new_decoder_architecture": True,
    },
    "gemma": _HEADS_OF_8,
    "glm": _HEADS_OF_8,
    "glm4": _HEADS_OF_8,
    "gpt_neox": {**_LLAMA, "rotary_pct": 0.25},
    "gptj": {**_GPT, "rotary_dim": 4},
    "granite": {**_LLAMA, "logits_scaling": 4.0, "embedding_multiplier": 2.0},
    "helium": _HEADS_OF_8,
    "hunyuan_v1_dense": _HEADS_OF_8,
    # The one that declares a short context, for tests of texts that outgrow it. Its rotary positions know no limit.
    "llama": {**_LLAMA, "max_position_embeddings": 64},
    "nanochat": {**_LLAMA, "final_logit_softcapping": 3.0},
    "nemotron": _LLAMA,
    "olmo": {**_LLAMA, "clip_qkv": 0.5},
    "olmo2": _LLAMA,
    "persimmon": _MULTI_HEAD,
    "phi": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _HEADS_OF_8,
    "seed_oss": _HEADS_OF_8,
    "stablelm": _LLAMA,
}

_WINDOWS: dict[str, dict[str, Any]] = {
    "cohere2": {**_LLAMA, **_SLIDING_THEN_FULL, "logit_scale": 0.25},
    "exaone4": {**_LLAMA, **_SLIDING_THEN_FULL},
    "gemma2": {
        **_HEADS_OF_8,
        **_SLIDING_THEN_FULL,
        "final_logit_softcapping": 3.0,
        "attn_logit_softcapping": 5.0,
        "query_pre_attn_scalar": 8,
    },
    "gemma3_text": {**_HEADS_OF_8, **_SLIDING_THEN_FULL, "query_pre_attn_scalar": 8},
    # The last layers attend to the keys and values of earlier ones, and have none of their own.
    "gemma3n_text": {
        **_HEADS_OF_8,
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "vocab_size_per_layer_input": VOCABULARY,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 4,
        "activation_sparsity_pattern": [0.5, 0.0, 0.0, 0.0],
    },
    # Layers of full attention have wider heads than layers with a window, and one tensor as keys and values.
    "gemma4_text": {
        **_HEADS_OF_8,
        **_SLIDING_THEN_FULL,
        "global_head_dim": 16,
        "num_global_key_value_heads": 1,
        "attention_k_eq_v": True,
        "vocab_size_per_layer_input": VOCABULARY,
        "hidden_size_per_layer_input": 8,
    },
    "mistral": {**_LLAMA, "sliding_window": 8},
    "modernbert-decoder": {
        **_MULTI_HEAD,
        "local_attention": 8,
        "layer_types": ["sliding_attention", "full_attention"],
        "cls_token_id": 1,
        "sep_token_id": 2,
    },
    "olmo3": {**_LLAMA, **_SLIDING_THEN_FULL},
    "phi3": {**_LLAMA, "sliding_window": 8},
    # The layer without rotary positions is the one with a window.
    "smollm3": {**_LLAMA, "no_rope_layers": [1, 0], "use_sliding_window": True, "sliding_window": 8},
    "starcoder2": {**_LLAMA, "sliding_window": 8},
}

_MIXTURES_OF_EXPERTS: dict[str, dict[str, Any]] = {
    "deepseek_v2": _LATENT,
    "deepseek_v3": {**_LATENT, "n_group": 2, "topk_group": 1},
    "dots1": {
        **_LLAMA,
        "moe_intermediate_size": 16,
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "first_k_dense_replace": 1,
        "max_window_layers": 1,
        "sliding_window": 8,
    },
    # Attention sinks start as random numbers of this size: large enough to matter.
    "gpt_oss": {**_HEADS_OF_8, **_EXPERTS, **_SLIDING_THEN_FULL, "initializer_range": 1.0},
    "granitemoe": {
        **_LLAMA,
        **_EXPERTS,
        "logits_scaling": 4.0,
        "embedding_multiplier": 2.0,
        "residual_multiplier": 0.5,
        "attention_multiplier": 0.25,
    },
    "llama4_text": {
        **_HEADS_OF_8,
        "intermediate_size_mlp": 64,
        "num_local_experts": 4,
        "num_experts_per_tok": 1,
        "moe_layers": [1],
        "no_rope_layers": [1, 0],
        "layer_types": ["chunked_attention", "full_attention"],
        "attention_chunk_size": 8,
        "floor_scale": 4,
    },
    "mixtral": {**_LLAMA, **_EXPERTS, "sliding_window": 8},
    "olmoe": {**_LLAMA, **_SMALL_EXPERTS},
    "qwen2_moe": {**_LLAMA, **_SMALL_EXPERTS, "shared_expert_intermediate_size": 32},
    "qwen3_moe": {**_HEADS_OF_8, **_SMALL_EXPERTS, "use_sliding_window": True, "sliding_window": 8},
}

_RECURRENT: dict[str, dict[str, Any]] = {
    "bamba": {**_LLAMA, **_STATE_SPACE, "attn_layer_indices": [1]},
    "falcon_h1": {
        **_LLAMA,
        **_STATE_SPACE,
        "mamba_d_ssm": 64,
        "embedding_multiplier": 2.0,
        "key_multiplier": 0.5,
        "lm_head_multiplier": 0.5,
        "ssm_multipliers": [0.5, 1.0, 1.5, 2.0, 0.75],
    },
    "falcon_mamba": {"hidden_size": 32, "state_size": 8, "num_hidden_layers": 2},
    "jamba": {
        **_LLAMA,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "mamba_d_state": 8,
        "use_mamba_kernels": False,
    },
    "lfm2": {**_LLAMA, "layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
    "mamba": {"hidden_size": 32, "state_size": 8, "num_hidden_layers": 2},
    "mamba2": {
        "hidden_size": 32,
        "state_size": 8,
        "num_hidden_layers": 2,
        "num_heads": 8,
        "head_dim": 8,
        "n_groups": 1,
        "chunk_size": 16,
    },
    "minimax": {**_HEADS_OF_8, **_EXPERTS, "layer_types": ["linear_attention", "full_attention"], "block_size": 16},
    "qwen3_next": {
        **_HEADS_OF_8,
        **_SMALL_EXPERTS,
        "layer_types": ["linear_attention", "full_attention"],
        "shared_expert_intermediate_size": 32,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
    },
    "recurrent_gemma": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "block_types": ["recurrent", "attention"],
        "attention_window_size": 8,
        "logits_soft_cap": 3.0,
    },
    "rwkv": {"hidden_size": 32, "num_hidden_layers": 2, "context_length": CONTEXT},
    "zamba2": {
        **_MULTI_HEAD,
        "layers_block_type": ["mamba", "hybrid"],
        "n_mamba_heads": 8,
        "mamba_d_state": 8,
        "chunk_size": 16,
        "adapter_rank": 4,
        "use_mem_rope": True,
        "use_mamba_kernels": False,
    },
}

CONFIGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {**_ABSOLUTE_OR_BIASED_POSITIONS, **_ROTARY, **_WINDOWS, **_MIXTURES_OF_EXPERTS, **_RECURRENT}
)
