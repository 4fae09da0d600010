"""Layers that the library peft has put into a model (LoRA, IA3 ...), told by their attributes: peft is not imported.

Such a layer holds the model's own layer and computes something small beside it; which of its adapters counts, if any,
is a mark on it that any caller can change.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from seqscore.errors import ModelError

ROW_BY_ROW = frozenset({"IA3", "LN_TUNING", "LOHA", "LOKR", "LORA", "OFT", "TRAINABLE_TOKENS", "VERA"})
"""Methods of peft that change what single layers compute, row by row, and nothing around them."""

PROMPTS = frozenset({"PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING"})
"""Methods that put trained vectors in front of every text."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a layer that holds adapters says of them: which are ``active``, whether all are switched ``off``, which are
    ``merged`` into its weights, and how they are ``weighed``."""

    active: tuple[str, ...]
    off: bool
    merged: tuple[str, ...] = ()
    weighed: tuple[tuple[str, object], ...] = ()


def marks_of(model: Any) -> tuple[Mark, ...]:
    """Those of all layers with adapters, and of a wrapper that puts vectors in front of the text; empty for none."""
    found = [_mark_of(module) for module in model.modules() if isinstance(_switch_of(module), bool)]
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        found.append(Mark((str(model.active_adapter),), off="forward" in vars(model)))
    return tuple(found)


def _switch_of(module: Any) -> object:
    return getattr(module, "_disable_adapters", None)


def _mark_of(module: Any) -> Mark:
    scaling = getattr(module, "scaling", None)
    weighed = tuple(sorted(scaling.items())) if isinstance(scaling, dict) else ()
    return Mark(_names(module._active_adapter), module._disable_adapters, _names(module.merged_adapters), weighed)


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def active_adapters(model: Any) -> tuple[str, ...]:
    """The names of the adapters that a model computes with now; empty for none."""
    return tuple(dict.fromkeys(name for mark in marks_of(model) if not mark.off for name in mark.active))


def settings_of(model: Any) -> dict[str, Any]:
    """The settings of each adapter that a model holds, by its name."""
    found = getattr(model, "peft_config", None)
    return dict(found) if isinstance(found, dict) else {}


def method_of(settings: Any) -> str:
    """The name of an adapter's method, ``LORA``, by its settings."""
    found = getattr(settings, "peft_type", None)
    return str(getattr(found, "value", found))


def bare_model(model: Any) -> Any:
    """The model in a wrapper of peft, which adds nothing to it: its adapters are in its layers. Else ``model`` itself.

    A wrapper adds something where vectors stand in front of the text, and where a text switches an adapter on.
    """
    settings = settings_of(model)
    if not settings or not hasattr(model, "get_base_model"):
        return model
    return model.get_base_model() if all(_is_row_by_row(one) for one in settings.values()) else model


def _is_row_by_row(settings: Any) -> bool:
    return method_of(settings) in ROW_BY_ROW and not getattr(settings, "alora_invocation_tokens", None)


def own_layer(module: Any) -> Any:
    """The model's own layer in one with adapters; None where there are none."""
    find = getattr(module, "get_base_layer", None)
    return find() if callable(find) and isinstance(_switch_of(module), bool) else None


def trained_layer(layer: Any) -> Any:
    """The layer that peft trained whole in the place of one of the model's (``modules_to_save``), where it is the one
    that counts; else ``layer`` itself."""
    trained = getattr(layer, "modules_to_save", None)
    if trained is None or not isinstance(_switch_of(layer), bool) or layer._disable_adapters:
        return layer
    names = _names(layer._active_adapter)
    return trained[names[0]] if len(names) == 1 and names[0] in trained else layer


def sharing_weights(model: Any) -> Any:
    """A copy of a model whose weights are those of the model itself: its layers can be exchanged, and take no memory.

    Raises:
        ModelError: accelerate moves its weights about, so that they cannot belong to two models.
    """
    if any(hasattr(module, "_hf_hook") for module in model.modules()):
        raise ModelError(
            f"{type(model).__name__} was spread over devices or offloaded (device_map), so that its weights cannot be "
            f"shared with an adapter's model: load it onto one device, or put the adapter on it by peft"
        )
    kept = {id(one): one for one in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, kept)
