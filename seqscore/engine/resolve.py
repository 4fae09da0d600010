"""Name to engine. A new engine is one file and one line here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from seqscore.engine.base import Engine
from seqscore.engine.cached import CachedEngine
from seqscore.engine.cached_trial import way_to_go_on
from seqscore.engine.packed import PackedEngine
from seqscore.engine.packed_trial import why_not
from seqscore.engine.padded import PaddedEngine
from seqscore.engine.reference import ReferenceEngine
from seqscore.errors import EngineError, OptionError, SeqscoreWarning
from seqscore.models.architecture.caches import Continuing

if TYPE_CHECKING:
    from seqscore.models.architecture.adapter import ModelAdapter

DEFAULT_BATCH_TOKENS = 4096

ENGINES: Mapping[str, Callable[[ModelAdapter, int | None], Engine]] = MappingProxyType(
    {
        "reference": lambda adapter, batch_tokens: ReferenceEngine(adapter),
        "padded": lambda adapter, batch_tokens: PaddedEngine(
            adapter, batch_tokens=DEFAULT_BATCH_TOKENS if batch_tokens is None else batch_tokens
        ),
        "packed": lambda adapter, batch_tokens: _tried_packed(adapter, batch_tokens),
        "cached": lambda adapter, batch_tokens: _tried_cached(adapter, batch_tokens),
    }
)


def resolve_engine(name: str, adapter: ModelAdapter, *, batch_tokens: int | None = None) -> Engine:
    """The engine called ``name``. ``auto`` takes ``packed`` where it runs this model, else ``cached`` where that does,
    else ``padded``, with a warning that says why. A named engine never gives way to another.

    Raises:
        OptionError: there is no such engine, or the token budget is not positive.
        EngineError: ``packed`` or ``cached`` was named and cannot run this model.
    """
    if not isinstance(name, str) or (name != "auto" and name not in ENGINES):
        raise OptionError(f"engine={name!r} is unknown; expected one of auto, {', '.join(ENGINES)}")
    if batch_tokens is not None and (not isinstance(batch_tokens, int) or batch_tokens < 1):
        raise OptionError(f"batch_tokens={batch_tokens!r} must be a whole number of at least 1")
    if name != "auto":
        return ENGINES[name](adapter, batch_tokens)
    refusal = why_not(_narrow_packed, adapter)
    if refusal is None:
        return PackedEngine(adapter, batch_tokens=batch_tokens)
    way = way_to_go_on(_sharing_all, adapter)
    engine = ENGINES["padded"](adapter, batch_tokens) if isinstance(way, str) else _cached(adapter, batch_tokens, way)
    warnings.warn(
        f"{type(adapter.model).__name__} runs {engine.name}, not packed: {refusal.reason}. Its scores may change in "
        f"their last digits with what stands beside a text.",
        SeqscoreWarning,
        stacklevel=2,
    )
    return engine


def _narrow_packed(adapter: ModelAdapter) -> PackedEngine:
    """Packs so small that short texts already go from one to the next."""
    return PackedEngine(adapter, batch_tokens=64)


def _tried_packed(adapter: ModelAdapter, batch_tokens: int | None) -> Engine:
    refusal = why_not(_narrow_packed, adapter)
    if refusal is not None:
        name = type(adapter.model).__name__
        raise EngineError(
            f"engine='packed' cannot run {name}: {refusal.reason}; use engine='padded'"
        ) from refusal.cause
    return PackedEngine(adapter, batch_tokens=batch_tokens)


def _sharing_all(adapter: ModelAdapter, way: Continuing) -> CachedEngine:
    """Passes that cost nothing, so that all prefixes in common are worth one."""
    return CachedEngine(adapter, batch_tokens=64, way=way, pass_cost=0)


def _tried_cached(adapter: ModelAdapter, batch_tokens: int | None) -> Engine:
    way = way_to_go_on(_sharing_all, adapter)
    if isinstance(way, str):
        raise EngineError(f"engine='cached' cannot run {type(adapter.model).__name__}: {way}; use engine='padded'")
    return _cached(adapter, batch_tokens, way)


def _cached(adapter: ModelAdapter, batch_tokens: int | None, way: Continuing) -> CachedEngine:
    return CachedEngine(adapter, batch_tokens=DEFAULT_BATCH_TOKENS if batch_tokens is None else batch_tokens, way=way)
