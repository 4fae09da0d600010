"""The model that a scorer holds: what kind it is, how it runs, and its calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from seqscore.calls.notices import StartNotice
from seqscore.calls.scoring import Call, call_of, cut
from seqscore.errors import ModelError
from seqscore.models.base import Conditioning, TokenModel
from seqscore.models.load.find import LoadedModel
from seqscore.models.local import LocalModel
from seqscore.models.registry import AnyModel
from seqscore.plan.chunks import ChunkPolicy
from seqscore.policies import Policies

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class HeldModel:
    """What there is to know of the model of a scorer, and its calls for the methods that score."""

    def _hold(self, model: AnyModel) -> None:
        self._model = model
        self._about_start = StartNotice()

    @property
    def model(self) -> PreTrainedModel:
        """The model itself; a ``ModelError`` where it is not in this process."""
        return self._local.model

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer; a ``ModelError`` where it is not in this process."""
        if isinstance(self._model, TokenModel):
            tokenizer: PreTrainedTokenizerBase = self._model.codec.tokenizer
            return tokenizer
        return self._local.tokenizer

    @property
    def description(self) -> LoadedModel:
        """Name and fingerprints of model and tokenizer; a ``ModelError`` where they are not in this process."""
        return self._local.description

    @property
    def _local(self) -> LocalModel:
        if not isinstance(self._model, LocalModel):
            raise ModelError(f"{self._model} is not in this process: it has no model or tokenizer to be handed out")
        return self._model

    @property
    def kind(self) -> str:
        """What kind of model it is: ``causal``, ``masked``, ``encoder-decoder`` (see ``seqscore.models.registry``)."""
        return self._model.kind

    @property
    def conditioning(self) -> Conditioning:
        """What a scored token may see: those before it (``left``), all others of its text (``both``), those before it
        and a source (``source``)."""
        return self._model.conditioning

    @property
    def max_length(self) -> int | None:
        """How many positions the model reads at once; None for no limit."""
        return self._model.max_inputs

    @property
    def engine(self) -> str:
        """Name of the engine that runs."""
        return self._model.engine

    @property
    def threads(self) -> int | None:
        """How many threads a run uses; None: it runs elsewhere."""
        return self._model.threads

    @property
    def keeps_bits(self) -> bool:
        """Whether a text's bits are promised not to depend on its neighbours, on batch size or on threads."""
        return self._model.keeps_bits

    @property
    def under_way(self) -> tuple[int, int] | None:
        """While a masked model runs texts in another thread: how many rows of forward passes are done, and how many
        there are; None for other models, and while nothing runs."""
        return self._model.under_way

    @property
    def batch_tokens(self) -> int | None:
        """How many positions may run at once; None where texts run one by one."""
        return self._model.batch_tokens

    def _cut(self, items: Iterable[Any], chunks: ChunkPolicy) -> Iterator[list[Any]]:
        return cut(items, chunks, both_sides=self.conditioning == "both")

    def _call(self, **keywords: Any) -> Call:
        """The policies of a call, checked and resolved for this model."""
        return call_of(self._model, Policies.of(keywords), self._about_start)
