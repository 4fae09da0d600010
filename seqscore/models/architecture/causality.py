"""What a configuration says its model predicts a token from, asked before any weight is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from seqscore.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ENCODERS = frozenset(
    {
        "bert",
        "bert-generation",
        "big_bird",
        "camembert",
        "data2vec-text",
        "electra",
        "ernie",
        "megatron-bert",
        "reformer",
    }
    | {"rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "xlm-roberta", "xlm-roberta-xl", "xmod"}
)
"""Types with a class for causal language models in transformers that looks to the right unless ``is_decoder`` is
set."""

NEVER_CAUSAL = frozenset({"cpmant", "xlm", "xlnet"})
"""Types whose class for causal language models looks to the right whatever is set."""


WhyNot: TypeAlias = Callable[["PreTrainedConfig"], "str | None"]
"""Why a configuration of transformers' own is not of a kind; None where it is."""


def why_not_causal(config: PreTrainedConfig) -> str | None:
    """Why a model predicts its tokens from more than those to the left, or not at all: encoder-decoder, encoder-only,
    bidirectional by its settings, or without a language-model head."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        return f"{kind} is an encoder-decoder"
    text = config.get_text_config(decoder=True)
    if kind in NEVER_CAUSAL or (kind in ENCODERS and not getattr(config, "is_decoder", False)):
        return f"{kind} predicts a token from both sides"
    if getattr(text, "use_bidirectional_attention", None) in (True, "all") or getattr(text, "is_causal", True) is False:
        return f"this {kind} is set to attend to both sides"
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING and not reads_pictures_too(config):
        return f"transformers has no causal language model of type {kind}"
    return None


def reads_pictures_too(config: PreTrainedConfig) -> bool:
    """Whether a model is made by the class for pictures and text alone, which reads a text without a picture too."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    )

    kind = type(config)
    return kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and kind not in MODEL_FOR_CAUSAL_LM_MAPPING


def why_not_masked(config: PreTrainedConfig) -> str | None:
    """Why a model does not predict a masked token from all others of its text."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        return f"{kind} is an encoder-decoder"
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        return f"transformers has no masked language model of type {kind}"
    if getattr(config, "is_decoder", False) or getattr(config, "causal", False) is True:
        return f"this {kind} is set to read from left to right"
    return None


def why_not_encoder_decoder(config: PreTrainedConfig) -> str | None:
    """Why a model does not predict a text's tokens from those before them and another text, which an encoder reads."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING

    kind = config.model_type
    if not getattr(config, "is_encoder_decoder", False):
        return f"{kind} is no encoder-decoder"
    if type(config) not in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING:
        return f"transformers has no model of type {kind} that reads and writes text"
    return None


CAUSAL_ALONE: Mapping[str, WhyNot] = MappingProxyType({"AutoModelForCausalLM": why_not_causal})


def auto_class_of(config: PreTrainedConfig, kinds: Mapping[str, WhyNot] = CAUSAL_ALONE, *, where: str) -> str:
    """The class of transformers that makes a model of a configuration, the first of those whose kind it is.

    Args:
        config: of a checkpoint.
        kinds: names of transformers' auto classes, and what is against a configuration's being of that kind.
        where: what it is called in messages.

    Raises:
        ModelError: it is of none of these kinds.
    """
    if not type(config).__module__.startswith("transformers."):
        brought = getattr(config, "auto_map", None) or {}
        found = next((name for name in kinds if name in brought), None)
        if found is None:
            raise ModelError(f"the code that comes with {where} has no causal language model (auto_map)")
        return found
    found = next((name for name, why_not in kinds.items() if why_not(config) is None), None)
    if found is None:
        if len(kinds) == 1:
            require_causal(config, where=where)
        reasons = dict.fromkeys(why_not(config) for why_not in kinds.values())
        named = " or ".join(name.removeprefix("AutoModelFor").removesuffix("LM").lower() for name in kinds)
        raise ModelError(f"{where} is not a {named} language model: {'; '.join(map(str, reasons))}")
    return found


def require_causal(config: PreTrainedConfig, *, where: str) -> None:
    """Refuse a model whose token predictions are not conditioned on the tokens to the left alone.

    Raises:
        ModelError: it says why.
    """
    why = why_not_causal(config)
    if why is not None:
        raise ModelError(
            f"{where} is not a causal language model: {why}; a text's probability needs a model that predicts each "
            "token from those before it (GPT, Llama, Qwen, ...)"
        )
