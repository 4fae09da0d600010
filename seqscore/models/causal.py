"""A causal language model: log p(x_t | x_<t), by one of the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from seqscore.engine.head.logits import logits_before_targets
from seqscore.engine.resolve import resolve_engine
from seqscore.models.architecture.adapter import ModelAdapter, adapt
from seqscore.models.architecture.causality import require_causal, why_not_causal
from seqscore.models.base import Conditioning, RunSettings
from seqscore.models.load.find import LoadedModel, name_of
from seqscore.models.local import LocalModel
from seqscore.plan.requests import Request, Values
from seqscore.policies import Extra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


class CausalModel(LocalModel):
    """A model that predicts each token from those before it.

    Raises:
        ModelError: it is none, looked at and tried.
        OptionError: a setting has no such value.
        EngineError: the engine that was named cannot run it.
    """

    kind: ClassVar[str] = "causal"
    conditioning: ClassVar[Conditioning] = "left"
    offers: ClassVar[frozenset[Extra]] = frozenset({"rank", "entropy"})
    gives_masses: ClassVar[bool] = True

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        settings: RunSettings,
        description: LoadedModel | None = None,
    ) -> None:
        super().__init__(model, tokenizer, settings=settings, description=description)
        self._engine = resolve_engine(settings.engine, self._adapter, batch_tokens=self._settings.batch_tokens)
        self._settings = replace(self._settings, engine=self._engine.name, batch_tokens=self.batch_tokens)

    @classmethod
    def why_not(cls, config: PreTrainedConfig) -> str | None:
        """See ``why_not_causal``."""
        return why_not_causal(config)

    @classmethod
    def look_at(cls, model: Any) -> ModelAdapter:
        """Its trunk and head, and that it reads from left to right."""
        adapter = adapt(model)
        if type(model).__module__.startswith("transformers."):
            require_causal(model.config, where=name_of(model))
        return adapter

    @property
    def engine(self) -> str:
        """The engine's name."""
        return self._engine.name

    def num_run(self, asked: Sequence[Request]) -> int:
        """As many as the engine does, which may run once what requests have in common."""
        return self._engine.num_run(asked)

    @property
    def batch_tokens(self) -> int | None:
        """The engine's budget of positions; None where texts run one by one."""
        return self._engine.batch_tokens

    @property
    def keeps_bits(self) -> bool:
        """The engine promises it on this device in this dtype, and the weights are not quantised."""
        return self._engine.keeps_bits and self.description.quantization is None

    def how(self) -> Mapping[str, str]:
        """By which engine."""
        return {"engine": self.engine}

    def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """log p of each request's targets, by the engine."""
        with self.running():
            return self._engine.run(asked, extras=extras)

    def logits(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """[targets, V], by the model's own forward pass."""
        with self.running():
            return logits_before_targets(self._adapter, requests)
