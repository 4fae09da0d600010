"""Mixtures of experts whose rows keep their bits whatever other rows the same expert gets.

How many rows an expert gets depends on all rows of a pass. So each expert's rows are padded to row counts that are
known to leave a row's bits alone, as for other linear layers (``engine.row_counts``), and what the experts of a row
give is added in the order in which the router chose them. transformers hands its experts layers to a function that can
be registered (``ExpertsInterface``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from seqscore.engine.callers_functions import former_experts
from seqscore.engine.kept_trials import TriedModel, tried
from seqscore.engine.row_counts import CANDIDATES, steady_products, whole_vectors
from seqscore.models.architecture.passes import current_run
from seqscore.models.architecture.sharing import switched
from seqscore.plan.cuts import cut_rows

if TYPE_CHECKING:
    from torch import Tensor, nn

_NAME = "seqscore_steady"
_SETTING = "_experts_implementation_internal"


def expert_row_counts(layer: Any, known: TriedModel) -> tuple[int, ...]:
    """How many rows one expert of ``layer`` may run at once: of each shape of weights of a model tried once."""
    first = _first(layer)
    kind = (tuple(first.shape), tuple(layer.down_proj.shape), first.dtype, first.device)
    return known.counts(f"experts {kind}", CANDIDATES, lambda: _tried(layer))


_CURRENT: ContextVar[tuple[TriedModel | None, object]] = ContextVar("seqscore_experts", default=(None, None))


@contextmanager
def steady_experts(model: nn.Module) -> Iterator[None]:
    """The model's experts run on steady row counts within this block; its configs are put back afterwards."""
    configs = {id(module.config): module.config for module in model.modules() if _is_experts(module)}
    if not configs:
        yield
        return
    from transformers.integrations.moe import ExpertsInterface

    ExpertsInterface.register(_NAME, _experts)
    token = _CURRENT.set((tried(model), current_run()))
    try:
        with switched(configs.values(), _SETTING, _NAME):
            yield
    finally:
        _CURRENT.reset(token)


def _is_experts(module: nn.Module) -> bool:
    """Whether transformers lets a function of ours run this layer, and it is one that ours can run."""
    known = all(hasattr(module, name) for name in ("is_transposed", "has_gate", "has_bias", "down_proj", "config"))
    unusual = getattr(module, "has_post_expert_norm", False) or getattr(module, "_is_expert_parallel", False)
    return known and not unusual


def _experts(layer: Any, hidden: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """out = sum_k weights_k expert_k(hidden). Shape: ``hidden`` [T, D]; ``chosen``, ``weights`` [T, K]."""
    import torch

    known, run = _CURRENT.get()
    if known is None or run is not current_run():  # another thread's forward pass, or another run in a hook
        former: Tensor = former_experts(layer, _SETTING)(layer, hidden, chosen, weights)
        return former
    counts = expert_row_counts(layer, known)
    flat = chosen.reshape(-1)
    order = torch.argsort(flat, stable=True)
    given = torch.bincount(flat, minlength=layer.num_experts).tolist()
    out = hidden.new_empty(len(flat), hidden.shape[1])
    begin = 0
    for expert, total in enumerate(given):
        places = order[begin : begin + total]
        begin += total
        for used, size in cut_rows(total, counts):
            here, places = places[:used], places[used:]
            rows = hidden.index_select(0, here // chosen.shape[1])
            filled = torch.nn.functional.pad(rows, (0, 0, 0, size - used))
            out.index_copy_(0, here, _one_expert(layer, expert, filled)[:used])
    parts = out.view(*chosen.shape, -1) * weights[..., None]
    result = parts[:, 0]
    for k in range(1, chosen.shape[1]):
        result = result + parts[:, k]
    return result.to(hidden.dtype)


def _one_expert(layer: Any, expert: int, rows: Tensor) -> Tensor:
    """down(act(up(rows))), or down(act(gate(rows)) * up(rows)) where the layer has a gate."""
    first = _linear(layer, "gate_up_proj" if layer.has_gate else "up_proj", expert, rows)
    inner = layer._apply_gate(first) if layer.has_gate else layer.act_fn(first)
    return _linear(layer, "down_proj", expert, inner)


def _linear(layer: Any, name: str, expert: int, rows: Tensor) -> Tensor:
    import torch

    weight = getattr(layer, name)[expert]
    bias = getattr(layer, f"{name}_bias")[expert] if layer.has_bias else None
    return torch.nn.functional.linear(rows, weight.T if layer.is_transposed else weight, bias)


def _first(layer: Any) -> Tensor:
    weight: Tensor = layer.gate_up_proj if layer.has_gate else layer.up_proj
    return weight


def _tried(layer: Any) -> tuple[int, ...]:
    first = _first(layer)
    width, outputs = (first.shape[1], first.shape[2]) if layer.is_transposed else (first.shape[2], first.shape[1])
    inner = layer.down_proj.shape[1 if layer.is_transposed else 2]
    steady = steady_products(
        lambda rows: _one_expert(layer, 0, rows), width, like=first[:0, 0], candidates=list(CANDIDATES)
    )
    for numbers in (width, outputs, inner):
        steady = whole_vectors(steady, numbers, first.dtype)
    return steady or (max(CANDIDATES),)
