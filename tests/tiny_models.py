"""Tiny random models of many architectures, built from config: a few thousand weights each, no files, no network."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel

from tests.tiny_configs import CONFIGS, SPECIAL_IDS, VOCABULARY

__all__ = ["CONFIGS", "VOCABULARY", "longrope_model", "tiny_model"]


def tiny_model(architecture: str, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> PreTrainedModel:
    """A random model of this architecture, its weights large enough for its parts to matter."""
    return _model(architecture, dtype=dtype, seed=seed)


def model_of_vocabulary(vocabulary: int, *, architecture: str = "llama", seed: int = 0) -> PreTrainedModel:
    """A random model in float64 that knows so many tokens."""
    return _model(architecture, dtype=torch.float64, seed=seed, vocab_size=vocabulary)


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
    model = _built(architecture, seed) if not changes else _build(architecture, seed, changes)
    model = copy.deepcopy(model)
    if dtype == torch.float64 and model._can_set_experts_implementation():
        model.set_experts_implementation("eager")  # grouped products have no float64
    return model.to(dtype).eval()


@cache
def _built(architecture: str, seed: int) -> PreTrainedModel:
    """Built once; every caller gets a copy, which takes a fraction of the time."""
    return _build(architecture, seed, {})


def _build(architecture: str, seed: int, changes: dict[str, Any]) -> PreTrainedModel:
    settings = {"vocab_size": VOCABULARY, **SPECIAL_IDS, **CONFIGS[architecture], **changes}
    config = CONFIG_MAPPING[settings.pop("model_type", architecture)](**settings)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15)
    return model
