"""Name to engine. A new engine is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from seqscore.engine.base import Engine
from seqscore.engine.padded import PaddedEngine
from seqscore.engine.reference import ReferenceEngine
from seqscore.errors import OptionError

if TYPE_CHECKING:
    from seqscore.models.adapter import ModelAdapter

__all__ = ["DEFAULT_BATCH_TOKENS", "ENGINES", "resolve_engine"]

DEFAULT_BATCH_TOKENS = 4096

ENGINES: Mapping[str, Callable[[ModelAdapter, int], Engine]] = MappingProxyType(
    {
        "reference": lambda adapter, batch_tokens: ReferenceEngine(adapter),
        "padded": lambda adapter, batch_tokens: PaddedEngine(adapter, batch_tokens=batch_tokens),
    }
)


def resolve_engine(name: str, adapter: ModelAdapter, *, batch_tokens: int | None = None) -> Engine:
    """The engine called ``name``; ``auto`` takes the best that runs this model, which is ``padded``.

    Raises:
        OptionError: there is no such engine, or the token budget is not positive.
    """
    chosen = "padded" if name == "auto" else name
    if not isinstance(chosen, str) or chosen not in ENGINES:
        raise OptionError(f"engine={name!r} is unknown; expected one of auto, {', '.join(ENGINES)}")
    budget = DEFAULT_BATCH_TOKENS if batch_tokens is None else batch_tokens
    if not isinstance(budget, int) or budget < 1:
        raise OptionError(f"batch_tokens={batch_tokens!r} must be a whole number of at least 1")
    return ENGINES[chosen](adapter, budget)
