"""Models that are given token ids and are no models of transformers in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import pytest

from seqscore import Scorer
from seqscore.models import registry
from seqscore.models.base import Conditioning, Identity, RunSettings, TokenModel
from seqscore.models.causal import CausalModel
from seqscore.models.local import TokenizerCodec
from seqscore.models.registry import KINDS, AnyModel, Named
from seqscore.plan.requests import Request, Values
from seqscore.policies import Extra
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer


class FarModel(TokenModel):
    """A causal model that is run elsewhere: it is given ids, and gives log-probabilities alone."""

    kind: ClassVar[str] = "far"
    conditioning: ClassVar[Conditioning] = "left"
    offers: ClassVar[frozenset[Extra]] = frozenset()

    def __init__(self, tokenizer: Any = None) -> None:
        self._own = CausalModel(
            tiny_model("llama"), tokenizer or tiny_tokenizer(), settings=RunSettings(engine="reference")
        )
        self.vocabulary = self._own.vocabulary

    @property
    def engine(self) -> str:
        return "far"

    @property
    def codec(self) -> TokenizerCodec:
        return self._own.codec

    def identity(self) -> Identity:
        return Identity({"model": "far"}, {})

    def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        return [Values(logprobs=one.logprobs) for one in self._own.run(asked, extras=extras)]


def scorer_of(monkeypatch: pytest.MonkeyPatch, make: Callable[[], AnyModel]) -> Scorer:
    """A scorer of a model that is found by its name."""
    kinds = {**KINDS, "made": Named(lambda name, settings: make(), ("made://*",))}
    monkeypatch.setattr(registry, "KINDS", MappingProxyType(kinds))
    return Scorer.from_pretrained("made://here")
