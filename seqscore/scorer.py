"""The scorer: the one place where text, plan, model, engine and scores meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, Unpack, overload

from seqscore.call import Call, Prepared, call_signature
from seqscore.engine.head.logits import logits_before_targets
from seqscore.engine.resolve import resolve_engine
from seqscore.errors import InputError, ModelError, OptionError, SeqscoreError, TokenizerError
from seqscore.models.architecture.adapter import adapt
from seqscore.models.architecture.limits import checked_max_length
from seqscore.models.architecture.sharing import lock_of
from seqscore.models.architecture.threads import checked_threads, running_threads, threads_of_run
from seqscore.models.load.default import DEFAULT_MODEL
from seqscore.models.load.find import LoadedModel, LoadOptions, describe_loaded, load_model, tell_standard_error
from seqscore.models.load.identity import fingerprint_config
from seqscore.notices import CallNotices, StartNotice
from seqscore.plan.chunks import CHUNK_POLICIES, FULL, GROWING, ChunkPolicy, chunks_of
from seqscore.plan.workload import Workload, workload_of
from seqscore.policies import Policies, PolicyKeywords, SpecialTokensPolicy, check_choice
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.codec.encoder import TextEncoder
from seqscore.text.given import given_items
from seqscore.text.items import (
    Chat,
    Item,
    Pair,
    item_size,
    share_beginning,
)
from seqscore.text.sequences import SequenceBuilder
from seqscore.text.start import declared_start, resolve_start

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    FloatArray: TypeAlias = NDArray[np.float64]


class Scorer:
    """Scores texts with a causal language model.

    Args:
        model: a causal language model that is already loaded; it is left as it is, and must stay as it is for as long
            as the scorer is used: its head and fingerprint are looked up once. Scorers of one model take turns, in any
            thread. A forward pass of the caller's own in another thread is what it is without a scorer, but that it
            drops nothing out while one runs.
        tokenizer: its tokenizer; it is left as it is.
        engine: ``auto`` (``packed`` where it runs the model, else ``padded``, with a warning), ``packed``, ``padded``
            or ``reference``. A named engine never falls back to another.
        batch_tokens: how many positions may run at once, padding included; bounds the memory. None: the engine's
            default. ``packed`` runs at least 16.
        threads: how many threads of the processor a run uses; torch's number is put back after it. None: torch's
            number, or fewer where a control group grants less.
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
        threads: int | None = None,
        max_length: int | None = None,
        description: LoadedModel | None = None,
    ) -> None:
        if not hasattr(tokenizer, "bos_token_id"):
            got = "None" if tokenizer is None else type(tokenizer).__name__
            raise TokenizerError(f"tokenizer is {got}; a Scorer needs the model's own, as transformers loads it")
        self._tokenizer = tokenizer
        self._adapter = adapt(model)
        batch_tokens, max_length = _whole("batch_tokens", batch_tokens), _whole("max_length", max_length)
        self._engine = resolve_engine(engine, self._adapter, batch_tokens=batch_tokens)
        self._max_length = checked_max_length(max_length, self._adapter.context_length)
        self._threads = checked_threads(threads)
        self._given_description = description
        self._loaded_with: Mapping[str, Any] | None = None
        self._encoders: dict[SpecialTokensPolicy, TextEncoder] = {}
        self._about_start = StartNotice(tokenizer)

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
        threads: int | None = None,
        max_length: int | None = None,
        options: LoadOptions | None = None,
    ) -> Scorer:
        """A scorer for a model that is loaded now.

        Args:
            model: ``default`` (SmolLM2-135M-Instruct, fetched once), a hub name, a local folder or a .gguf file.
            revision: branch, tag or commit of a hub model.
            device: ``auto`` (CUDA where there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
            dtype: ``float32``, ``bfloat16``, ``float16`` or ``float64``; never chosen by the checkpoint.
            engine, batch_tokens, threads, max_length: see the class.
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
        own = {"engine": engine, "batch_tokens": batch_tokens, "threads": threads, "max_length": max_length}
        scorer = cls(loaded.model, loaded.tokenizer, description=loaded, **own)  # type: ignore[arg-type]
        whole = str(Path(model).absolute()) if model != DEFAULT_MODEL and Path(model).exists() else model
        place = {"model": whole, "revision": loaded.revision or revision, "device": device, "dtype": dtype}
        scorer._loaded_with = {**place, "options": options, **own}
        return scorer

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by name: another process loads the model again, with the same options.

        Raises:
            ModelError: the scorer was made from objects, which have no name to be loaded by.
        """
        if self._loaded_with is None:
            raise ModelError(
                "a Scorer that was made from a model and a tokenizer cannot be pickled or sent to another process: use "
                "Scorer.from_pretrained(a name or folder), which is loaded again there, or make the Scorer there"
            )
        about = self.description
        return load_again, (type(self), found_again(self._loaded_with), about.weights, about.tokenizer_id)

    def __copy__(self) -> Self:
        """Another scorer of the same model, which both use in turn."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, _encoders=dict(self._encoders))
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A scorer of a copy of the model, in memory."""
        with lock_of(self._adapter.model):
            model: Any = deepcopy(self._adapter.model, memo)
            tokenizer = deepcopy(self._tokenizer, memo)
        about = self._given_description or self.__dict__.get("description")
        other = type(self)(
            model,
            tokenizer,
            engine=self.engine,
            batch_tokens=self.batch_tokens,
            threads=self._threads,
            max_length=self.max_length,
            description=None if about is None else replace(about, model=model, tokenizer=tokenizer),
        )
        other._loaded_with = self._loaded_with
        return other

    def __repr__(self) -> str:
        about = self.description
        return f"Scorer({about.name}, engine={self.engine}, dtype={about.dtype}, device={about.device})"

    @property
    def max_length(self) -> int | None:
        """How many positions the model reads at once; None for no limit."""
        return self._max_length

    @property
    def engine(self) -> str:
        """Name of the engine that runs."""
        return self._engine.name

    @property
    def threads(self) -> int:
        """How many threads a run uses."""
        return threads_of_run(self._threads)

    @cached_property
    def description(self) -> LoadedModel:
        """Name and fingerprints of model and tokenizer."""
        if self._given_description is not None:
            return self._given_description
        return describe_loaded(self._adapter.model, self._tokenizer)

    @property
    def keeps_bits(self) -> bool:
        """Whether a text's bits are promised not to depend on its neighbours, on batch size or on threads.

        The engine is packed, the device a CPU, and the weights float32 or float64, not quantised.
        """
        about = self.description
        plain = about.dtype in ("float32", "float64") and about.quantization is None
        return self.engine == "packed" and plain and about.device.startswith("cpu")

    @property
    def batch_tokens(self) -> int | None:
        """How many positions may run at once; None where texts run one by one."""
        return getattr(self._engine, "batch_tokens", None)

    def signature(self, **policies: Unpack[PolicyKeywords]) -> Signature:
        """What a score with these policies depends on, as every ``SequenceScore`` of them carries it."""
        return self._call(**policies).signature

    @cached_property
    def _config_id(self) -> str:
        return fingerprint_config(self.description.model.config)

    @cached_property
    def _declared_start(self) -> int | None:
        """The start token that the model's own configurations declare."""
        model = self._adapter.model
        config = model.config
        configs = [config, config.get_text_config(), getattr(model, "generation_config", None)]  # type: ignore[union-attr, operator]
        return declared_start(self._tokenizer, configs, vocabulary=self._adapter.vocabulary)

    @overload
    def score(self, items: str | Pair | Chat | Sequence[int], **policies: Unpack[PolicyKeywords]) -> SequenceScore: ...  # type: ignore[overload-overlap]  # a str is an iterable of str

    @overload
    def score(self, items: Iterable[Item], **policies: Unpack[PolicyKeywords]) -> list[SequenceScore]: ...

    def score(
        self, items: Item | Iterable[Item], **policies: Unpack[PolicyKeywords]
    ) -> SequenceScore | list[SequenceScore]:
        """log p(x) = sum_t log p(x_t | x_<t) for a text, a Pair or token ids, or for each of several of them.

        Args:
            items: one item gives one score; an iterable of items gives a list of scores in the same order.
            policies: ``bos="auto"``, ``long="windows"``, ``boundary="auto"``, ``special_tokens="literal"``,
                ``extras=()``; see ``seqscore.policies.Policies``.

        Raises:
            InputError: an item cannot be scored; the message names its index.
            NumericsError: the model gave NaN; the message names the token.
            OptionError: an option has no such value.
        """
        given, call = given_items(items), self._call(**policies)
        if given.one is not None:
            (only,) = self._run([given.one], 0, call)
            if isinstance(only, SeqscoreError):
                raise type(only)(only.message) from only
            return only
        return [_or_raise(score) for score in self._run(list(given.several), 0, call, errors="raise")]

    @overload
    def stream(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        errors: Literal["raise"] = "raise",
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Iterator[SequenceScore]: ...

    @overload
    def stream(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        errors: Literal["record"],
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Iterator[SequenceScore | SeqscoreError]: ...

    def stream(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        errors: Literal["raise", "record"] = "raise",
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Iterator[SequenceScore | SeqscoreError]:
        """Scores in the order of ``items``, read and scored in chunks: memory does not grow with their number.

        An item that cannot be scored raises, or with ``errors="record"`` its error stands in its place; so does an
        error that is itself handed in as an item (a row that could not be read). Policies as in ``score``.

        ``chunks``: what is planned at once, so that common beginnings run once. ``growing``: 16 items at first, so that
        the first scores come soon, then twice as many up to 1,024; ``full``: about 1,024 from the start, ending between
        items that share no beginning; ``whole``: all items, as ``score`` does.
        """
        check_choice("errors", errors, ("raise", "record"))
        check_choice("chunks", chunks, CHUNK_POLICIES)
        given = given_items(items)
        if given.one is not None:
            raise InputError("stream takes an iterable of items, got a single one; use score(item), or stream([item])")
        return self._stream(_cut(given.several, chunks), self._call(**policies), errors)

    def workload(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Workload:
        """How many tokens ``stream`` would run for these items, cut in the same way, without running any."""
        given = given_items(items)
        check_choice("chunks", chunks, CHUNK_POLICIES)
        call, total, index = self._call(**policies), Workload(), 0
        for chunk in _cut(given.several if given.one is None else [given.one], chunks):
            prepared = call.prepare(chunk, index)
            requests = [request for one in prepared if isinstance(one, Prepared) for request in one.requests]
            count = sum(isinstance(one, Prepared) for one in prepared)
            total += workload_of(requests, num_items=count, shares_prefixes=self._engine.shares_prefixes)
            index += len(chunk)
        return total

    def logits(self, item: Item, **policies: Unpack[PolicyKeywords]) -> FloatArray:
        """The logits z_t of which each scored token's log-probability is log_softmax(z_t)[x_t], [num_scored, V].

        (A token that is scored given its first bytes, ``boundary="healed"``, has log_softmax over the tokens that begin
        so.) By the model's own forward pass; float64 numbers, of a model in float32 or less those of float32. Takes
        8 bytes a number: 0.4 MB a token with 50,000 words.

        Raises:
            InputError: the item cannot be scored, or takes more than one window.
        """
        (prepared,) = self._call(**policies).prepare([item], 0)
        if isinstance(prepared, SeqscoreError):
            raise type(prepared)(prepared.message) from prepared
        if len(prepared.requests) > 1:
            raise InputError(
                f"the text takes {len(prepared.requests)} windows; logits are given for texts of one, of at most "
                f"{self.max_length} tokens"
            )
        with lock_of(self._adapter.model), running_threads(self._threads):
            return logits_before_targets(self._adapter, prepared.requests)

    def _stream(
        self, chunks: Iterable[list[Item | SeqscoreError]], call: Call, errors: str
    ) -> Iterator[SequenceScore | SeqscoreError]:
        index = 0
        for chunk in chunks:
            for score in self._run(chunk, index, call, errors=errors):
                yield score if errors == "record" else _or_raise(score)
            index += len(chunk)

    def _run(
        self, items: Sequence[Item | SeqscoreError], first_index: int, call: Call, *, errors: str = "record"
    ) -> list[SequenceScore | SeqscoreError]:
        """One score or error an item, in order."""
        prepared = call.prepare(items, first_index)
        if errors == "raise":  # before any forward pass
            for one in prepared:
                if isinstance(one, SeqscoreError):
                    raise one
        call.notices.say(items, first_index)
        requests = [request for one in prepared if isinstance(one, Prepared) for request in one.requests]
        with lock_of(self._adapter.model), running_threads(self._threads):
            values = iter(self._engine.run(requests, extras=call.extras))
        results: list[SequenceScore | SeqscoreError] = []
        for index, one in enumerate(prepared, start=first_index):
            if isinstance(one, SeqscoreError):
                results.append(one)
                continue
            try:
                results.append(call.score(one, [next(values) for _ in one.requests]))
            except SeqscoreError as error:
                results.append(error.for_item(index))
        return results

    def _call(self, **keywords: Any) -> Call:
        """The policies of a call, checked and resolved for this model."""
        policies = Policies.of(keywords)
        boundary, special_tokens, long = policies.boundary, policies.special_tokens, policies.long
        start = resolve_start(self._tokenizer, policies.bos, declared=self._declared_start)
        if boundary == "auto" and start.kind == "lm-eval":
            boundary = "lm-eval"
        builder = SequenceBuilder(
            tokenizer=self._tokenizer,
            encoder=self._encoder(special_tokens),
            markup_encoder=self._encoder("parse"),
            start=start,
            boundary=boundary,
            special_tokens=special_tokens,
        )
        return Call(
            builder=builder,
            notices=CallNotices(start, self._about_start),
            long=long,
            max_length=self.max_length,
            vocabulary=self._adapter.vocabulary,
            extras=policies.extras,
            signature=call_signature(
                self.description,
                config=self._config_id,
                engine=self.engine,
                bos=start.describe(),
                special=special_tokens,
                boundary=boundary,
                long=f"{long}/{'none' if self.max_length is None else self.max_length}",
            ),
        )

    def _encoder(self, special_tokens: SpecialTokensPolicy) -> TextEncoder:
        if special_tokens not in self._encoders:
            self._encoders[special_tokens] = TextEncoder(self._tokenizer, special_tokens=special_tokens)
        return self._encoders[special_tokens]


def found_again(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of ``from_pretrained`` for another process, without a listener of this one."""
    options = settings["options"]
    if options is not None and options.notify is not tell_standard_error:
        options = replace(options, notify=None)
    return {**settings, "options": options}


def load_again(kind: type[Scorer], settings: Mapping[str, Any], weights: str, tokenizer: str) -> Scorer:
    """The scorer that was pickled, its model loaded in this process.

    Raises:
        ModelError: what is found under its name now is another model.
    """
    scorer = kind.from_pretrained(**settings)
    found = scorer.description.weights, scorer.description.tokenizer_id
    if found != (weights, tokenizer):
        raise ModelError(
            f"{settings['model']} is not what it was when the Scorer was pickled: weights and tokenizer are {found[0]} "
            f"and {found[1]}, expected {weights} and {tokenizer}"
        )
    return scorer


def _or_raise(score: SequenceScore | SeqscoreError) -> SequenceScore:
    if isinstance(score, SeqscoreError):
        raise score
    return score


def _cut(items: Iterable[Item | SeqscoreError], policy: ChunkPolicy) -> Iterator[list[Item | SeqscoreError]]:
    """The items in pieces that are planned at once."""
    if policy == "whole":
        yield list(items)
        return
    yield from chunks_of(items, weigh=_weight, belongs=share_beginning, limits=FULL if policy == "full" else GROWING)


def _weight(item: Item | SeqscoreError) -> int:
    return 0 if isinstance(item, SeqscoreError) else item_size(item)


def _whole(name: str, value: object) -> int | None:
    """A whole number of any library as Python's own; None stays."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise OptionError(f"{name}={value!r} must be a whole number of at least 1")
    return int(value)
