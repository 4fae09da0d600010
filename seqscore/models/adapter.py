"""What an engine needs to know of a model: its trunk, its head, and what its forward pass takes.

How a model gets from its last hidden states to logits is not declared anywhere: some scale them, some cap them, some
normalise once more. So it is measured: on a few tokens the head found here must give the model's own logits, else the
model's own forward pass is used for the head too.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from seqscore.errors import ModelError, NumericsError, OptionError
from seqscore.models.precision import full_precision

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["Head", "ModelAdapter", "adapt", "checked_max_length", "context_length", "evaluating", "rope_switch"]

_PROBE_LENGTH = 8
_RULED_OUT = 1e30
_LENGTH_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "max_sequence_length")
_OFFSET_POSITIONS = frozenset(
    {"camembert", "data2vec-text", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"}
)
# Positions are not limited where they enter as a bias that grows with distance, or as a recurrence.
_UNLIMITED = frozenset({"bloom", "mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm", "recurrent_gemma"})


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

    ``head`` is None where the model's own forward pass must compute its logits. ``context_length``: how many positions
    the model reads at most, None for no limit. ``vocabulary``: how many token ids it knows.
    ``rope_switch``: see the function of that name.
    """

    model: nn.Module
    trunk: nn.Module | None
    head: Head | None
    context_length: int | None
    vocabulary: int
    device: torch.device
    dtype: torch.dtype
    rope_switch: int | None

    def logits(self, ids: Tensor) -> Tensor:
        """[b, n, V] logits by the model's own forward pass of ids [b, n], in float32 (float64 for a float64 model)."""
        return self._widened(self.model(**_inputs(self.model, ids)).logits)

    def at_targets(self, ids: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Head | None]:
        """What stands at ``[rows, columns]`` of a batch padded on the right: hidden states [p, D] and the head that
        turns them into logits; or, for a model whose head is its own, logits [p, V] and None.

        Shape: ``ids`` [b, n]; ``rows``, ``columns`` [p].
        """
        if self.trunk is not None and self.head is not None:
            return self.trunk(**_inputs(self.trunk, ids))[0][rows, columns], self.head
        return self._widened(self.model(**_inputs(self.model, ids)).logits[rows, columns]), None

    def _widened(self, logits: Tensor) -> Tensor:
        import torch

        return logits.to(torch.promote_types(self.dtype, torch.float32))


def adapt(model: nn.Module) -> ModelAdapter:
    """Look at a model: find its trunk and head, and check on a few tokens that it is what it must be.

    Raises:
        ModelError: the model looks at tokens to the right, or gives no logits.
        NumericsError: its logits are NaN.
    """
    import torch

    if not hasattr(model, "get_input_embeddings") or not hasattr(model, "config"):
        raise ModelError(f"{type(model).__name__} is no model of transformers; a Scorer needs one that is loaded")
    weight = model.get_input_embeddings().weight  # type: ignore[operator]
    size, device = int(weight.shape[0]), weight.device
    adapter = ModelAdapter(model, None, None, context_length(model), size, device, weight.dtype, rope_switch(model))
    with torch.inference_mode(), evaluating(model), full_precision(device.type):
        ids = _probe_ids(size, device)
        logits = _probe_logits(adapter, ids)
        _check_causal(adapter, ids, logits)
        trunk, head = _find_head(model, ids, logits)
    return replace(adapter, trunk=trunk, head=head, vocabulary=min(size, int(logits.shape[-1])))


def context_length(model: nn.Module) -> int | None:
    """How many positions ``model`` can read at once, by its config; None where nothing limits it."""
    config = _text_config(model)
    if config.model_type in _UNLIMITED:
        return None
    # These count positions from behind their padding token's id: so many fewer can be used.
    unused = (config.pad_token_id or 0) + 1 if config.model_type in _OFFSET_POSITIONS else 0
    for name in _LENGTH_NAMES:
        value = getattr(config, name, None)
        if isinstance(value, int) and value > unused:
            return value - unused
    return None


def _text_config(model: Any) -> Any:
    """The config of the part that reads text, in a model of several parts; else the model's own."""
    return model.config.get_text_config()


def checked_max_length(max_length: int | None, adapter: ModelAdapter) -> int | None:
    """How many positions to read at once: as asked for, else the model's own limit.

    Raises:
        OptionError: it is no whole number from 1 to the model's limit.
    """
    limit = adapter.context_length
    if max_length is None:
        return limit
    whole = isinstance(max_length, int) and not isinstance(max_length, bool)
    if not whole or max_length < 1 or (limit is not None and max_length > limit):
        raise OptionError(
            f"max_length={max_length!r} must be a whole number of at least 1"
            + ("" if limit is None else f" and at most {limit}, the longest input the model was made for")
        )
    return max_length


def rope_switch(model: nn.Module) -> int | None:
    """The length beyond which the model's rotary embedding changes for all positions (LongRoPE); None for none.

    Sequences on both sides of it must not run side by side: the longest one decides for all.
    """
    config = _text_config(model)
    rope = getattr(config, "rope_parameters", None) or {}
    settings = [rope, *(value for value in rope.values() if isinstance(value, dict))]
    for one in settings:
        if one.get("rope_type") == "longrope":
            length = one.get("original_max_position_embeddings") or config.original_max_position_embeddings
            return int(length)
    return None


class evaluating:
    """Dropout off for the time of the block; the caller's model is left in the mode it was in."""

    def __init__(self, model: nn.Module) -> None:
        self._training = [module for module in model.modules() if module.training]

    def __enter__(self) -> None:
        for module in self._training:
            module.training = False

    def __exit__(self, *_: object) -> None:
        for module in self._training:
            module.training = True


def _parameter_names(module: nn.Module) -> frozenset[str]:
    return frozenset(inspect.signature(module.forward).parameters)


def _inputs(module: nn.Module, ids: Tensor) -> dict[str, Any]:
    """What a forward pass of ``ids`` [b, n] takes, of what ``module`` knows: every position is seen, none is cached.

    Position ids are left to the model: padding stands on the right, and some count from another number than 0.
    """
    import torch

    names = _parameter_names(module)
    inputs: dict[str, Any] = {"input_ids": ids}
    if "attention_mask" in names:
        inputs["attention_mask"] = torch.ones_like(ids)
    if "use_cache" in names:
        inputs["use_cache"] = False
    return inputs


def _probe_ids(size: int, device: torch.device) -> Tensor:
    """A few different tokens; two rows that part at the last one."""
    import torch

    first = [(7 * i + 3) % size for i in range(_PROBE_LENGTH)]
    second = [*first[:-1], (first[-1] + 1) % size]
    return torch.tensor([first, second], device=device)


def _probe_logits(adapter: ModelAdapter, ids: Tensor) -> Tensor:
    try:
        logits = adapter.logits(ids)
    except (AttributeError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise ModelError(f"{type(adapter.model).__name__} gives no logits for token ids: {error}") from error
    if bool(logits.isnan().any()):
        raise NumericsError(
            f"{type(adapter.model).__name__} gives NaN logits on a plain probe of {_PROBE_LENGTH} tokens: its weights "
            f"are damaged, or this dtype overflows; try dtype='float32'"
        )
    return logits


def _check_causal(adapter: ModelAdapter, ids: Tensor, logits: Tensor) -> None:
    """A change of the last token must leave the logits before it as they are."""
    if _difference(logits[0, :-1], logits[1, :-1], least_scale=1e-6) > 1e-3:
        raise ModelError(
            f"{type(adapter.model).__name__} is not a causal language model: its output at a token depends on the "
            f"tokens that follow; expected a model that reads from left to right only"
        )


def _difference(a: Tensor, b: Tensor, *, least_scale: float) -> float:
    """How far two sets of logits are apart: the largest difference, relative to the largest logit.

    Words that a model rules out (-inf, or the lowest number there is) say nothing of the scale and must be the same.
    """
    a, b = a.double(), b.double()
    usual = (a.abs() < _RULED_OUT) & (b.abs() < _RULED_OUT)
    if not bool((a[~usual] == b[~usual]).all()):
        return float("inf")
    a, b = a[usual], b[usual]
    return float((a - b).abs().max()) / max(least_scale, float(a.abs().max())) if a.numel() else float("inf")


def _find_head(model: nn.Module, ids: Tensor, logits: Tensor) -> tuple[nn.Module | None, Head | None]:
    """Trunk and head, if together they give the model's logits."""
    import torch

    output = getattr(model, "get_output_embeddings", lambda: None)()
    trunk = getattr(model, "base_model", None)
    if not isinstance(output, torch.nn.Linear) or not isinstance(trunk, torch.nn.Module) or trunk is model:
        return None, None
    try:
        hidden = trunk(**_inputs(trunk, ids))[0]
        head = _declared_head(model, output)
        # Half precision: the model rounds its logits to that dtype, this head does not.
        tolerance = 1e-5 if logits.dtype == hidden.dtype else 2e-2
        same = _difference(head.logits(hidden), logits, least_scale=1.0) <= tolerance
    except (AttributeError, TypeError, ValueError, RuntimeError, KeyError, IndexError):
        return None, None
    return (trunk, head) if same else (None, None)


def _declared_head(model: nn.Module, output: nn.Linear) -> Head:
    """The head that the config declares: scales multiply (Cohere) or divide (Granite), a cap is Gemma 2's."""
    config = _text_config(model)
    scale = float(getattr(config, "logit_scale", None) or 1.0)
    scale /= float(getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)
    return Head(output.weight, output.bias, scale, None if cap is None else float(cap))
