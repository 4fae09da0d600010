"""What an engine needs to know of a model: its trunk, its head, and what its forward pass takes.

How a model gets from its last hidden states to logits is not declared anywhere: some scale them, some cap them, some
normalise once more. So it is measured: on a few tokens the head found here must give the model's own logits, else the
model's own forward pass is used for the head too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from seqscore.errors import ModelError
from seqscore.models.architecture.limits import context_length, rope_switch, text_config, virtual_tokens
from seqscore.models.architecture.passes import undisturbed
from seqscore.models.architecture.probes import (
    FROM_A_MODEL,
    check_causal,
    check_rows_in_front,
    difference,
    forward_inputs,
    probe_ids,
    probe_logits,
)
from seqscore.models.architecture.tuners import trained_layer

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Head:
    """logits = cap * tanh(scale * (h W^T + b) / cap), the cap where there is one.

    Shape: ``weight`` [V, D], ``bias`` [V] or None.
    """

    weight: Tensor
    bias: Tensor | None
    scale: float
    soft_cap: float | None

    def logits(self, hidden: Tensor, words: slice = slice(None)) -> Tensor:
        """[p, V] logits in float32 (float64 for a float64 model) of hidden states [p, D]; or of some words only."""
        import torch

        dtype = torch.promote_types(hidden.dtype, torch.float32)
        bias = None if self.bias is None else self.bias[words].to(dtype)
        logits = torch.nn.functional.linear(hidden.to(dtype), self.weight[words].to(dtype), bias)
        if self.scale != 1.0:
            logits = logits.mul_(self.scale)
        if self.soft_cap is not None:
            logits = logits.div_(self.soft_cap).tanh_().mul_(self.soft_cap)
        return logits


@dataclass(frozen=True, slots=True)
class ModelAdapter:
    """A model as engines see it.

    ``head`` is None where the model's own forward pass must compute its logits; ``why_no_head`` says why.
    ``context_length``: how many positions the model reads at most, None for no limit. ``vocabulary``: how many token
    ids it knows. ``rope_switch``: see the function of that name. ``rows_in_front``: rows of logits before those of the
    tokens (trained vectors in front of every text). ``embedding``: the weights of the token embedding; None
    where they are made anew at each look. ``num_embeddings``: how many rows these have.
    """

    model: nn.Module
    trunk: nn.Module | None
    head: Head | None
    context_length: int | None
    vocabulary: int
    device: torch.device
    dtype: torch.dtype
    rope_switch: int | None
    embedding: Tensor | None
    num_embeddings: int
    rows_in_front: int = 0
    why_no_head: str = ""

    def logits(self, ids: Tensor) -> Tensor:
        """[b, n, V] logits by the model's own forward pass of ids [b, n], in float32 (float64 for a float64 model).

        Raises:
            ModelError: the model gives logits of another shape.
        """
        return self.widened(self._own_logits(ids))

    def _own_logits(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.model(**forward_inputs(self.model, ids)).logits
        rows = ids.shape[1] + self.rows_in_front
        if logits.shape[:-1] != (len(ids), rows) or logits.shape[-1] < self.vocabulary:
            raise ModelError(
                f"{type(self.model).__name__} gives logits of shape {list(logits.shape)} for {list(ids.shape)} token "
                f"ids; expected [{len(ids)}, {rows}, {self.vocabulary}], as when the Scorer was made"
            )
        return logits[:, self.rows_in_front :]

    def widened(self, logits: Tensor) -> Tensor:
        """Logits in float32, or float64 for a float64 model."""
        import torch

        return logits.to(torch.promote_types(self.dtype, torch.float32))

    def hidden(self, ids: Tensor, **inputs: Any) -> Tensor:
        """[b, n, D] hidden states of ids [b, n] by the trunk, which ``inputs`` are handed to as well.

        Raises:
            ModelError: the trunk gives states of another shape.
        """
        assert self.trunk is not None and self.head is not None
        states: Tensor = self.trunk(**{**forward_inputs(self.trunk, ids), **inputs})[0]
        expected = (*ids.shape, self.head.weight.shape[1])
        if states.shape != expected:
            raise ModelError(
                f"{type(self.trunk).__name__} gives hidden states of shape {list(states.shape)} for {list(ids.shape)} "
                f"token ids; expected {list(expected)}"
            )
        return states

    def at_targets(self, ids: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Head | None]:
        """What stands at ``[rows, columns]`` of a batch padded on the right: hidden states [p, D] and the head that
        turns them into logits; or, for a model whose head is its own, logits [p, V] and None.

        Shape: ``ids`` [b, n]; ``rows``, ``columns`` [p].
        """
        if self.head is not None:
            return self.hidden(ids)[rows, columns], self.head
        return self.widened(self._own_logits(ids)[rows, columns]), None

    def require_unchanged(self) -> None:
        """That the parts which were looked at are those of the model still.

        Raises:
            ModelError: the embedding, the trunk or the head was exchanged or resized, or the model moved.
        """
        found = _parts(self.model)
        embedding = found["embedding"]
        moved = (embedding.device, embedding.dtype) != (self.device, self.dtype)
        own: dict[str, object] = {} if self.embedding is None else {"embedding": self.embedding}
        if self.head is not None:
            own |= {"trunk": self.trunk, "head": self.head.weight, "head's bias": self.head.bias}
        changed = [name for name, part in own.items() if found[name] is not part]
        if moved:
            what = "it was moved or converted"
        elif changed:
            what = f"the {changed[0]} was exchanged"
        elif len(embedding) != self.num_embeddings:  # transformers resizes in place
            what = f"it has {len(embedding)} tokens where it had {self.num_embeddings}"
        else:
            return
        raise ModelError(
            f"{type(self.model).__name__} is no longer the model that this Scorer was made for: {what}; make a "
            f"new Scorer for it, since weights, limits and signature are looked up once"
        )


def adapt(model: nn.Module) -> ModelAdapter:
    """Look at a model: find its trunk and head, and check on a few tokens that it is what it must be.

    Raises:
        ModelError: the model looks at tokens to the right, gives no logits, or not those of each token.
        NumericsError: its logits are NaN or infinite.
    """
    if not hasattr(model, "get_input_embeddings") or not hasattr(model, "config"):
        raise ModelError(f"{type(model).__name__} is no model of transformers; a Scorer needs one that is loaded")
    weight: Tensor = model.get_input_embeddings().weight  # type: ignore[operator]
    size, device = int(weight.shape[0]), weight.device
    with undisturbed(model, device):
        ids = probe_ids(size, device)
        logits = probe_logits(model, ids)
        adapter = ModelAdapter(
            model=model,
            trunk=None,
            head=None,
            context_length=context_length(model),
            vocabulary=min(size, int(logits.shape[-1])),
            device=device,
            dtype=weight.dtype,
            rope_switch=rope_switch(model),
            embedding=weight if _parts(model)["embedding"] is weight else None,
            num_embeddings=size,
            rows_in_front=logits.shape[1] - ids.shape[1],
        )
        if adapter.rows_in_front:
            check_rows_in_front(model, ids, logits, vocabulary=adapter.vocabulary)
        check_causal(model, logits)
        taken = max(adapter.rows_in_front, virtual_tokens(model))
        if taken and adapter.context_length is not None:
            adapter = replace(adapter, context_length=_room(model, adapter.context_length, taken))
        if taken:
            return replace(adapter, why_no_head="trained vectors stand in front of every text")
        return _with_head(adapter, ids, adapter.logits(ids))


def _room(model: nn.Module, limit: int, taken: int) -> int:
    if limit > taken:
        return limit - taken
    raise ModelError(f"{type(model).__name__} reads {limit} positions, and its trained prompt takes {taken} of them")


def _parts(model: Any) -> dict[str, Any]:
    """What must stay the same object while a scorer is used."""
    output = getattr(model, "get_output_embeddings", lambda: None)()
    return {
        "embedding": model.get_input_embeddings().weight,
        "trunk": getattr(model, "base_model", None),
        "head": getattr(output, "weight", None),
        "head's bias": getattr(output, "bias", None),
    }


def _with_head(adapter: ModelAdapter, ids: Tensor, logits: Tensor) -> ModelAdapter:
    """The adapter with trunk and head, if together they give the model's logits; else with why they do not."""
    trunk, head, why = _declared_parts(adapter.model)
    if head is None or trunk is None:
        return replace(adapter, why_no_head=why)
    try:
        hidden = trunk(**forward_inputs(trunk, ids))[0]
    except FROM_A_MODEL as error:
        return replace(adapter, why_no_head=f"{type(trunk).__name__} alone fails: {type(error).__name__}: {error}")
    shape = getattr(hidden, "shape", None)
    expected = [*ids.shape, head.weight.shape[1]]
    if shape is None or list(shape) != expected:
        found = type(hidden).__name__ if shape is None else list(shape)
        return replace(adapter, why_no_head=f"{type(trunk).__name__} gives {found} where states of {expected} are due")
    if len(head.weight) != logits.shape[-1]:
        return replace(adapter, why_no_head=f"its head has {len(head.weight)} words, its logits {logits.shape[-1]}")
    # Half precision: the model rounds its logits to that dtype, this head does not.
    tolerance = 1e-5 if logits.dtype == hidden.dtype else 2e-2
    if difference(head.logits(hidden), logits, least_scale=1.0) > tolerance:
        return replace(adapter, why_no_head="together they do not give the model's logits")
    return replace(adapter, trunk=trunk, head=head)


def _declared_parts(model: Any) -> tuple[nn.Module | None, Head | None, str]:
    """Trunk and head as transformers names them, and why there are none that could be tried."""
    import torch

    output = trained_layer(getattr(model, "get_output_embeddings", lambda: None)())
    trunk = getattr(model, "base_model", None)
    if not isinstance(output, torch.nn.Linear):
        return None, None, f"its head is {type(output).__name__}, no linear layer"
    if not isinstance(trunk, torch.nn.Module) or trunk is model:
        return None, None, "it names no trunk"
    # What is packed (quantised), sharded or made anew at each look cannot be cut into tiles of words.
    plain = type(output.weight) in (torch.Tensor, torch.nn.Parameter) and output.weight.is_floating_point()
    if not plain or output.weight.dim() != 2 or output.weight is not output.weight:
        return None, None, "its head's weights are no plain matrix"
    return trunk, _declared_head(model, output), ""


def _declared_head(model: nn.Module, output: nn.Linear) -> Head:
    """The head that the config declares: scales multiply (Cohere) or divide (Granite), a cap is Gemma 2's."""
    config = text_config(model)
    scale = float(getattr(config, "logit_scale", None) or 1.0)
    scale /= float(getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)
    return Head(output.weight, output.bias, scale, None if cap is None else float(cap))
