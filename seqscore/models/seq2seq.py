"""A model with an encoder (T5, BART, Marian, NLLB): log p(x_t | x_<t, source).

The context of a Pair is the source; a text alone has an empty one. How requests are run is ``engine.encode_once``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.encode_once import EncodeOnceEngine, Reading
from seqscore.errors import ContextLengthError, InputError, OptionError
from seqscore.models.architecture.adapter import ModelAdapter
from seqscore.models.architecture.causality import why_not_encoder_decoder
from seqscore.models.architecture.stacks import decoder_adapter, stacks_of
from seqscore.models.base import Conditioning, RunSettings
from seqscore.models.load.find import LoadedModel
from seqscore.models.own_engine import OwnEngineModel
from seqscore.models.source_codec import Languages, SourceCodec
from seqscore.plan.requests import Request
from seqscore.plan.sources import by_source
from seqscore.plan.workload import Workload
from seqscore.policies import Extra, LongPolicy

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

IntArray = NDArray[np.int64]


class EncoderDecoderModel(OwnEngineModel):
    """A model that predicts each token from those before it and a source, which its encoder reads.

    Raises:
        ModelError: it has no encoder, or no token that decoding starts with.
        TokenizerError: it cannot be told what the tokenizer puts around a text.
        OptionError: a setting has no such value; or no language was named, where the tokenizer has several.
    """

    kind: ClassVar[str] = "encoder-decoder"
    called: ClassVar[str] = "an encoder-decoder"
    engine_name: ClassVar[str] = EncodeOnceEngine.name
    conditioning: ClassVar[Conditioning] = "source"
    offers: ClassVar[frozenset[Extra]] = frozenset({"rank", "entropy"})
    has_languages: ClassVar[bool] = True
    gives_masses: ClassVar[bool] = True

    _engine: EncodeOnceEngine

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        settings: RunSettings,
        description: LoadedModel | None = None,
    ) -> None:
        super().__init__(model, tokenizer, settings=settings, description=description)
        stacks = stacks_of(self._adapter)
        self._settings = replace(self._settings, max_length=settings.max_length)  # the decoder's limit is no encoder's
        limits = [one for one in (stacks.source_length, settings.max_length) if one is not None]
        self._source_limit = min(limits) if limits else None
        self._frames = self.codec.frames
        self._check_room()
        reading = Reading(
            around=self._frames.source,
            front=self._frames.decoder[:-1],
            padding=_padding_of(model.config, tokenizer),
            source_limit=self._source_limit,
            limit=self._max_inputs,
        )
        self._engine = EncodeOnceEngine(stacks, reading, batch_tokens=self._budget)

    @classmethod
    def why_not(cls, config: PreTrainedConfig) -> str | None:
        """See ``why_not_encoder_decoder``."""
        return why_not_encoder_decoder(config)

    @classmethod
    def look_at(cls, model: Any) -> ModelAdapter:
        """Its decoder: that it reads from left to right, and what it gives."""
        return decoder_adapter(model)

    @property
    def max_inputs(self) -> int | None:
        """How many positions the decoder reads from the start token on."""
        return None if self._max_inputs is None else self._max_inputs - len(self._frames.decoder) + 1

    @cached_property
    def codec(self) -> SourceCodec:
        """The tokenizer, in both of its modes."""
        languages = Languages(self._settings.source_language, self._settings.target_language)
        return SourceCodec(self.tokenizer, configs=self._configs, vocabulary=self.vocabulary, languages=languages)

    def _made_up(self) -> list[Request]:
        return _made_up(self.vocabulary, self._source_room, self.max_inputs)

    def how(self) -> Mapping[str, str]:
        """That each source was encoded once, and what stands around what the two stacks read."""
        return {"kind": self.kind, "engine": self.engine, **self._frames.describe()}

    def workload(self, asked: Sequence[Request]) -> Workload:
        """Distinct sources and what is decoded, once each, with what stands around them."""
        room, front = self._frames.room, len(self._frames.decoder) - 1
        alone = sum(len(one.source) + room + one.num_inputs + front for one in asked)
        groups = by_source(asked)
        once = sum(len(group.source) + room + sum(len(row.ids) + front for row in group.rows) for group in groups)
        targets = sum(one.num_targets for one in asked)
        return Workload(num_targets=targets, num_inputs=alone, num_distinct=once, num_run=once)

    def fit_source(self, source: IntArray, long: LongPolicy) -> tuple[IntArray, int]:
        """A source that the encoder can read, and how many of its last tokens were cut for that.

        Raises:
            ContextLengthError: it is too long, and ``long`` is not ``truncate``.
            InputError: it is empty, and nothing stands around it.
        """
        room = self._source_room
        if not len(source) + self._frames.room:
            raise InputError("the source is empty, and this model's tokenizer puts nothing around it: give a context")
        if room is None or len(source) <= room:
            return source, 0
        if long == "truncate":
            return source[:room], len(source) - room
        raise ContextLengthError(
            f"the source (the context) has {len(source)} tokens, and the encoder reads at most {room}, what stands "
            f"around it not counted; windows are laid over what is decoded, never over a source: shorten it, or use "
            f"long='truncate', which cuts its end"
        )

    @property
    def _source_room(self) -> int | None:
        return None if self._source_limit is None else self._source_limit - self._frames.room

    def _check_room(self) -> None:
        least = max(len(self._frames.decoder), self._frames.room + 1)
        for limit in (self._max_inputs, self._source_limit):
            if limit is not None and limit < least:
                raise OptionError(f"max_length={limit} must be at least {least}: so many tokens stand around a text")


def _made_up(vocabulary: int, source_room: int | None, room: int | None) -> list[Request]:
    """Texts of several widths, two of each and two of one source."""
    made, generator = [], np.random.default_rng(0)
    for source, target in ((3, 4), (9, 14), (30, 4), (21, 40), (60, 9), (50, 12)):
        size, length = min(source, source_room or source), min(target, room or target)
        ids = generator.integers(0, vocabulary, size=(2, length + 1))
        given = generator.integers(0, vocabulary, size=size)
        made += [Request(one, 1, source=given) for one in ids]
    return made


def _padding_of(config: Any, tokenizer: Any) -> int:
    """What stands where no token does; some models count positions by it."""
    numbers = (getattr(config, "pad_token_id", None), getattr(tokenizer, "pad_token_id", None))
    return next((number for number in numbers if isinstance(number, int)), 0)
