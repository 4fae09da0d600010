"""Whether a configuration describes a causal language model, asked before any weight is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def require_causal(config: PreTrainedConfig, *, where: str) -> None:
    """Refuse a model whose token predictions are not conditioned on the tokens to the left alone.

    Raises:
        ModelError: encoder-decoder, encoder-only, bidirectional by its settings, or without a language-model head.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        _refuse(where, f"{kind} is an encoder-decoder")
    text = config.get_text_config(decoder=True)
    if kind in NEVER_CAUSAL or (kind in ENCODERS and not getattr(config, "is_decoder", False)):
        _refuse(where, f"{kind} predicts a token from both sides")
    if getattr(text, "use_bidirectional_attention", None) in (True, "all") or getattr(text, "is_causal", True) is False:
        _refuse(where, f"this {kind} is set to attend to both sides")
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        _refuse(where, f"transformers has no causal language model of type {kind}")


def _refuse(where: str, why: str) -> None:
    raise ModelError(
        f"{where} is not a causal language model: {why}; a text's probability needs a model that predicts each token "
        "from those before it (GPT, Llama, Qwen, ...)"
    )
