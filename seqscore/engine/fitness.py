"""Whether an engine that runs many texts side by side may run a model: tried, not looked up.

Attention is only one way by which one token can reach another, and models differ in what they tell about it. So the
engine is compared with the model's own forward pass, text by text: on a small random twin of the model, with windows so
short that texts outgrow them, and on a few tokens of the model itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from seqscore.engine.attention import UnsupportedAttentionError
from seqscore.engine.base import Engine
from seqscore.errors import DeviceError, SeqscoreError
from seqscore.models.adapter import ModelAdapter, adapt, evaluating
from seqscore.models.identity import fingerprint_config
from seqscore.models.precision import full_precision
from seqscore.plan.requests import Request

if TYPE_CHECKING:
    from torch import nn

__all__ = ["AttentionEngine", "why_not"]


class AttentionEngine(Engine, Protocol):
    """An engine that attends for the model, and counts the attention layers of its last pass."""

    attention_layers: int


MakeEngine: TypeAlias = Callable[[ModelAdapter], AttentionEngine]

_TWIN_VOCABULARY = 64
_TWIN_HEAD = 16
_TWIN_WINDOW = 8
_MOST_LAYERS = 8
_LARGEST_TWIN = 50_000_000
_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")
_INNER_WIDTHS = ("intermediate_size", "ffn_dim", "n_inner", "moe_intermediate_size", "shared_expert_intermediate_size")
_VERDICTS: dict[str, str | None] = {}
"""What the twin of a config showed, by the config's fingerprint: it need not be tried again in this process."""


def why_not(make: MakeEngine, adapter: ModelAdapter) -> str | None:
    """Why an engine of this make must not run this model; None where it may."""
    if adapter.trunk is None or adapter.head is None:
        return "its hidden states and its head cannot be told apart"
    key = fingerprint_config(adapter.model.config)  # type: ignore[arg-type]
    if key not in _VERDICTS:
        _VERDICTS[key] = _try_twin(make, adapter)
    requests = _short_requests(adapter.vocabulary)
    return _VERDICTS[key] or _differs(make(adapter), adapter, requests, tolerance=_tolerance(adapter))


def _tolerance(adapter: ModelAdapter) -> float:
    """Nats: far above what rounding costs, far below what a token costs that sees what it should not."""
    return 1e-3 if adapter.dtype.itemsize >= 4 else 0.5


def _try_twin(make: MakeEngine, adapter: ModelAdapter) -> str | None:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        twin = _twin(adapter.model)
    if twin is None:
        return "no small copy of it can be made to try the engine on"
    return _differs(make(twin), twin, _long_requests(twin.context_length), tolerance=1e-3)


def _differs(
    engine: AttentionEngine, adapter: ModelAdapter, requests: list[Request], *, tolerance: float
) -> str | None:
    """What is wrong with an engine on these requests, compared with the model's own forward pass one by one."""
    try:
        values = engine.run(requests, extras=frozenset())
    except DeviceError:
        raise
    except (UnsupportedAttentionError, SeqscoreError) as error:
        return str(error)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        return f"its forward pass does not take packs ({type(error).__name__})"
    layers = getattr(adapter.model.config.get_text_config(), "num_hidden_layers", None)  # type: ignore[union-attr, operator]
    if engine.attention_layers != layers:
        return f"{engine.attention_layers} of its {layers} layers go through transformers' attention interface"
    for request, one in zip(requests, values, strict=True):
        error_in_nats = np.abs(one.logprobs - _logprobs(adapter, request)).max()
        if not error_in_nats <= tolerance:
            return f"a token's log-probability depends on what runs beside it (by {error_in_nats:.2g} nats)"
    return None


def _logprobs(adapter: ModelAdapter, request: Request) -> Any:
    import torch

    device = adapter.device
    with torch.inference_mode(), evaluating(adapter.model), full_precision(device.type):
        logits = adapter.logits(torch.from_numpy(request.inputs)[None].to(device))[0, request.first_target - 1 :]
        logprobs = logits.double().log_softmax(-1).gather(1, torch.from_numpy(request.targets).to(device)[:, None])
    return logprobs[:, 0].cpu().numpy()


def _short_requests(vocabulary: int) -> list[Request]:
    """Two texts that part in the middle, and one that has nothing to do with them."""
    ids = (np.arange(12) * 7 + 3) % vocabulary
    other = np.concatenate([ids[:6], (ids[6:9] + 1) % vocabulary])
    return [Request(ids, 1), Request(other, 1), Request((ids[::-1] + 5) % vocabulary, 1)]


def _long_requests(context_length: int | None) -> list[Request]:
    """Texts that share prefixes within and across blocks, and outgrow windows and packs."""
    generator = np.random.default_rng(0)
    ids = generator.integers(3, _TWIN_VOCABULARY, size=min(300, context_length or 300))
    made = [ids]
    for kept, more in ((5, 20), (100, 30), (270, 20), (0, 15)):
        made.append(np.concatenate([ids[:kept], generator.integers(3, _TWIN_VOCABULARY, size=more)])[: len(ids)])
    return [Request(one, 1) for one in made]


def _twin(model: nn.Module) -> ModelAdapter | None:
    """A small random model of the same class and kind of config; None where none can be built."""
    for shrink in (_narrow, _shallow):
        try:
            twin = _build(type(model), shrink(copy.deepcopy(model.config)))
        except (AttributeError, AssertionError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
            continue
        if twin is not None:
            return twin
    return None


def _build(kind: type[nn.Module], config: Any) -> ModelAdapter | None:
    import torch

    with torch.device("meta"):
        if sum(parameter.numel() for parameter in kind(config).parameters()) > _LARGEST_TWIN:
            return None
    twin = kind(config).float().eval()
    with torch.no_grad():
        for parameter in twin.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=1.5 * parameter.shape[-1] ** -0.5)
    try:
        return adapt(twin)
    except SeqscoreError:
        return None


def _shallow(config: Any) -> Any:
    """The first layers, at least one of every kind; a small vocabulary; short windows."""
    text = config.get_text_config()
    kinds = getattr(text, "layer_types", None)
    layers = min(2, text.num_hidden_layers)
    if kinds:
        layers = max(layers, 1 + max(kinds.index(kind) for kind in set(kinds)))
        layers = min(layers, _MOST_LAYERS, len(kinds))
        text.layer_types = list(kinds[:layers])
    text.num_hidden_layers = layers
    text.vocab_size = _TWIN_VOCABULARY
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(text, name, None)
    for name in _WINDOWS:
        if isinstance(getattr(text, name, None), int) and getattr(text, name) > 0:
            setattr(text, name, _TWIN_WINDOW)
    return config


def _narrow(config: Any) -> Any:
    """As ``_shallow``, with as many heads of a smaller size."""
    text = _shallow(config).get_text_config()
    width = text.num_attention_heads * _TWIN_HEAD
    text.hidden_size = width
    if getattr(text, "head_dim", None) is not None:
        text.head_dim = _TWIN_HEAD
    for name in _INNER_WIDTHS:
        if isinstance(getattr(text, name, None), int):
            setattr(text, name, 2 * _TWIN_HEAD)
    return config
