"""What a model keeps of tokens that it has read, so that it can go on behind them: keys and values, or a state.

How to go on is found by trial (``seqscore.engine.cached_trial``): some models take any number of tokens behind what
they keep, some only one at a time; most count their positions on by themselves, some must be told.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqscore.errors import ModelError
from seqscore.models.architecture.probes import forward_inputs, parameter_names

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from seqscore.models.architecture.adapter import ModelAdapter

_NAMES = ("past_key_values", "cache_params", "state")
"""What a forward pass takes it as and gives it back as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuing:
    """How a model goes on. ``stepwise``: one token a pass. ``told_positions``: it is told the positions, from 0 on."""

    stepwise: bool
    told_positions: bool


WAYS = tuple(Continuing(stepwise=stepwise, told_positions=told) for stepwise in (False, True) for told in (False, True))
"""The faster ones first."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a model keeps of one sequence of ``length`` tokens, under the name by which it takes it."""

    name: str
    states: Any
    length: int

    def copies(self, number: int) -> Kept:
        """The same for ``number`` sequences side by side; what goes on with it leaves this one as it is."""
        return Kept(self.name, _copied(self.states, number), self.length)


def read(adapter: ModelAdapter, ids: Tensor) -> tuple[Tensor, Kept]:
    """What a model says of one sequence ids [1, n], as ``go_on`` gives it, and what it keeps of it.

    Raises:
        ModelError: it keeps nothing, or not where it is looked for.
    """
    module = _module(adapter)
    if "use_cache" not in parameter_names(module):
        raise ModelError(f"{type(module).__name__} keeps nothing of what it has read")
    output = forward_pass(adapter, {**forward_inputs(module, ids), "use_cache": True})
    return _states(adapter, output, ids), _kept(output, type(module).__name__, ids.shape[1])


def go_on(adapter: ModelAdapter, ids: Tensor, kept: Kept, way: Continuing) -> tuple[Tensor, Kept]:
    """What a model says of ids [b, n] behind what it kept of b sequences: hidden states [b, n, D], or logits [b, n, V]
    of a model whose head is its own; and what it keeps then. ``kept`` cannot be used again.

    Raises:
        ModelError: it cannot go on in this way.
    """
    import torch

    parts = []
    for piece in torch.split(ids, 1 if way.stepwise else ids.shape[1], dim=1):
        output = forward_pass(adapter, _inputs(adapter, piece, kept, way))
        parts.append(_states(adapter, output, piece))
        kept = _kept(output, type(adapter.model).__name__, kept.length + piece.shape[1])
    return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0], kept


def _inputs(adapter: ModelAdapter, ids: Tensor, kept: Kept, way: Continuing) -> dict[str, Any]:
    """No mask: all tokens are seen, those that were read before too."""
    import torch

    names = parameter_names(_module(adapter))
    inputs: dict[str, Any] = {"input_ids": ids, "use_cache": True, kept.name: kept.states}
    if way.told_positions:
        if "position_ids" not in names:
            raise ModelError(f"{type(adapter.model).__name__} takes no positions")
        places = torch.arange(kept.length, kept.length + ids.shape[1], device=ids.device)
        inputs["position_ids"] = places.expand(ids.shape)
    return inputs


def _module(adapter: ModelAdapter) -> torch.nn.Module:
    return adapter.model if adapter.trunk is None else adapter.trunk


def forward_pass(adapter: ModelAdapter, inputs: dict[str, Any]) -> Any:
    """The model alone: an error that comes from below this function is the model's."""
    return _module(adapter)(**inputs)


def _states(adapter: ModelAdapter, output: Any, ids: Tensor) -> Tensor:
    """Hidden states, or logits of a model whose head is its own."""
    if adapter.head is not None:
        states: Tensor = output[0]
        expected = (*ids.shape, adapter.head.weight.shape[1])
    else:
        states = adapter.widened(output.logits)
        expected = (*ids.shape, states.shape[-1])
    if states.shape != expected:
        raise ModelError(
            f"{type(adapter.model).__name__} gives states of shape {list(states.shape)} for {list(ids.shape)} tokens "
            f"behind others; expected {list(expected)}"
        )
    return states


def _kept(output: Any, name: str, length: int) -> Kept:
    for key in _NAMES:
        states = getattr(output, key, None)
        if states is not None:
            return Kept(key, states, length)
    raise ModelError(f"{name} does not give what it keeps of the tokens that it has read")


def _copied(value: Any, number: int) -> Any:
    """Tensors [1, ...] repeated, in lists, tuples, dicts and transformers' caches; the rest is shared."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.repeat_interleave(number, 0) if value.dim() > 1 and len(value) == 1 else value.clone()
    if isinstance(value, dict):
        return {key: _copied(part, number) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_copied(part, number) for part in value)
    if _is_cache(value):
        made = copy.copy(value)
        made.__dict__ = _copied(vars(value), number)
        return made
    return value


def _is_cache(value: Any) -> bool:
    from transformers import cache_utils

    kinds = (cache_utils.Cache, cache_utils.CacheLayerMixin, cache_utils.LinearAttentionCacheLayerMixin)
    return isinstance(value, kinds)
