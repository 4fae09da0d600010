"""A masked language model: log p(x_t | all other tokens), each token masked in turn (Salazar et al. 2020).

Their sum is the pseudo-log-likelihood of a text, PLL(x) = sum_t log p(x_t | x_1 .. [MASK] .. x_n); what is called a
perplexity elsewhere, exp(-PLL / n), is a pseudo-perplexity here. Neither is comparable with a causal model's. A text of
n tokens takes n rows of a forward pass; of each row only the masked place goes through the head. What else of a word is
masked with a token, ``masking`` says (``seqscore.text.masking``); how rows are run is ``engine.mask_one``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seqscore.engine.mask_one import MaskedReading, MaskOneEngine
from seqscore.errors import ModelError, OptionError, TokenizerError
from seqscore.models.architecture.adapter import ModelAdapter
from seqscore.models.architecture.causality import why_not_masked
from seqscore.models.architecture.limits import context_length
from seqscore.models.architecture.masked_head import leaves_padding_alone, masked_head_of
from seqscore.models.architecture.passes import undisturbed
from seqscore.models.architecture.probes import probe_ids, probe_logits
from seqscore.models.base import Conditioning, RunSettings
from seqscore.models.load.find import LoadedModel
from seqscore.models.local import TokenizerCodec
from seqscore.models.own_engine import OwnEngineModel
from seqscore.plan.requests import Request
from seqscore.policies import Extra, StartPolicy
from seqscore.text.codec.encoder import TextEncoder
from seqscore.text.start import StartToken, resolve_start

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


class MaskedModel(OwnEngineModel):
    """A model that predicts a masked token from both sides.

    Raises:
        ModelError: its logits are not one row a token.
        TokenizerError: the tokenizer has no mask, or nothing that stands around a text.
        OptionError: a setting has no such value.
    """

    kind: ClassVar[str] = "masked"
    called: ClassVar[str] = "a masked one"
    engine_name: ClassVar[str] = MaskOneEngine.name
    conditioning: ClassVar[Conditioning] = "both"
    offers: ClassVar[frozenset[Extra]] = frozenset({"rank", "entropy"})

    _engine: MaskOneEngine

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        settings: RunSettings,
        description: LoadedModel | None = None,
    ) -> None:
        super().__init__(model, tokenizer, settings=settings, description=description)
        self._engine = MaskOneEngine(
            self._adapter,
            masked_head_of(self._adapter),
            _reading_of(self._adapter, tokenizer),
            batch_tokens=self._budget,
        )
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
            num_embeddings=len(weight),
        )

    @property
    def under_way(self) -> tuple[int, int] | None:
        """Rows, one for each target."""
        return self._engine.under_way

    @cached_property
    def codec(self) -> TokenizerCodec:
        """The tokenizer, with what it puts around a text."""
        return _FramedCodec(self.tokenizer, configs=self._configs, vocabulary=self.vocabulary)

    def _made_up(self) -> list[Request]:
        return _made_up(self.vocabulary, self.max_inputs)

    def how(self) -> Mapping[str, str]:
        """That each token was masked in turn."""
        return {"kind": self.kind, "engine": self.engine}


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


def _reading_of(adapter: ModelAdapter, tokenizer: Any) -> MaskedReading:
    mask = _mask_of(tokenizer, adapter.vocabulary)
    padding = mask if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
    pads = leaves_padding_alone(adapter, padding)
    return MaskedReading(mask=mask, padding=padding, pads=pads, limit=adapter.context_length)


def _mask_of(tokenizer: Any, vocabulary: int) -> int:
    number = tokenizer.mask_token_id
    if not isinstance(number, int) or not 0 <= number < vocabulary:
        raise TokenizerError(
            f"the tokenizer names no mask token of the model's vocabulary ({number!r}); a masked model needs one"
        )
    return number


def _made_up(vocabulary: int, room: int | None) -> list[Request]:
    """Texts of several widths, two of each, with a few targets."""
    made, generator = [], np.random.default_rng(0)
    for length in (3, 9, 16, 17, 30, 46, 60):
        size = min(length, room or length)
        for ids in generator.integers(0, vocabulary, size=(2, size)):
            first = max(1, size // 2 - 1)
            made.append(Request(ids, first, num_behind=max(1, size - first - 3)))
    return made
