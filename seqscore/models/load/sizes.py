"""Numbers in a model's settings that ask for more than its weights can fill, refused before anything is built.

A few characters of ``config.json`` can ask for a million layers, which transformers builds one by one, for hours,
before it finds that their weights are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seqscore.errors import ModelError

_LAYERS = frozenset(
    "num_hidden_layers n_layer n_layers num_layers num_blocks encoder_layers decoder_layers num_encoder_layers "
    "num_decoder_layers".split()
)
_AT_LEAST_ONE = frozenset("num_hidden_layers n_layer n_layers num_layers".split())
_BUILT_ONE_BY_ONE = frozenset(
    "num_labels num_experts num_local_experts n_routed_experts moe_num_experts num_attention_heads n_head".split()
)
_FEW_LAYERS = 1000  # always accepted: a part of the settings may be about a part that was not stored
_MOST_PARTS = 100_000
_MOST_DEPTH = 100


def check_nesting(config: dict[str, Any], *, where: str) -> None:
    """Refuse settings within settings that are too deep for those who walk through them.

    Raises:
        ModelError: they are.
    """
    if any(depth > _MOST_DEPTH for _, depth in _groups(config)):
        raise ModelError(f"the settings of {where} are nested more than {_MOST_DEPTH} deep")


def check_config(config: dict[str, Any], *, where: str, tensors: int | None, weights: int | None) -> None:
    """Refuse counts that no checkpoint of this size can have.

    Args:
        config: the settings, as ``config.json`` holds them.
        where: names the model, for the message.
        tensors: how many tensors are stored, None where that is not known.
        weights: how many numbers they hold together, None where that is not known.

    Raises:
        ModelError: a count is not positive, or larger than the weights allow.
    """
    layers = max(_FEW_LAYERS, tensors or 0)
    for group, _ in _groups(config):
        for name, value in group.items():
            if isinstance(value, int) and not isinstance(value, bool):
                _check_one(str(name), value, where=where, layers=layers, weights=weights)


def _groups(config: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """The settings and all groups of settings within them, each with its depth."""
    waiting: list[tuple[Any, int]] = [(config, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict):
            yield value, depth
        elif depth > _MOST_DEPTH:
            yield {}, depth
        inside = value.values() if isinstance(value, dict) else value
        waiting += [(one, depth + 1) for one in inside if isinstance(one, dict | list)]


def _check_one(name: str, value: int, *, where: str, layers: int, weights: int | None) -> None:
    limit: int | None = None
    if name in _LAYERS:
        limit, why = layers, "more than there are stored tensors"
    elif name in _BUILT_ONE_BY_ONE:
        limit, why = _MOST_PARTS, f"more than {_MOST_PARTS:,}"
    elif name == "vocab_size" and weights is not None:
        limit, why = weights, f"more than the {weights:,} numbers that its weights hold"
    if limit is not None and value > limit:
        raise ModelError(
            f"the settings of {where} ask for {name} {value:,}, {why}: they do not belong to these weights"
        )
    if name in _AT_LEAST_ONE and value < 1:
        raise ModelError(f"the settings of {where} have {name} {value}, expected at least 1")
