"""A masked language model: log p(x_t | all other tokens), each token masked in turn (Salazar et al. 2020).

Their sum is the pseudo-log-likelihood of a text, PLL(x) = sum_t log p(x_t | x_1 .. [MASK] .. x_n); what is called a
perplexity elsewhere, exp(-PLL / n), is a pseudo-perplexity here. Neither is comparable with a causal model's. A text of
n tokens takes n rows of a forward pass; of each row only the masked place goes through the head.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.forward_passes import forward_passes
from seqscore.engine.head.by_rows import logits_values
from seqscore.errors import ModelError, OptionError, TokenizerError
from seqscore.models.architecture.adapter import ModelAdapter
from seqscore.models.architecture.causality import why_not_masked
from seqscore.models.architecture.limits import context_length
from seqscore.models.architecture.passes import undisturbed
from seqscore.models.architecture.probes import FROM_A_MODEL, difference, forward_inputs, probe_ids, probe_logits
from seqscore.models.base import Conditioning, RunSettings
from seqscore.models.load.find import LoadedModel
from seqscore.models.local import LocalModel, TokenizerCodec
from seqscore.plan.requests import Request, Values
from seqscore.policies import Extra, StartPolicy
from seqscore.text.codec.encoder import TextEncoder
from seqscore.text.start import StartToken, resolve_start

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

IntArray = NDArray[np.int64]

DEFAULT_BATCH_TOKENS = 4096
_TILE_BYTES = 32 * 2**20
"""What the logits may take that exist at once."""


class MaskedModel(LocalModel):
    """A model that predicts a masked token from both sides.

    Raises:
        ModelError: its logits are not one row a token.
        TokenizerError: the tokenizer has no mask, or nothing that stands around a text.
        OptionError: a setting has no such value.
    """

    kind: ClassVar[str] = "masked"
    conditioning: ClassVar[Conditioning] = "both"
    offers: ClassVar[frozenset[Extra]] = frozenset({"rank", "entropy"})

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        settings: RunSettings,
        description: LoadedModel | None = None,
    ) -> None:
        if settings.engine not in ("auto", self.engine):
            raise OptionError(f"engine={settings.engine!r} is for causal models; a masked one takes 'auto'")
        super().__init__(model, tokenizer, settings=settings, description=description)
        budget = self._settings.batch_tokens
        self._budget = DEFAULT_BATCH_TOKENS if budget is None else budget
        if self._budget < 1:
            raise OptionError(f"batch_tokens={budget!r} must be a whole number of at least 1")
        self._mask = _mask_of(tokenizer, self.vocabulary)
        self._padding = self._mask if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
        self._head = _head_of(self._adapter)
        self._pads = _leaves_padding_alone(self._adapter, self._padding)
        around = 1 + len(self.codec.behind)
        if self.max_inputs is not None and self.max_inputs <= around:
            raise OptionError(
                f"max_length={self.max_inputs} must be at least {around + 1}: {around} tokens stand around a text"
            )

    @classmethod
    def why_not(cls, config: PreTrainedConfig) -> str | None:
        """See ``why_not_masked``."""
        return why_not_masked(config)

    @classmethod
    def look_at(cls, model: Any) -> ModelAdapter:
        """That its logits on a few tokens are a row a token."""
        weight: Tensor = model.get_input_embeddings().weight
        with undisturbed(model, weight.device):
            ids = probe_ids(len(weight), weight.device)
            logits = probe_logits(model, ids)
        if logits.shape[1] != ids.shape[1]:
            raise ModelError(f"{type(model).__name__} gives {logits.shape[1]} rows of logits for {ids.shape[1]} tokens")
        return ModelAdapter(
            model=model,
            trunk=None,
            head=None,
            context_length=context_length(model),
            vocabulary=min(len(weight), int(logits.shape[-1])),
            device=weight.device,
            dtype=weight.dtype,
            rope_switch=None,
            embedding=weight if model.get_input_embeddings().weight is weight else None,
        )

    @property
    def engine(self) -> str:
        """How it is run: one token masked at a time."""
        return "mask-one"

    @property
    def batch_tokens(self) -> int | None:
        """How many positions may run at once, padding included."""
        return self._budget

    @cached_property
    def codec(self) -> TokenizerCodec:
        """The tokenizer, with what it puts around a text."""
        return _FramedCodec(self.tokenizer, configs=self._configs, vocabulary=self.vocabulary)

    def how(self) -> Mapping[str, str]:
        """That each token was masked in turn."""
        return {"kind": self.kind, "engine": self.engine}

    def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """log p of each target given all other tokens of its request, longest requests first."""
        order = sorted(range(len(asked)), key=lambda i: (-len(asked[i].ids), i))
        found: list[Values] = []
        with self._alone():
            for batch, logits in self._passes([asked[i] for i in order]):
                found.append(logits_values(logits, _on_device(batch.targets, logits), extras=extras))
        if not found:
            return []
        parts = Values.concatenate(found).split([asked[i].num_targets for i in order])
        placed = dict(zip(order, parts, strict=True))
        return [placed[i] for i in range(len(asked))]

    def logits(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """[targets, V], each with its own token masked."""
        with self._alone():
            rows = [logits.double().cpu().numpy() for _, logits in self._passes(requests)]
        return np.concatenate(rows) if rows else np.empty((0, self.vocabulary))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.running(), forward_passes(self._adapter, batch_tokens=self._budget):
            yield

    def _passes(self, requests: Sequence[Request]) -> Iterator[tuple[_Rows, Tensor]]:
        """Rows in the order of the requests' targets, with their logits [p, V] in float32 or float64."""
        for batch in _batches(requests, self._budget, pads=self._pads):
            yield from self._pass(batch)

    def _pass(self, batch: _Rows) -> Iterator[tuple[_Rows, Tensor]]:
        ids, seen = batch.masked(self._mask, self._padding)
        if self._head is None:  # the model's own logits, of every place
            size = max(1, _TILE_BYTES // (4 * self.vocabulary * ids.shape[1]))
            for begin in range(0, len(ids), size):
                part = slice(begin, begin + size)
                logits = self._at_places(self._adapter.model, ids[part], seen[part], batch.places[part])
                yield batch.part(part), self._widened(logits)
            return
        states = self._at_places(self._head.trunk, ids, seen, batch.places)
        size = max(1, _TILE_BYTES // (4 * self.vocabulary))
        for begin in range(0, len(ids), size):
            part = slice(begin, begin + size)
            yield batch.part(part), self._widened(self._head.logits(states[part]))

    def _at_places(self, module: nn.Module, ids: IntArray, seen: IntArray, places: IntArray) -> Tensor:
        """What a module gives at one place of each row, [b, D] or [b, V]."""
        import torch

        device = self._adapter.device
        inputs = forward_inputs(module, torch.from_numpy(ids).to(device))
        if "attention_mask" in inputs:
            inputs["attention_mask"] = torch.from_numpy(seen).to(device)
        given: Tensor = module(**inputs)[0]
        return given[torch.arange(len(ids), device=device), torch.from_numpy(places).to(device)]

    def _widened(self, logits: Tensor) -> Tensor:
        import torch

        return logits.to(torch.promote_types(self._adapter.dtype, torch.float32))


class _FramedCodec(TokenizerCodec):
    """The codec of a model that reads every text between the tokenizer's own special tokens."""

    def __init__(self, tokenizer: Any, *, configs: list[Any], vocabulary: int) -> None:
        before, behind = _frame_of(tokenizer)
        super().__init__(tokenizer, configs=configs, vocabulary=vocabulary, behind=behind)
        self._before = before

    def start(self, policy: StartPolicy) -> StartToken:
        if policy == "auto":
            return StartToken("auto", self._before)
        return resolve_start(self.tokenizer, policy)


def _frame_of(tokenizer: Any) -> tuple[int, tuple[int, ...]]:
    """What the tokenizer puts before and behind a text; where it puts nothing, its CLS and SEP.

    Raises:
        TokenizerError: not one token stands before a text.
    """
    encoder, text = TextEncoder(tokenizer), "a"
    plain, framed = encoder.encode(text).ids, encoder.encode_with_defaults(text).ids
    if len(framed) == len(plain):
        if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
            raise TokenizerError("the tokenizer puts nothing around a text, and names no CLS and SEP to stand there")
        return int(tokenizer.cls_token_id), (int(tokenizer.sep_token_id),)
    if not np.array_equal(framed[1 : 1 + len(plain)], plain):
        raise TokenizerError("the tokenizer does not put one token before a text; a masked model needs one there")
    return int(framed[0]), tuple(framed[1 + len(plain) :].tolist())


def _mask_of(tokenizer: Any, vocabulary: int) -> int:
    number = tokenizer.mask_token_id
    if not isinstance(number, int) or not 0 <= number < vocabulary:
        raise TokenizerError(
            f"the tokenizer names no mask token of the model's vocabulary ({number!r}); a masked model needs one"
        )
    return number


@dataclass(frozen=True, slots=True)
class _Rows:
    """Texts side by side, longest first, each with the place of which the token is masked.

    Shape: ``places``, ``targets`` [b].
    """

    texts: Sequence[IntArray]
    places: IntArray
    targets: IntArray

    def part(self, rows: slice) -> _Rows:
        return _Rows(self.texts[rows], self.places[rows], self.targets[rows])

    def masked(self, mask: int, padding: int) -> tuple[IntArray, IntArray]:
        """[b, width]: the ids, padded on the right, and 1 where a token stands."""
        ids = np.full((len(self.texts), len(self.texts[0])), padding, np.int64)
        seen = np.zeros_like(ids)
        for row, text in enumerate(self.texts):
            ids[row, : len(text)], seen[row, : len(text)] = text, 1
        ids[np.arange(len(ids)), self.places] = mask
        return ids, seen


def _batches(requests: Sequence[Request], budget: int, *, pads: bool) -> Iterator[_Rows]:
    """A row a target, in order, at most ``budget`` positions at once or one row; of equal length where padding would be
    seen."""
    texts: list[IntArray] = []
    places: list[int] = []
    for request in requests:
        for place in range(request.first_target, request.first_target + request.num_targets):
            width = max(len(request.ids), len(texts[0]) if texts else 0)
            differs = bool(texts) and len(texts[0]) != len(request.ids)
            if texts and ((len(texts) + 1) * width > budget or (differs and not pads) or width > len(texts[0])):
                yield _rows(texts, places)
                texts, places = [], []
            texts.append(request.ids)
            places.append(place)
    if texts:
        yield _rows(texts, places)


def _rows(texts: list[IntArray], places: list[int]) -> _Rows:
    targets = [int(text[place]) for text, place in zip(texts, places, strict=True)]
    return _Rows(tuple(texts), np.array(places, np.int64), np.array(targets, np.int64))


def _on_device(array: IntArray, like: Tensor) -> Tensor:
    import torch

    return torch.from_numpy(array).to(like.device)


class _Given:
    """Stands in the place of a trunk and gives states that were computed before; all else is the trunk's."""

    def __init__(self, trunk: nn.Module) -> None:
        self.trunk = trunk
        self.states: Tensor | None = None

    def __call__(self, *_: Any, **__: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=self.states)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trunk, name)


class _Head:
    """What a model does behind its trunk: a copy of the model that shares its parts, with the trunk taken out."""

    def __init__(self, model: Any) -> None:
        self.trunk: nn.Module = model.base_model
        self._given = _Given(self.trunk)
        self._model = copy.copy(model)
        self._model._modules = {**model._modules, model.base_model_prefix: self._given}

    def logits(self, states: Tensor) -> Tensor:
        """[p, V] of hidden states [p, D]."""
        import torch

        ids = torch.zeros((len(states), 1), dtype=torch.int64, device=states.device)
        self._given.states = states[:, None]
        try:
            logits: Tensor = self._model(**forward_inputs(self._model, ids)).logits
            return logits[:, 0]
        finally:
            self._given.states = None


def _head_of(adapter: ModelAdapter) -> _Head | None:
    """Trunk and head, if together they give the model's own logits on a few tokens; None: the model must run whole."""
    model: Any = adapter.model
    prefix = getattr(model, "base_model_prefix", "")
    if model._modules.get(prefix) is None or getattr(model, "base_model", None) is not model._modules[prefix]:
        return None
    with undisturbed(model, adapter.device):
        ids = probe_ids(adapter.vocabulary, adapter.device)
        try:
            head = _Head(model)
            states = head.trunk(**forward_inputs(head.trunk, ids))[0]
            found, own = head.logits(states.flatten(0, 1)), adapter.logits(ids).flatten(0, 1)
        except FROM_A_MODEL:  # its head takes more than the trunk's states
            return None
        tolerance = 1e-5 if adapter.dtype.itemsize >= 4 else 2e-2
        same = found.shape == own.shape and difference(found.to(own.dtype), own, least_scale=1.0) <= tolerance
    return head if same else None


def _leaves_padding_alone(adapter: ModelAdapter, padding: int) -> bool:
    """Whether padding on the right, marked as such, changes nothing for the tokens before it."""
    import torch

    model = adapter.model
    with undisturbed(model, adapter.device):
        ids = probe_ids(adapter.vocabulary, adapter.device)
        inputs = forward_inputs(model, torch.nn.functional.pad(ids, (0, 3), value=padding))
        if "attention_mask" not in inputs:
            return False
        inputs["attention_mask"][:, ids.shape[1] :] = 0
        try:
            padded = model(**inputs).logits[:, : ids.shape[1]]
        except FROM_A_MODEL:
            return False
        own = adapter.logits(ids)
        return difference(padded.to(own.dtype), own, least_scale=1.0) <= (1e-4 if adapter.dtype.itemsize >= 4 else 2e-2)
