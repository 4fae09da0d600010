"""Adapters of the library peft over tiny models, with random weights, saved by peft itself."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any
from unittest.mock import patch

import peft
import torch

_SCALED = {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]}
METHODS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "lora": (peft.LoraConfig, {"r": 4, "target_modules": ["q_proj", "up_proj"]}),
    "dora": (peft.LoraConfig, {"r": 4, "target_modules": ["q_proj", "up_proj"], "use_dora": True}),
    "head": (peft.LoraConfig, {"r": 4, "target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}),
    "embedding": (
        peft.LoraConfig,
        {"r": 4, "target_modules": ["embed_tokens", "q_proj"], "use_rslora": True, "lora_alpha": 3},
    ),
    "some-tokens": (peft.LoraConfig, {"r": 4, "target_modules": ["q_proj"], "trainable_token_indices": [5, 9]}),
    "ia3": (
        peft.IA3Config,
        {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
    ),
    "loha": (peft.LoHaConfig, {"r": 4, "target_modules": ["q_proj"]}),
    "lokr": (peft.LoKrConfig, {"r": 4, "target_modules": ["q_proj"]}),
    "oft": (peft.OFTConfig, {"r": 4, "oft_block_size": 0, "target_modules": ["q_proj"]}),
    "vera": (peft.VeraConfig, {"r": 4, "target_modules": ["q_proj"]}),
    "ln": (peft.LNTuningConfig, {"target_modules": ["norm", "input_layernorm"]}),
    "tokens": (peft.TrainableTokensConfig, {"token_indices": [5, 9]}),
    "prompt": (peft.PromptTuningConfig, {"num_virtual_tokens": 5}),
    "prefix": (peft.PrefixTuningConfig, {"num_virtual_tokens": 5}),
    "p-tuning": (peft.PromptEncoderConfig, {"num_virtual_tokens": 5, "encoder_hidden_size": 16}),
}
PROMPTS = ("prompt", "prefix", "p-tuning")


def adapted(model: Any, method: str, *, seed: int = 0, task: str | None = "CAUSAL_LM", **changes: Any) -> Any:
    """A copy of ``model`` with an adapter of random weights, large enough to matter."""
    kind, settings = METHODS[method]
    torch.manual_seed(seed)
    made = peft.get_peft_model(copy.deepcopy(model), kind(task_type=task, **{**settings, **changes}))
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn(parameter.shape))
    return made.eval()


def save(adapter: Any, folder: Path, *, with_embedding: bool = False) -> Path:
    """An adapter in a folder, as peft saves it, but for the page for people, which takes longer than all the rest."""
    with patch.object(peft.PeftModel, "create_or_update_model_card"):
        adapter.save_pretrained(folder, save_embedding_layers=with_embedding)
    return folder
