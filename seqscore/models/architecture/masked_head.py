"""Trunk and head of a masked model, taken apart so that only masked places go through the head."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from seqscore.models.architecture.adapter import ModelAdapter
from seqscore.models.architecture.passes import undisturbed
from seqscore.models.architecture.probes import FROM_A_MODEL, difference, forward_inputs, probe_ids

if TYPE_CHECKING:
    from torch import Tensor, nn


class _Given:
    """Stands in the place of a trunk and gives states that were computed before; all else is the trunk's."""

    def __init__(self, trunk: nn.Module, states: Tensor) -> None:
        self.trunk, self.states = trunk, states

    def __call__(self, *_: Any, **__: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=self.states)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trunk, name)


class MaskedHead:
    """What a model does behind its trunk: a copy of the model that shares its parts, with the trunk taken out.

    The copy is made anew each time, so that a part that the caller exchanges meanwhile counts, as in the model itself.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def trunk(self) -> nn.Module:
        """What gives the states."""
        trunk: nn.Module = self._model.base_model
        return trunk

    def logits(self, states: Tensor) -> Tensor:
        """[p, V] of hidden states [p, D]."""
        import torch

        model = copy.copy(self._model)
        model._modules = {**model._modules, model.base_model_prefix: _Given(self.trunk, states[:, None])}
        ids = torch.zeros((len(states), 1), dtype=torch.int64, device=states.device)
        logits: Tensor = model(**forward_inputs(model, ids)).logits
        return logits[:, 0]


def masked_head_of(adapter: ModelAdapter) -> MaskedHead | None:
    """Trunk and head, if together they give the model's own logits on a few tokens; None: the model must run whole."""
    model: Any = adapter.model
    prefix = getattr(model, "base_model_prefix", "")
    if model._modules.get(prefix) is None or getattr(model, "base_model", None) is not model._modules[prefix]:
        return None
    with undisturbed(model, adapter.device):
        ids = probe_ids(adapter.vocabulary, adapter.device)
        try:
            head = MaskedHead(model)
            states = head.trunk(**forward_inputs(head.trunk, ids))[0]
            found, own = head.logits(states.flatten(0, 1)), adapter.logits(ids).flatten(0, 1)
        except FROM_A_MODEL:  # its head takes more than the trunk's states
            return None
        tolerance = 1e-5 if adapter.dtype.itemsize >= 4 else 2e-2
        same = found.shape == own.shape and difference(found.to(own.dtype), own, least_scale=1.0) <= tolerance
    return head if same else None


def leaves_padding_alone(adapter: ModelAdapter, padding: int) -> bool:
    """Whether padding on the right, marked as such, changes nothing for the tokens before it."""
    import torch

    model = adapter.model
    with undisturbed(model, adapter.device):
        ids = probe_ids(adapter.vocabulary, adapter.device)
        inputs = forward_inputs(model, torch.nn.functional.pad(ids, (0, 3), value=padding))
        if "attention_mask" not in inputs:
            return False
        inputs["attention_mask"][:, ids.shape[1] :] = 0
        try:
            padded = model(**inputs).logits[:, : ids.shape[1]]
        except FROM_A_MODEL:
            return False
        own = adapter.logits(ids)
        return difference(padded.to(own.dtype), own, least_scale=1.0) <= (1e-4 if adapter.dtype.itemsize >= 4 else 2e-2)
