"""The scorer: the one place where text, plan, model, engine and scores meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import numpy as np

from seqscore._version import __version__
from seqscore.engine.base import Extra
from seqscore.engine.resolve import resolve_engine
from seqscore.errors import ModelError, OptionError, SeqscoreError, TokenizerError
from seqscore.models.adapter import ModelAdapter, adapt
from seqscore.models.default import DEFAULT_MODEL
from seqscore.models.load import LoadedModel, LoadOptions, describe_loaded, load_model
from seqscore.plan.chunks import growing_chunks
from seqscore.plan.requests import Request
from seqscore.scores.assemble import ScoredTargets, assemble
from seqscore.scores.sequence import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.encoder import TextEncoder
from seqscore.text.items import (
    BOUNDARY_POLICIES,
    LONG_POLICIES,
    SPECIAL_TOKENS_POLICIES,
    BoundaryPolicy,
    Item,
    LongPolicy,
    Pair,
    SpecialTokensPolicy,
    is_single_item,
    item_size,
)
from seqscore.text.sequences import SequenceBuilder, TokenSequence
from seqscore.text.start import StartPolicy, resolve_start
from seqscore.text.windows import Layout, layout

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Policies", "Scorer"]

EXTRAS: tuple[Extra, ...] = ("rank", "entropy")


class Scorer:
    """Scores texts with a causal language model.

    Args:
        model: a causal language model that is already loaded; it is left as it is.
        tokenizer: its tokenizer; it is left as it is.
        engine: ``auto``, ``padded`` or ``reference``. A named engine never falls back to another.
        batch_tokens: how many positions may run at once, padding included; bounds the memory. None: a default.
        max_length: how many positions the model may read at once; None: what its config says.
        description: what ``load_model`` found out about the model; None: looked up in the objects.

    Raises:
        ModelError: the model is not a causal language model.
        TokenizerError: there is no tokenizer.
        OptionError: an option has no such value.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        engine: str = "auto",
        batch_tokens: int | None = None,
        max_length: int | None = None,
        description: LoadedModel | None = None,
    ) -> None:
        if tokenizer is None:
            raise TokenizerError("tokenizer is None; a Scorer needs the model's own tokenizer")
        self._tokenizer = tokenizer
        self._adapter = adapt(model)
        self._engine = resolve_engine(engine, self._adapter, batch_tokens=batch_tokens)
        self._max_length = _checked_max_length(max_length, self._adapter)
        self._given_description = description
        self._encoders: dict[SpecialTokensPolicy, TextEncoder] = {}

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = DEFAULT_MODEL,
        *,
        revision: str | None = None,
        device: str = "auto",
        dtype: str = "float32",
        engine: str = "auto",
        batch_tokens: int | None = None,
        max_length: int | None = None,
        options: LoadOptions | None = None,
    ) -> Scorer:
        """A scorer for a model that is loaded now.

        Args:
            model: ``default`` (SmolLM2-135M-Instruct, fetched once), a hub name, a local folder or a .gguf file.
            revision: branch, tag or commit of a hub model.
            device: ``auto`` (CUDA where there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
            dtype: ``float32``, ``bfloat16``, ``float16`` or ``float64``; never chosen by the checkpoint.
            engine, batch_tokens, max_length: see the class.
            options: what may be loaded, and where it is kept.

        Raises:
            ModelError: the model cannot be found, read or trusted (or a subclass that says which).
            DeviceError: the device does not exist or is too small.
        """
        loaded = load_model(
            model,
            revision=revision,
            device=device,
            dtype=dtype,
            options=options if options is not None else LoadOptions(),
        )
        return cls(
            loaded.model,
            loaded.tokenizer,
            engine=engine,
            batch_tokens=batch_tokens,
            max_length=max_length,
            description=loaded,
        )

    @property
    def max_length(self) -> int | None:
        """How many positions the model reads at once; None for no limit."""
        return self._max_length

    @property
    def engine(self) -> str:
        """Name of the engine that runs."""
        return self._engine.name

    @cached_property
    def description(self) -> LoadedModel:
        """Name and fingerprints of model and tokenizer."""
        if self._given_description is not None:
            return self._given_description
        return describe_loaded(self._adapter.model, self._tokenizer)

    @overload
    def score(self, items: str | Pair | Sequence[int], **policies: Unpack[Policies]) -> SequenceScore: ...  # type: ignore[overload-overlap]  # a str is an iterable of str

    @overload
    def score(self, items: Iterable[Item], **policies: Unpack[Policies]) -> list[SequenceScore]: ...

    def score(self, items: Item | Iterable[Item], **policies: Unpack[Policies]) -> SequenceScore | list[SequenceScore]:
        """log p(x) = sum_t log p(x_t | x_<t) for a text, a Pair or token ids, or for each of several of them.

        Args:
            items: one item gives one score; an iterable of items gives a list of scores in the same order.
            policies: ``bos="auto"``, ``long="windows"``, ``boundary="joint"``, ``special_tokens="literal"``,
                ``extras=()``; see ``Policies``.

        Raises:
            InputError: an item cannot be scored; the message names its index.
            NumericsError: the model gave NaN; the message names the token.
            OptionError: an option has no such value.
        """
        run = _Run(self, **policies)
        if is_single_item(items):
            (only,) = self._run([items], 0, run)
            if isinstance(only, SeqscoreError):
                raise type(only)(only.message) from only
            return only
        return [_or_raise(score) for score in self._run(list(items), 0, run)]  # type: ignore[arg-type]

    @overload
    def stream(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        errors: Literal["raise"] = "raise",
        **policies: Unpack[Policies],
    ) -> Iterator[SequenceScore]: ...

    @overload
    def stream(
        self, items: Iterable[Item | SeqscoreError], *, errors: Literal["record"], **policies: Unpack[Policies]
    ) -> Iterator[SequenceScore | SeqscoreError]: ...

    def stream(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        errors: Literal["raise", "record"] = "raise",
        **policies: Unpack[Policies],
    ) -> Iterator[SequenceScore | SeqscoreError]:
        """Scores in the order of ``items``, read and scored in chunks: memory does not grow with their number.

        An item that cannot be scored raises, or with ``errors="record"`` its error stands in its place; so does an
        error that is itself handed in as an item (a row that could not be read). Policies as in ``score``.
        """
        _check("errors", errors, ("raise", "record"))
        return self._stream(items, _Run(self, **policies), errors)

    def _stream(
        self, items: Iterable[Item | SeqscoreError], run: _Run, errors: str
    ) -> Iterator[SequenceScore | SeqscoreError]:
        index = 0
        for chunk in growing_chunks(items, weigh=_weight):
            for score in self._run(chunk, index, run):
                yield score if errors == "record" else _or_raise(score)
            index += len(chunk)

    def _run(
        self, items: Sequence[Item | SeqscoreError], first_index: int, run: _Run
    ) -> list[SequenceScore | SeqscoreError]:
        """One score or error an item, in order."""
        prepared = run.prepare(items, first_index)
        requests = [request for one in prepared if isinstance(one, _Prepared) for request in one.requests]
        values = iter(self._engine.run(requests, extras=run.extras))
        results: list[SequenceScore | SeqscoreError] = []
        for index, one in enumerate(prepared, start=first_index):
            if isinstance(one, SeqscoreError):
                results.append(one)
                continue
            try:
                results.append(run.score(one, [next(values) for _ in one.requests]))
            except SeqscoreError as error:
                results.append(error.for_item(index))
        return results

    def _encoder(self, special_tokens: SpecialTokensPolicy) -> TextEncoder:
        if special_tokens not in self._encoders:
            self._encoders[special_tokens] = TextEncoder(self._tokenizer, special_tokens=special_tokens)
        return self._encoders[special_tokens]


class Policies(TypedDict, total=False):
    """The named choices of a call.

    ``bos``: what stands before the first token, as context only: ``auto`` (the tokenizer's BOS, else its EOS),
    ``none`` (the first token is then not scored), ``lm-eval``, or a token (its text or id).
    ``long``: a sequence longer than the model's context is scored in overlapping ``windows``, is cut (``truncate``;
    how much is on the record), or is an ``error``.
    ``boundary``: context and continuation are tokenised as one text (``joint``) or ``separate``.
    ``special_tokens``: text that spells a special token is ordinary text (``literal``) or that token (``parse``).
    ``extras``: per-token values to compute as well, ``rank`` and ``entropy``.
    """

    bos: StartPolicy
    long: LongPolicy
    boundary: BoundaryPolicy
    special_tokens: SpecialTokensPolicy
    extras: Iterable[Extra]


class _Prepared:
    """A sequence with its windows, as requests to the engine."""

    def __init__(self, sequence: TokenSequence, windows: Layout) -> None:
        self.sequence = sequence
        self.layout = windows
        ids = sequence.model_ids
        self.requests = []
        for window in windows.windows:
            stretch = ids[window.begin : window.end + 1]
            if windows.head:
                stretch = np.concatenate([ids[: windows.head], stretch])
            self.requests.append(Request(stretch, window.first_target - window.begin + windows.head))


class _Run:
    """One call's policies, checked and resolved for the scorer's tokenizer."""

    def __init__(
        self,
        scorer: Scorer,
        *,
        bos: StartPolicy = "auto",
        long: LongPolicy = "windows",
        boundary: BoundaryPolicy = "joint",
        special_tokens: SpecialTokensPolicy = "literal",
        extras: Iterable[Extra] = (),
    ) -> None:
        _check("long", long, LONG_POLICIES)
        _check("boundary", boundary, BOUNDARY_POLICIES)
        _check("special_tokens", special_tokens, SPECIAL_TOKENS_POLICIES)
        self.extras: frozenset[Extra] = frozenset([extras] if isinstance(extras, str) else extras)
        for extra in self.extras:
            _check("extras", extra, EXTRAS)
        self._scorer, self._long = scorer, long
        self._start = resolve_start(scorer._tokenizer, bos)
        self._builder = SequenceBuilder(
            tokenizer=scorer._tokenizer,
            encoder=scorer._encoder(special_tokens),
            markup_encoder=scorer._encoder("parse"),
            start=self._start,
            boundary=boundary,
            special_tokens=special_tokens,
        )
        self.signature = self._signature(boundary, special_tokens)

    def prepare(self, items: Sequence[Item | SeqscoreError], first_index: int) -> list[_Prepared | SeqscoreError]:
        """Encode the items and lay their windows."""
        good = [item for item in items if not isinstance(item, SeqscoreError)]
        built = iter(self._builder.build(good))
        one_each = [item if isinstance(item, SeqscoreError) else next(built) for item in items]
        return [self._prepare_one(one, index) for index, one in enumerate(one_each, start=first_index)]

    def _prepare_one(self, one: TokenSequence | SeqscoreError, index: int) -> _Prepared | SeqscoreError:
        if isinstance(one, SeqscoreError):
            return one.for_item(index)
        try:
            self._check_vocabulary(one)
            return _Prepared(one, self._layout(one))
        except SeqscoreError as error:
            return error.for_item(index)

    def _layout(self, sequence: TokenSequence) -> Layout:
        start = 0 if sequence.start_token is None else 1
        return layout(
            len(sequence.ids) + start,
            first_target=sequence.first_scored + start,
            max_inputs=self._scorer.max_length,
            long=self._long,
            is_pair=sequence.is_pair,
            head=start if self._start.kind != "lm-eval" else 0,
        )

    def _check_vocabulary(self, sequence: TokenSequence) -> None:
        size = self._scorer._adapter.vocabulary
        ids = sequence.model_ids
        if len(ids) and int(ids.max()) >= size:
            raise ModelError(
                f"token id {int(ids.max())} is outside the model's vocabulary of {size}: "
                f"the tokenizer does not belong to this model"
            )

    def score(self, prepared: _Prepared, values: list[Any]) -> SequenceScore:
        """The score of a sequence whose windows gave ``values``."""
        offset = 0 if prepared.sequence.start_token is None else 1
        targets = [
            ScoredTargets(window.first_target - offset, one.logprobs, one.greedy, one.ties, one.ranks, one.entropies)
            for window, one in zip(prepared.layout.windows, values, strict=True)
        ]
        return assemble(
            prepared.sequence, targets, num_cut=prepared.layout.num_cut, extras=self.extras, settings=self.signature
        )

    def _signature(self, boundary: BoundaryPolicy, special_tokens: SpecialTokensPolicy) -> Signature:
        import torch
        import transformers

        scorer, about = self._scorer, self._scorer.description
        length = "none" if scorer.max_length is None else str(scorer.max_length)
        return Signature.of(
            {
                "seqscore": __version__,
                "model": about.name if about.revision is None else f"{about.name}@{about.revision}",
                "weights": about.weights,
                "tokenizer": about.tokenizer_id,
                "dtype": about.dtype,
                "device": about.device.split(":")[0],
                "engine": scorer.engine,
                "bos": self._start.describe(),
                "special": special_tokens,
                "boundary": boundary,
                "long": f"{self._long}/{length}",
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            }
        )


def _or_raise(score: SequenceScore | SeqscoreError) -> SequenceScore:
    if isinstance(score, SeqscoreError):
        raise score
    return score


def _weight(item: Item | SeqscoreError) -> int:
    return 0 if isinstance(item, SeqscoreError) else item_size(item)


def _check(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(f"{name}={value!r} is unknown; expected one of {', '.join(choices)}")


def _checked_max_length(max_length: int | None, adapter: ModelAdapter) -> int | None:
    limit = adapter.context_length
    if max_length is None:
        return limit
    if max_length < 1 or (limit is not None and max_length > limit):
        raise OptionError(
            f"max_length={max_length} must be at least 1"
            + ("" if limit is None else f" and at most {limit}, the longest input the model was made for")
        )
    return max_length
