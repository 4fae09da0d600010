"""How a model goes on behind tokens that it has read, if it can: tried on a few tokens of its own.

Each way is compared with the model's own forward pass, text by text: texts that part at several places, so that
prefixes run behind prefixes and texts of different lengths side by side.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.base import Engine
from seqscore.engine.forward_passes import forward_passes
from seqscore.engine.head.by_rows import target_values
from seqscore.errors import ModelError, SeqscoreError
from seqscore.models.architecture import caches
from seqscore.models.architecture.caches import WAYS, Continuing
from seqscore.models.architecture.limits import virtual_tokens
from seqscore.models.architecture.probes import FROM_A_MODEL
from seqscore.plan.requests import Request

if TYPE_CHECKING:
    from seqscore.models.architecture.adapter import ModelAdapter

FloatArray = NDArray[np.float64]

_USUAL_NATS = 100.0
"""Beyond it what rounding costs is told by the size of the logits."""
_CERTAIN = 1e-4
"""Nats a token on average: far above what rounding costs in float32, far below what a lost prefix does."""
_ROUNDED = 0.1
"""The most that rounding may cost in half precision."""


def way_to_go_on(make: Callable[[ModelAdapter, Continuing], Engine], adapter: ModelAdapter) -> Continuing | str:
    """The first way in which an engine of this make gives the model's own values; why there is none."""
    if adapter.rows_in_front or virtual_tokens(adapter.model):
        return "trained vectors stand in front of what it reads"
    requests = _requests(adapter.vocabulary, adapter.context_length)
    with forward_passes(adapter):
        own = np.concatenate([_logprobs(adapter, request) for request in requests])
    scale = max(1.0, np.abs(own).max() / _USUAL_NATS)
    apart: dict[Continuing, float] = {}
    reasons: list[str] = []
    for way in WAYS:
        found = _tried(make(adapter, way), requests)
        if isinstance(found, str):
            reasons.append(found)
            continue
        apart[way] = float(np.abs(found - own).mean()) / scale
        if apart[way] <= _CERTAIN:
            return way
        reasons.append(f"behind tokens that it has read it gives other values (by {apart[way]:.2g} nats on average)")
    return _least_apart(apart, adapter) or reasons[0]


def _least_apart(apart: dict[Continuing, float], adapter: ModelAdapter) -> Continuing | None:
    """Half precision rounds so much that a prefix which is lost may cost no more; but ways that lose none are all about
    as far apart from the model's own values, and others further."""
    least = min(apart.values(), default=np.inf)
    if adapter.dtype.itemsize >= 4 or not least <= _ROUNDED:
        return None
    return next(way for way in apart if apart[way] <= 4 * least)


def _tried(engine: Engine, requests: list[Request]) -> FloatArray | str:
    """Log-probabilities of all targets by an engine, or what is wrong with it."""
    try:
        return np.concatenate([values.logprobs for values in engine.run(requests, extras=frozenset())])
    except ModelError as error:
        return str(error)
    except FROM_A_MODEL as error:
        if isinstance(error, SeqscoreError) or not _is_the_models(error):
            raise
        return f"it fails behind tokens that it has read ({type(error).__name__}: {error})"


def _is_the_models(error: Exception) -> bool:
    """Whether the innermost function of ours on the way to an error is the one that calls the model."""
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [code.co_name for code in frames if code.co_filename == caches.__file__]
    return bool(own) and own[-1] == caches.forward_pass.__name__


def _logprobs(adapter: ModelAdapter, request: Request) -> FloatArray:
    import torch

    ids = torch.from_numpy(request.ids).to(adapter.device)
    columns = torch.arange(request.first_target - 1, request.num_inputs, device=adapter.device)
    states, head = adapter.at_targets(ids[None, :-1], torch.zeros_like(columns), columns)
    return target_values(states, head, ids[request.first_target :], extras=frozenset()).logprobs


def _requests(vocabulary: int, context_length: int | None) -> list[Request]:
    """Texts that part at the fourth and the eighth token, and one that has nothing to do with them."""
    ids = (np.arange(12) * 7 + 3) % vocabulary
    made = [ids, np.append(ids[:8], (ids[8:10] + 1) % vocabulary), np.append(ids[:4], (ids[4:8] + 2) % vocabulary)]
    longest = 12 if context_length is None else context_length + 1
    return [Request(one[:longest], 1) for one in (*made, (ids[5:] + 5) % vocabulary)]
