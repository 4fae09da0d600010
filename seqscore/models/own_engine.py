"""What kinds of models share whose rows one engine of their own runs: its budget, and whether it keeps bits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import OptionError
from seqscore.models.base import RunSettings
from seqscore.models.load.find import LoadedModel
from seqscore.models.local import LocalModel
from seqscore.plan.requests import Request, Values
from seqscore.policies import Extra

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DEFAULT_BATCH_TOKENS = 1024
_ON_ACCELERATORS = 16384


class RowEngine(Protocol):
    """Runs requests in rows of one width."""

    @property
    def lays_rows(self) -> bool:
        """Whether it lays rows so that the bits of each may not depend on the others."""

    def run(self, requests: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """The values of each request's targets, in order."""

    def logits(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """[targets, V]."""


class OwnEngineModel(LocalModel):
    """A model of transformers whose kind has one engine, which the constructor of the kind makes.

    ``engine_name``: the engine's. ``called``: the kind in a sentence, as in "an encoder-decoder".

    Raises:
        OptionError: another engine was named.
    """

    engine_name: ClassVar[str]
    called: ClassVar[str]
    _engine: RowEngine

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        settings: RunSettings,
        description: LoadedModel | None = None,
    ) -> None:
        if settings.engine not in ("auto", self.engine_name):
            raise OptionError(f"engine={settings.engine!r} is for causal models; {self.called} takes 'auto'")
        super().__init__(model, tokenizer, settings=settings, description=description)
        default = DEFAULT_BATCH_TOKENS if self._adapter.device.type == "cpu" else _ON_ACCELERATORS
        budget = self._settings.batch_tokens
        self._budget = default if budget is None else budget

    @abstractmethod
    def _made_up(self) -> list[Request]:
        """Texts of several widths, some of them alike in width, by which bits are compared."""

    @property
    def engine(self) -> str:
        """The kind's own."""
        return self.engine_name

    @property
    def batch_tokens(self) -> int | None:
        """How many positions may run at once, padding included."""
        return self._budget

    @cached_property
    def keeps_bits(self) -> bool:
        """Where rows are laid so that they may be equal, and a few made-up texts are, alone and side by side."""
        if not self._engine.lays_rows or self.description.quantization is not None or _has_experts(self.model.config):
            return False
        requests = self._made_up()
        alone = [self.run([one], extras=frozenset())[0] for one in requests]
        together = self.run(requests[::-1], extras=frozenset())[::-1]
        return all(np.array_equal(a.logprobs, b.logprobs) for a, b in zip(alone, together, strict=True))

    def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """log p of each request's targets, by the engine."""
        with self.running():
            return self._engine.run(asked, extras=extras)

    def logits(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """[targets, V], by the engine."""
        with self.running():
            return self._engine.logits(requests)


def _has_experts(config: Any) -> bool:
    """Whether tokens are handed to experts, where a row's bits depend on what else is there."""
    return any(isinstance(getattr(config, name, None), int) for name in ("num_experts", "num_local_experts"))
