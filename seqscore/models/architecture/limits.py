"""How many positions a model may read at once, by its config."""

from __future__ import annotations

from typing import Any

from seqscore.errors import OptionError

_LENGTH_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "max_sequence_length")
_OFFSET_POSITIONS = frozenset(
    {"camembert", "data2vec-text", "esm", "ibert", "longformer", "luke", "mpnet"}
    | {"roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"}
)
# Positions are not limited where they enter as a bias that grows with distance, or as a recurrence.
_UNLIMITED = frozenset({"bloom", "mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm", "recurrent_gemma"})
_RELATIVE = frozenset({"t5", "mt5", "umt5", "longt5", "switch_transformers", "pop2piano", "udop"})
# Their ``n_positions`` says how long the texts of their training were.


def text_config(model: Any) -> Any:
    """The config of the part that reads text, in a model of several parts; else the model's own."""
    return model.config.get_text_config()


def context_length(model: Any) -> int | None:
    """How many positions ``model`` can read at once, by its config; None where nothing limits it."""
    config = text_config(model)
    if config.model_type in _UNLIMITED:
        return None
    # These count positions from behind their padding token's id: so many fewer can be used.
    unused = (config.pad_token_id or 0) + 1 if config.model_type in _OFFSET_POSITIONS else 0
    for name in _LENGTH_NAMES:
        value = getattr(config, name, None)
        if isinstance(value, int) and value > unused:
            return value - unused
    return None


def stack_lengths(model: Any) -> tuple[int | None, int | None]:
    """How many positions encoder and decoder of ``model`` can read, by its config; None where nothing limits them."""
    config = model.config
    if config.model_type in _RELATIVE:
        return None, None
    encoder, decoder = (_length_of(config, f"max_{stack}_position_embeddings", stack) for stack in _STACKS)
    return encoder, decoder


_STACKS = ("encoder", "decoder")


def _length_of(config: Any, name: str, stack: str) -> int | None:
    """A stack's own number (LED), else that of its own config (T5Gemma), else the number of both (BART)."""
    own = getattr(config, stack, None)
    places = [(config, name), *((own, one) for one in _LENGTH_NAMES), *((config, one) for one in _LENGTH_NAMES)]
    found = (getattr(place, one, None) for place, one in places)
    return next((value for value in found if isinstance(value, int) and value > 0), None)


def virtual_tokens(model: Any) -> int:
    """Positions that a prompt of trained vectors takes before every text (PEFT: prompt, prefix and p-tuning)."""
    config = getattr(model, "active_peft_config", None)
    is_prompt = bool(getattr(config, "is_prompt_learning", False))
    return int(getattr(config, "num_virtual_tokens", None) or 0) if is_prompt else 0


def checked_max_length(max_length: int | None, limit: int | None) -> int | None:
    """How many positions to read at once: as asked for, else ``limit``, the model's own.

    Raises:
        OptionError: it is no whole number from 1 to the model's limit.
    """
    if max_length is None:
        return limit
    whole = isinstance(max_length, int) and not isinstance(max_length, bool)
    if not whole or max_length < 1 or (limit is not None and max_length > limit):
        raise OptionError(
            f"max_length={max_length!r} must be a whole number of at least 1"
            + ("" if limit is None else f" and at most {limit}, the longest input the model was made for")
        )
    return max_length


def rope_switch(model: Any) -> int | None:
    """The length beyond which the model's rotary embedding changes for all positions (LongRoPE); None for none.

    Sequences on both sides of it must not run side by side: the longest one decides for all.
    """
    config = text_config(model)
    rope = getattr(config, "rope_parameters", None) or {}
    settings = [rope, *(value for value in rope.values() if isinstance(value, dict))]
    for one in settings:
        if one.get("rope_type") == "longrope":
            length = one.get("original_max_position_embeddings") or config.original_max_position_embeddings
            return int(length)
    return None
