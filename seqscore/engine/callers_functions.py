"""What a model's layers used before a run of ours put its own functions in their place.

A setting of a config is seen by every thread. A forward pass of the caller's own, in a thread in which nothing of ours
runs, goes on with these.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from seqscore.models.architecture.sharing import found_before


def former_attention(module: Any, setting: str) -> Callable[..., Any]:
    """The attention function of the config of ``module`` as it was before ``setting`` was switched.

    The eager one is no entry of a registry: it stands beside the class, by the name that transformers gives it.
    """
    from transformers import AttentionInterface

    name = found_before(module.config, setting)
    registry = _beside(module, "ALL_ATTENTION_FUNCTIONS") or AttentionInterface()  # type: ignore[no-untyped-call]
    eager = _beside(module, "eager_attention_forward")
    if name not in (None, "eager") or eager is not None:
        found: Callable[..., Any] = registry.get_interface(name, eager)
        return found
    raise RuntimeError(
        f"{type(module).__name__} cannot run in this thread while a Scorer uses its model in another one: its eager "
        f"attention has no name; load the model with attn_implementation='sdpa', or take turns"
    )


def former_mask(config: Any, setting: str) -> Callable[..., Any]:
    """The mask function likewise; one that makes no mask where the attention asks for none."""
    from transformers import AttentionMaskInterface

    name = found_before(config, setting)
    return AttentionMaskInterface().get(name, _no_mask)  # type: ignore[no-any-return, no-untyped-call]


def former_experts(layer: Any, setting: str) -> Callable[..., Any]:
    """The experts function likewise. The eager one is the method that transformers' decorator wraps."""
    from transformers.integrations.moe import ExpertsInterface

    eager: Any = getattr(type(layer).forward, "__wrapped__", None)
    registry = ExpertsInterface()  # type: ignore[no-untyped-call]
    return registry.get_interface(found_before(layer.config, setting), eager)


def _no_mask(**_: Any) -> None:
    return None


def _beside(module: Any, name: str) -> Any:
    """A name of the Python module that a layer's class, or a class it is derived from, is defined in."""
    for kind in type(module).__mro__:
        found = getattr(sys.modules.get(kind.__module__), name, None)
        if found is not None:
            return found
    return None
