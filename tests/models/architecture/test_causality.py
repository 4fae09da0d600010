from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from seqscore.errors import ModelError
from seqscore.models.architecture.causality import ENCODERS, NEVER_CAUSAL, require_causal


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gpt_neox", "opt", "mamba", "gemma3", "gemma3_text", "qwen3_moe"])
def test_causal_models_pass(kind: str) -> None:
    require_causal(CONFIG_MAPPING[kind](), where="here")


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("t5", "encoder-decoder"),
        ("bart", "encoder-decoder"),
        ("whisper", "encoder-decoder"),
        ("bert", "from both sides"),
        ("roberta", "from both sides"),
        ("xlnet", "from both sides"),
        ("vit", "no causal language model of type vit"),
        ("distilbert", "no causal language model of type distilbert"),
    ],
)
def test_others_are_refused_with_the_reason(kind: str, why: str) -> None:
    with pytest.raises(ModelError, match=f"somewhere is not a causal language model: .*{why}"):
        require_causal(CONFIG_MAPPING[kind](), where="somewhere")


@pytest.mark.parametrize("settings", [{"use_bidirectional_attention": True}, {"is_causal": False}])
def test_a_causal_type_that_is_set_to_look_both_ways_is_refused(settings: dict[str, bool]) -> None:
    config: PreTrainedConfig = AutoConfig.for_model("gemma3_text", **settings)
    with pytest.raises(ModelError, match="both sides"):
        require_causal(config, where="here")


@pytest.mark.parametrize("kind", sorted(ENCODERS))
def test_encoders_pass_as_decoders(kind: str) -> None:
    assert kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    with pytest.raises(ModelError, match="both sides"):
        require_causal(CONFIG_MAPPING[kind](), where="here")
    require_causal(CONFIG_MAPPING[kind](is_decoder=True), where="here")


_SMALL = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
_OTHER_NAMES = {
    "xlm": {"vocab_size": 50, "emb_dim": 16, "n_layers": 2, "n_heads": 2},
    "xlnet": {"vocab_size": 50, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
    "cpmant": {
        "vocab_size": 50,
        "hidden_size": 16,
        "num_attention_heads": 2,
        "dim_head": 8,
        "dim_ff": 32,
        "num_hidden_layers": 2,
        "prompt_length": 4,
    },
    "electra": {**_SMALL, "embedding_size": 16},
}


@pytest.mark.parametrize(
    "kind", ["bert", "roberta", "electra", "camembert", "cpmant", "xlm", "xlnet", "llama", "gpt_neox"]
)
def test_the_list_agrees_with_what_models_do(kind: str) -> None:
    """A causal model's logits do not depend on the tokens to the right; those of the listed types do."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**_OTHER_NAMES.get(kind, _SMALL))
    model: Any = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        first, second = (model(torch.tensor([[5, 6, 7, last]])).logits[0, :3] for last in (8, 9))
    assert torch.equal(first, second) == (kind not in ENCODERS | NEVER_CAUSAL)
