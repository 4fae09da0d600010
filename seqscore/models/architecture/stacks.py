"""The two stacks of a model with an encoder, and what turns the decoder's states into logits.

As with trunk and head of a causal model, how a model gets from states to logits is measured: on a few tokens encoder,
decoder and head must give the model's own logits, else the model's own forward pass is used behind the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqscore.errors import ModelError
from seqscore.models.architecture.adapter import Head, ModelAdapter
from seqscore.models.architecture.limits import stack_lengths
from seqscore.models.architecture.passes import undisturbed
from seqscore.models.architecture.probes import (
    FROM_A_MODEL,
    check_causal,
    difference,
    forward_inputs,
    probe_ids,
    probe_logits,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Stacks:
    """Encoder and decoder of a model.

    ``head`` is None where the model's own forward pass must compute its logits. ``source_length``: how many positions
    the encoder reads at most, None for no limit (``adapter.context_length`` is the decoder's).
    """

    adapter: ModelAdapter
    encoder: nn.Module
    decoder: nn.Module
    head: Head | None
    source_length: int | None

    def require_unchanged(self) -> None:
        """That encoder, decoder and head are those of the model still.

        Raises:
            ModelError: one of them was exchanged.
        """
        model: Any = self.adapter.model
        parts: dict[str, tuple[object, object]] = {
            "encoder": (self.encoder, model.get_encoder()),
            "decoder": (self.decoder, model.get_decoder()),
        }
        if self.head is not None:
            parts["head"] = (self.head.weight, getattr(model.get_output_embeddings(), "weight", None))
        changed = [name for name, (own, found) in parts.items() if own is not found]
        if changed:
            raise ModelError(
                f"{type(model).__name__} is no longer the model that this Scorer was made for: the {changed[0]} was "
                f"exchanged; make a new Scorer for it, since limits and signature are looked up once"
            )

    def encode(self, ids: Tensor, seen: Tensor) -> Tensor:
        """[b, m, D] states of sources [b, m], of which ``seen`` [b, m] is 1 where a token stands."""
        states: Tensor = self.encoder(**{**forward_inputs(self.encoder, ids), "attention_mask": seen})[0]
        return states

    def decode(self, ids: Tensor, states: Tensor, seen: Tensor) -> Tensor:
        """States [b, n, D] of what is decoded given encoded sources, ``ids`` [b, n]; logits [b, n, V] without a head.

        Positions count from the left and a token sees none behind it, so that padding on the right needs no mask.
        """
        import torch

        if self.head is not None:
            inputs = {"encoder_hidden_states": states, "encoder_attention_mask": seen}
            hidden: Tensor = self.decoder(**{**forward_inputs(self.decoder, ids), **inputs})[0]
            return hidden
        logits = _whole(self.adapter.model, ids, states, seen)
        return logits.to(torch.promote_types(self.adapter.dtype, torch.float32))


def _whole(model: Any, ids: Tensor, states: Tensor, seen: Tensor) -> Tensor:
    """[b, n, V] by the model's own forward pass behind its encoder."""
    from transformers.modeling_outputs import BaseModelOutput

    encoded = BaseModelOutput(last_hidden_state=states)
    logits: Tensor = model(encoder_outputs=encoded, attention_mask=seen, decoder_input_ids=ids, use_cache=False).logits
    return logits


def decoder_adapter(model: Any) -> ModelAdapter:
    """What there is to know of a model with an encoder: its decoder's context length, its vocabulary.

    Raises:
        ModelError: it has no encoder, or its decoder looks at tokens to the right, or gives no logits of each token.
        NumericsError: its logits are NaN or infinite.
    """
    if not hasattr(model, "get_encoder") or not hasattr(model, "get_decoder") or not hasattr(model, "config"):
        raise ModelError(f"{type(model).__name__} is no encoder-decoder of transformers; a Scorer needs one")
    weight: Tensor = model.get_input_embeddings().weight
    with undisturbed(model, weight.device):
        ids = probe_ids(len(weight), weight.device)
        logits = probe_logits(model, ids[:1].expand_as(ids), decoder_input_ids=ids)
        check_causal(model, logits)
    return ModelAdapter(
        model=model,
        trunk=None,
        head=None,
        context_length=stack_lengths(model)[1],
        vocabulary=min(len(weight), int(logits.shape[-1])),
        device=weight.device,
        dtype=weight.dtype,
        rope_switch=None,
        embedding=weight if model.get_input_embeddings().weight is weight else None,
        num_embeddings=len(weight),
    )


def stacks_of(adapter: ModelAdapter) -> Stacks:
    """Encoder, decoder and head, tried on a few tokens.

    Raises:
        ModelError: its encoder does not run by itself, or the rest not behind it.
    """
    model: Any = adapter.model
    stacks = Stacks(adapter, model.get_encoder(), model.get_decoder(), None, stack_lengths(model)[0])
    with undisturbed(model, adapter.device):
        ids = probe_ids(adapter.vocabulary, adapter.device)
        return _with_head(stacks, ids[:1].expand_as(ids), ids)


def _with_head(stacks: Stacks, sources: Tensor, ids: Tensor) -> Stacks:
    """The stacks with the first head that gives the model's logits together with them."""
    import torch

    seen = torch.ones_like(sources)
    logits = probe_logits(stacks.adapter.model, sources, decoder_input_ids=ids)
    states = _tried_encoder(stacks, sources, seen)
    for head in _declared_heads(stacks.adapter.model):
        tried = Stacks(stacks.adapter, stacks.encoder, stacks.decoder, head, stacks.source_length)
        try:
            found = head.logits(tried.decode(ids, states, seen))
        except FROM_A_MODEL:
            continue
        if _agree(found, logits, stacks.adapter):
            return tried
    try:
        found = stacks.decode(ids, states, seen)
    except FROM_A_MODEL as error:
        raise ModelError(f"{_name(stacks)} cannot be run behind its encoder: {error}") from error
    if not _agree(found, logits, stacks.adapter):
        raise ModelError(f"{_name(stacks)} gives other logits behind its encoder than as a whole")
    return stacks


def _agree(found: Tensor, logits: Tensor, adapter: ModelAdapter) -> bool:
    """Half precision: the model rounds its logits to that dtype, a head here does not."""
    tolerance = 1e-5 if adapter.dtype.itemsize >= 4 else 2e-2
    return found.shape == logits.shape and difference(found, logits, least_scale=1.0) <= tolerance


def _name(stacks: Stacks) -> str:
    return type(stacks.adapter.model).__name__


def _tried_encoder(stacks: Stacks, sources: Tensor, seen: Tensor) -> Tensor:
    name = _name(stacks)
    try:
        states = stacks.encode(sources, seen)
    except FROM_A_MODEL as error:
        raise ModelError(f"the encoder of {name} cannot be run on token ids by itself: {error}") from error
    if states.dim() != 3 or states.shape[:2] != sources.shape:
        raise ModelError(
            f"the encoder of {name} gives states of shape {list(states.shape)} for {list(sources.shape)} token ids; "
            f"expected one a token"
        )
    return states


def _declared_heads(model: Any) -> list[Head]:
    """What may be the head: the output layer with its own or the model's bias (BART), scaled as tied T5s do, capped as
    Gemma's."""
    import torch

    output = model.get_output_embeddings()
    if not isinstance(output, torch.nn.Linear) or type(output.weight) not in (torch.Tensor, torch.nn.Parameter):
        return []
    made_anew = output.weight is not model.get_output_embeddings().weight
    if made_anew or output.weight.dim() != 2 or not output.weight.is_floating_point():
        return []
    own: Tensor | None = output.bias
    of_model: Tensor | None = getattr(model, "final_logits_bias", None)
    bias = of_model[0] if own is None and of_model is not None else own
    decoder = model.config.get_text_config(decoder=True)
    cap = getattr(decoder, "final_logit_softcapping", None)
    cap = None if cap is None else float(cap)
    scales = (1.0, float(output.weight.shape[1]) ** -0.5)
    return [Head(output.weight, bias, scale, cap) for scale in scales]
