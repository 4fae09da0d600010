"""Whether an engine that runs many texts side by side may run a model: tried, not looked up.

Attention is only one way by which one token can reach another, and models differ in what they tell about it. So the
engine is compared with the model's own forward pass, text by text: on a small random twin of the model, with windows so
short that texts outgrow them, and on a few tokens of the model itself. Both run on the model's device, by the attention
backend that the model will use.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from seqscore.engine.attention.backends import backend_for
from seqscore.engine.attention.base import UnsupportedAttentionError
from seqscore.engine.base import Engine
from seqscore.engine.forward_passes import forward_passes
from seqscore.engine.kept_trials import look_up
from seqscore.engine.trial_key import is_ours
from seqscore.errors import EngineError, ModelError, NumericsError, SeqscoreError
from seqscore.models.architecture.adapter import ModelAdapter, adapt
from seqscore.models.architecture.probes import FROM_A_MODEL
from seqscore.models.load.identity import fingerprint_config
from seqscore.plan.requests import Request

if TYPE_CHECKING:
    import torch
    from torch import nn


MakeEngine: TypeAlias = Callable[[ModelAdapter], Engine]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an engine must not run a model, and the exception that showed it, if any."""

    reason: str
    cause: Exception | None = None


_TWIN_VOCABULARY = 64
_TWIN_HEAD = 16
_TWIN_WINDOW = 8
_MOST_LAYERS = 8
_LARGEST_TWIN = 50_000_000
_USUAL_NATS = 100.0
"""Beyond it what rounding costs is told by the size of the logits."""
_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")
_INNER_WIDTHS = ("intermediate_size", "ffn_dim", "n_inner", "moe_intermediate_size", "shared_expert_intermediate_size")
_VERDICTS: dict[tuple[object, ...], Refusal | None] = {}
"""What a twin showed, by all that it depends on; it need not be tried again in this process."""


def why_not(make: MakeEngine, adapter: ModelAdapter) -> Refusal | None:
    """Why an engine of this make must not run this model; None where it may, tried unless that is kept.

    Raises:
        EngineError: the engine itself failed, not the model in it.
    """
    if adapter.trunk is None or adapter.head is None:
        why = f" ({adapter.why_no_head})" if adapter.why_no_head else ""
        return Refusal(f"its hidden states and its head cannot be told apart{why}")
    engine, backend = make(adapter), backend_for(adapter.device, adapter.dtype)
    known = look_up(adapter, attention=backend.name, kept=is_ours(engine) and is_ours(backend))
    return known.refusal(f"{engine.name} by {engine.batch_tokens}", lambda: _tried(make, engine, adapter))


def _tried(make: MakeEngine, engine: Engine, adapter: ModelAdapter) -> Refusal | None:
    key = _key(engine, adapter)
    if key not in _VERDICTS:
        _VERDICTS[key] = _try_twin(make, adapter)
    requests = _short_requests(adapter.vocabulary)
    return _VERDICTS[key] or _differs(engine, adapter, requests, tolerance=_tolerance(adapter))


def _key(engine: Engine, adapter: ModelAdapter) -> tuple[object, ...]:
    """What a verdict depends on: the kind of engine, the model's class and config, device, dtype, attention backend."""
    model = plain_model(adapter.model)
    backend = backend_for(adapter.device, adapter.dtype).name
    return type(engine), type(model), fingerprint_config(model.config), adapter.device.type, adapter.dtype, backend


def plain_model(model: Any) -> Any:
    """What ``torch.compile`` wraps, else the model."""
    inner = getattr(model, "_orig_mod", None)
    return model if inner is None else inner


def _tolerance(adapter: ModelAdapter) -> float:
    """Nats: far above what rounding costs, far below what a token costs that sees what it should not."""
    return 1e-3 if adapter.dtype.itemsize >= 4 else 0.5


def _try_twin(make: MakeEngine, adapter: ModelAdapter) -> Refusal | None:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        twin = _twin(plain_model(adapter.model), adapter.device, _trial_dtype(adapter))
    if isinstance(twin, Refusal):
        return twin
    requests = _long_requests(twin.context_length)
    return _differs(make(twin), twin, requests, tolerance=_tolerance(twin))


def _trial_dtype(adapter: ModelAdapter) -> torch.dtype:
    """float32, in which a leak is told from rounding best, wherever it runs on the same path; else the model's own."""
    import torch

    same = backend_for(adapter.device, torch.float32) is backend_for(adapter.device, adapter.dtype)
    return torch.float32 if same else adapter.dtype


def _differs(engine: Engine, adapter: ModelAdapter, requests: list[Request], *, tolerance: float) -> Refusal | None:
    """What is wrong with an engine on these requests, compared with the model's own forward pass one by one."""
    try:
        values = engine.run(requests, extras=frozenset())
    except (UnsupportedAttentionError, ModelError) as error:
        return Refusal(str(error), _kept(error))
    except FROM_A_MODEL as error:
        if isinstance(error, SeqscoreError):
            raise
        said = f"{type(error).__name__}: {error}"
        if not _is_the_models(error):
            raise EngineError(
                f"engine={engine.name!r} failed while it was tried on {type(adapter.model).__name__} ({said}): a "
                f"defect of seqscore, not of the model; use engine='padded', and report it"
            ) from error
        return Refusal(f"its forward pass does not take packs ({said})", _kept(error))
    for request, one in zip(requests, values, strict=True):
        expected = _logprobs(adapter, request)
        error_in_nats = np.abs(one.logprobs - expected).max()
        if not error_in_nats <= tolerance * max(1.0, np.abs(expected).max() / _USUAL_NATS):
            return Refusal(f"a token's log-probability depends on what runs beside it (by {error_in_nats:.2g} nats)")
    return None


def _is_the_models(error: Exception) -> bool:
    """Whether the innermost function of ours on the way to an error had handed over to a layer of the model.

    In front of the call of a compiled layer stand frames of torch's compiler.
    """
    modules = [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [place for place, name in enumerate(modules) if name.partition(".")[0] == "seqscore"]
    behind = modules[ours[-1] + 1 :]
    return "torch.nn.modules.module" in behind or behind[:1] == ["torch._dynamo.eval_frame"]


def _kept(error: Exception) -> Exception:
    """An error to be told later, without the frames that hold its tensors."""
    held: BaseException | None = error
    while held is not None:
        held.with_traceback(None)
        held = held.__cause__ or held.__context__
    return error


def _logprobs(adapter: ModelAdapter, request: Request) -> Any:
    import torch

    device = adapter.device
    with forward_passes(adapter):
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


def _twin(model: nn.Module, device: torch.device, dtype: torch.dtype) -> ModelAdapter | Refusal:
    """A small random model of the same class and kind of config; why there is none where none can be built."""
    refused = Refusal("no small copy of it can be made to try the engine on")
    for shrink in (_narrow, _shallow):
        try:
            twin = _build(type(model), shrink(copy.deepcopy(model.config)), device, dtype)
        except FROM_A_MODEL as error:  # not every class can be made in other sizes
            refused = Refusal(f"{refused.reason.partition(' (')[0]} ({type(error).__name__}: {error})", _kept(error))
            continue
        if twin is not None:
            return twin
    return refused


def _build(kind: type[nn.Module], config: Any, device: torch.device, dtype: torch.dtype) -> ModelAdapter | None:
    import torch

    with torch.device("meta"):
        if sum(parameter.numel() for parameter in kind(config).parameters()) > _LARGEST_TWIN:
            return None
    with torch.device("cpu"):  # random numbers are the same ones for every device
        twin = kind(config).float().eval()
        with torch.no_grad():
            for parameter in twin.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(std=1.5 * parameter.shape[-1] ** -0.5)
    try:
        return adapt(twin.to(device=device, dtype=dtype))
    except (ModelError, NumericsError):
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
