"""The scorer: the front that callers see of a model that gives texts probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, overload

from seqscore.calls.next_call import WHOLE, check_next, open_next_call, word_items, words_of
from seqscore.calls.notices import StartNotice
from seqscore.calls.scoring import (
    Call,
    Errors,
    call_of,
    cut,
    logits_of,
    score_alone,
    scores_all,
    scores_of,
    totals_of,
    word_call_of,
    workload_of_chunks,
)
from seqscore.calls.word_call import Correction, WordCall, WordItem
from seqscore.errors import InputError, ModelError, SeqscoreError
from seqscore.models.base import Conditioning, RunSettings, TokenModel
from seqscore.models.load.default import DEFAULT_MODEL
from seqscore.models.load.find import LoadedModel
from seqscore.models.load.options import LoadOptions
from seqscore.models.local import LocalModel
from seqscore.models.registry import AnyModel, model_of, open_model, with_adapter
from seqscore.pickled import lasting_name, pickled, with_other_adapter
from seqscore.plan.chunks import CHUNK_POLICIES, ChunkPolicy
from seqscore.plan.totals import Totals
from seqscore.plan.workload import Workload
from seqscore.policies import Policies, PolicyKeywords, check_choice
from seqscore.scores.next_scores import NextTokens, NextWords
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.scores.word_scores import WordScores
from seqscore.text.given import given_items
from seqscore.text.given_words import GivenWords
from seqscore.text.items import Chat, Context, Item, Pair, Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Scorer:
    """Scores texts with a language model: causal, log p of a token given those before it, or masked, given all others.

    Args:
        model: a language model that is already loaded; it is left as it is, and must stay as it is for as long
            as the scorer is used: its head and fingerprint are looked up once. Scorers of one model take turns, in any
            thread. A forward pass of the caller's own in another thread is what it is without a scorer, but that it
            drops nothing out while one runs.
        tokenizer: its tokenizer; it is left as it is.
        engine: ``auto`` (``packed`` where it runs the model, else ``cached``, else ``padded``, with a warning),
            ``packed``, ``cached``, ``padded`` or ``reference``. A named engine never falls back to another.
        batch_tokens: how many positions may run at once, padding included; bounds the memory. None: the engine's
            default. ``packed`` runs at least 16.
        threads: how many threads of the processor a run uses; torch's number is put back after it. None: torch's
            number, or fewer where a control group grants less.
        max_length: how many positions the model may read at once; None: what its config says.
        source_language, target_language: of a model with an encoder whose tokenizer has language tokens (NLLB, mBART,
            M2M100), as that calls them; None: what the tokenizer is set to.
        description: what ``load_model`` found out about the model; None: looked up in the objects.

    Raises:
        ModelError: the model is no language model of a known kind, see ``seqscore.models.registry``.
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
        source_language: str | None = None,
        target_language: str | None = None,
        description: LoadedModel | None = None,
    ) -> None:
        settings = RunSettings(
            engine=engine,
            batch_tokens=batch_tokens,
            threads=threads,
            max_length=max_length,
            source_language=source_language,
            target_language=target_language,
        )
        self._hold(model_of(model, tokenizer, settings=settings, description=description))

    def _hold(self, model: AnyModel) -> None:
        self._model = model
        self._about_start = StartNotice()
        self._loaded_with: Mapping[str, Any] | None = None

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
        source_language: str | None = None,
        target_language: str | None = None,
        options: LoadOptions | None = None,
    ) -> Scorer:
        """A scorer for a model that is loaded now.

        Args:
            model: ``default`` (SmolLM2-135M-Instruct, fetched once), a hub name, a local folder or a .gguf file.
            revision: branch, tag or commit of a hub model.
            device: ``auto`` (CUDA where there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
            dtype: ``float32``, ``bfloat16``, ``float16`` or ``float64``; never chosen by the checkpoint.
            engine, batch_tokens, threads, max_length, source_language, target_language: see the class.
            options: what may be loaded, and where it is kept.

        Returns:
            A scorer of the model's kind; see ``kind``.

        Raises:
            ModelError: the model cannot be found, read or trusted (or a subclass that says which).
            DeviceError: the device does not exist or is too small.

        Example:
            >>> from seqscore import Scorer
            >>> Scorer.from_pretrained(engine="reference").engine
            'reference'
        """
        settings = RunSettings(
            engine=engine,
            batch_tokens=batch_tokens,
            threads=threads,
            max_length=max_length,
            source_language=source_language,
            target_language=target_language,
        )
        may = options or LoadOptions()
        found = open_model(model, revision=revision, device=device, dtype=dtype, options=may, settings=settings)
        scorer = object.__new__(cls)
        scorer._hold(found)
        place = {"model": lasting_name(model), "revision": found.revision or revision, "device": device, "dtype": dtype}
        scorer._loaded_with = {**place, "options": options, **asdict(settings)}
        return scorer

    def with_adapter(self, adapter: str | Path | None, *, options: LoadOptions | None = None) -> Scorer:
        """A scorer of the same model with an adapter of the library peft on it (LoRA, IA3, prompts ...), or with none.

        The model's weights are not loaded again: both scorers use them, each has layers of its own, and this one stays
        as it is. So adapters are compared on one model.

        Args:
            adapter: a folder, or a name on the hub (``owner/name`` or ``owner/name@revision``); of a model of peft that
                holds several: the name of one. It takes the place of one that is there already. None: the model alone.
            options: what may be loaded (``allow_pickle``), and who is told.

        Returns:
            A scorer that runs as this one was asked to.

        Raises:
            ModelError: there is no such adapter, it cannot be trusted, or it was made for another model.
            MissingDependencyError: peft is not installed.
        """
        may = options or LoadOptions()
        other = object.__new__(type(self))
        other._hold(with_adapter(self._local, adapter, may))
        other._loaded_with = with_other_adapter(self._loaded_with, adapter, may)
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by name: another process loads it again, with the same options; of objects a ``ModelError``."""
        return pickled(type(self), self._loaded_with, self._model)

    def __copy__(self) -> Self:
        """Another scorer of the same model, which both use in turn."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A scorer of a copy of the model, in memory."""
        other = object.__new__(type(self))
        other._hold(deepcopy(self._model, memo))
        other._loaded_with = self._loaded_with
        return other

    def __repr__(self) -> str:
        return f"Scorer({self._model})"

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

    def signature(self, **policies: Unpack[PolicyKeywords]) -> Signature:
        """What a score with these policies depends on, as every ``SequenceScore`` of them carries it."""
        return self._call(**policies).signature

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
            policies: ``bos="auto"``, ``eos="none"``, ``long="windows"``, ``boundary="auto"``,
                ``special_tokens="literal"``, ``masking="original"``, ``extras=()``, ``top_k=0``; see
                ``seqscore.policies.Policies``.

        Returns:
            Of every item its tokens with their log-probabilities (float64, nats; NaN where a token is not scored).

        Raises:
            InputError: an item cannot be scored; the message names its index.
            NumericsError: the model gave NaN; the message names the token.
            OptionError: an option has no such value.

        Example:
            >>> from seqscore import Pair, Scorer
            >>> scorer = Scorer.from_pretrained()
            >>> round(scorer.score("It rained.").log_likelihood, 3)
            -23.261
            >>> [one.num_scored for one in scorer.score(["It rained.", Pair("It", " rained.")], bos="none")]
            [3, 3]
        """
        given, call = given_items(items), self._call(**policies)
        if given.one is not None:
            return score_alone(call, given.one)
        return scores_all(call, given.several)

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

        Args:
            items: texts, Pairs, Chats or token ids; also an error, of a row that could not be read.
            errors: an item that cannot be scored raises (``raise``), or its error stands in its place (``record``).
            chunks: what is planned at once, so that common beginnings run once. ``growing``: 16 items at first, so that
                the first scores come soon, then twice as many up to 1,024; ``full``: about 1,024 from the start, ending
                between items that share no beginning; ``whole``: all items, as ``score`` does.
            policies: see ``score``.

        Returns:
            An iterator, which scores as it is asked for more.

        Raises:
            InputError: a single item was given; or, from the iterator, see ``score``.
            OptionError: an option has no such value.

        Example:
            >>> from seqscore import Scorer
            >>> rows = ["It rained.", None, "Nobody came."]
            >>> [type(one).__name__ for one in Scorer.from_pretrained().stream(rows, errors="record")]
            ['SequenceScore', 'InputError', 'SequenceScore']
        """
        check_choice("errors", errors, ("raise", "record"))
        check_choice("chunks", chunks, CHUNK_POLICIES)
        given = given_items(items)
        if given.one is not None:
            raise InputError("stream takes an iterable of items, got a single one; use score(item), or stream([item])")
        return scores_of(self._call(**policies), self._cut(given.several, chunks), errors=errors)

    def stream_chunks(
        self, chunks: Iterable[Sequence[Item | SeqscoreError]], **policies: Unpack[PolicyKeywords]
    ) -> Iterator[SequenceScore | SeqscoreError]:
        """``stream`` with ``errors="record"`` for items that are in chunks already, each planned at once.

        A chunk is taken when the model asks for it; one that waits for its answers may ask for several ahead.
        """
        return scores_of(self._call(**policies), chunks, errors="record")

    @property
    def gives_totals(self) -> bool:
        """Whether ``totals`` may give something."""
        return isinstance(self._model, TokenModel) and self._model.gives_totals

    def totals(self, texts: Sequence[str], **policies: Unpack[PolicyKeywords]) -> Totals | None:
        """What the scores of texts come to, without the tokens one by one: sums and counts as arrays, [n] each.

        The same numbers as by ``score``, for models that have a quicker way to them (n-gram models); None where this
        one has none, or where one of the texts or a policy asks for ``score``.
        """
        return totals_of(self._call(**policies), texts)

    def workload(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Workload:
        """How many tokens ``stream`` would run for these items, cut in the same way, without running any.

        Of a model that is given texts only their number is known.
        """
        check_choice("chunks", chunks, CHUNK_POLICIES)
        given = given_items(items)
        return workload_of_chunks(
            self._call(**policies), self._cut(given.several if given.one is None else [given.one], chunks)
        )

    @overload
    def words(  # type: ignore[overload-overlap]  # a str is an iterable of str
        self,
        items: str | Pair | GivenWords,
        *,
        words: str = "space",
        correction: Correction = "auto",
        **policies: Unpack[PolicyKeywords],
    ) -> WordScores: ...

    @overload
    def words(
        self,
        items: Iterable[WordItem],
        *,
        words: str = "space",
        correction: Correction = "auto",
        **policies: Unpack[PolicyKeywords],
    ) -> list[WordScores]: ...

    def words(
        self,
        items: WordItem | Iterable[WordItem],
        *,
        words: str = "space",
        correction: Correction = "auto",
        **policies: Unpack[PolicyKeywords],
    ) -> WordScores | list[WordScores]:
        """log p(w | c) for the words w of a text, each given all that stands before it, or for each of several texts.

        Args:
            items: a text, a Pair (the words of its continuation) or ``GivenWords``; or an iterable of them.
            words: what is a word: ``space``, ``unicode`` or a regular expression, see ``seqscore.text.segmentation``.
            correction: how it counts that a word ends where it does, see ``seqscore.calls.word_call.Correction``.
            policies: see ``score``; ``extras`` are rank and entropy where the model has them, if not named.

        Returns:
            Of every text its words with their log-probabilities, as sums over tokens and corrected (float64, nats).

        Raises:
            InputError: an item cannot be scored, or has no words; the message names its index.
            OptionError: an option has no such value, or the model cannot give what is asked for by name.

        Example:
            >>> from seqscore import Scorer
            >>> found = Scorer.from_pretrained().words("It rained.")
            >>> found.texts, found.surprisals("bits").round(2).tolist()
            (('It', 'rained.'), [12.17, 21.39])
        """
        if isinstance(items, GivenWords):
            return self.words([items], words=words, correction=correction, **policies)[0]
        given, call = given_items(items), self._word_call(words, correction, policies)
        if given.one is not None:
            return score_alone(call, given.one)
        return scores_all(call, given.several)

    def stream_words(
        self,
        items: Iterable[WordItem | SeqscoreError],
        *,
        words: str = "space",
        correction: Correction = "auto",
        errors: Errors = "raise",
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Iterator[WordScores | SeqscoreError]:
        """``words`` in the order of ``items``, read and scored in chunks: memory does not grow with their number.

        Args:
            items, words, correction: see ``words``; also an error among the items, of a row that could not be read.
            errors, chunks: see ``stream``.
            policies: see ``score``.

        Returns:
            An iterator, which scores as it is asked for more.

        Raises:
            InputError: a single item was given; or, from the iterator, see ``words``.
            OptionError: an option has no such value.

        Example:
            >>> from seqscore import Scorer
            >>> for found in Scorer.from_pretrained().stream_words(["It rained.", "Nobody came."]):
            ...     print(found.texts)
            ('It', 'rained.')
            ('Nobody', 'came.')
        """
        check_choice("errors", errors, ("raise", "record"))
        check_choice("chunks", chunks, CHUNK_POLICIES)
        if isinstance(items, GivenWords) or given_items(items).one is not None:
            raise InputError("stream_words takes an iterable of items, got a single one; use words(item)")
        call = self._word_call(words, correction, policies)
        return scores_of(call, self._cut(given_items(items).several, chunks), errors=errors)

    def next_tokens(self, context: Context | Pair, k: int = 10, **policies: Unpack[PolicyKeywords]) -> NextTokens:
        """The k most probable tokens behind a context: p(token | context), and the entropy of the whole distribution.

        Args:
            context: a text, token ids, or messages, as a chat template renders them; empty: behind the start token.
                Of a model with an encoder the source, or a Pair of the source and of how the target begins.
            k: how many.
            policies: ``bos``, ``long``, ``special_tokens``, see ``score``.

        Returns:
            The tokens in order, of equally probable ones those of the smaller id first.

        Raises:
            InputError: the context cannot be read, or nothing stands before the token.
            OptionError: an option has no such value, or the model has no next token (a masked one).

        Example:
            >>> from seqscore import Scorer
            >>> found = Scorer.from_pretrained().next_tokens("The capital of France is", k=2)
            >>> [(one.text, round(one.probability, 3)) for one in found]
            [(' Paris', 0.806), (' the', 0.036)]
        """
        call = open_next_call(self._model, policies, self._about_start, k=k)
        return score_alone(call, Prompt(context))

    def stream_next_tokens(
        self,
        contexts: Iterable[Context | Pair | SeqscoreError],
        k: int = 10,
        *,
        errors: Errors = "raise",
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Iterator[NextTokens | SeqscoreError]:
        """``next_tokens`` in the order of ``contexts``, run in chunks; see ``stream``.

        Args:
            contexts: see ``next_tokens``; also an error, of a row that could not be read.
            k: how many tokens behind each.
            errors, chunks: see ``stream``.
            policies: see ``next_tokens``.

        Returns:
            An iterator, which runs as it is asked for more.

        Raises:
            OptionError: see ``next_tokens``.

        Example:
            >>> from seqscore import Scorer
            >>> for found in Scorer.from_pretrained().stream_next_tokens(["It", "Nobody"], k=1):
            ...     print([one.text for one in found])
            ["'s"]
            [' knows']
        """
        check_choice("errors", errors, ("raise", "record"))
        check_choice("chunks", chunks, CHUNK_POLICIES)
        if isinstance(contexts, str):
            raise InputError("stream_next_tokens takes an iterable of contexts, got a single one; use next_tokens")
        call = open_next_call(self._model, policies, self._about_start, k=k)
        prompts = (one if isinstance(one, SeqscoreError) else Prompt(one) for one in contexts)
        return scores_of(call, cut(prompts, chunks), errors=errors)

    def next_words(
        self,
        context: Context,
        words: Sequence[str],
        *,
        correction: Correction = "auto",
        **policies: Unpack[PolicyKeywords],
    ) -> NextWords:
        """p(word | context) for given words of one token or several, with and without what it takes for a word to end.

        Args:
            context: a text, or messages; empty: behind the start token.
            words: what may come; a space stands in front where the context and the word would touch otherwise.
            correction: see ``words``; ``auto`` is here ``punctuation``, where the model has it: what comes behind the
                word is not known, and it may be a full stop or a comma.
            policies: ``bos``, ``long``, ``boundary``, ``special_tokens``, see ``score``.

        Returns:
            The words as given, with their ranks among each other. All share the context, which runs once.

        Raises:
            InputError: the context or a word cannot be read.
            OptionError: see ``next_tokens``.

        Example:
            >>> from seqscore import Scorer
            >>> found = Scorer.from_pretrained().next_words("The capital of France is", ["London", "Paris"])
            >>> [(one.text, one.rank, round(one.log_likelihood, 2)) for one in found]
            [('London', 2, -5.64), ('Paris', 1, -0.22)]
        """
        check_next(self._model, policies, about="words")
        items, plain = word_items(context, words), PolicyKeywords(**{**policies, "extras": ()})
        call = self._word_call(WHOLE, correction, plain)
        if correction == "auto" and call.rule is not None:
            call = self._word_call(WHOLE, "punctuation", plain)
        whole = replace(call, segmentation=replace(call.segmentation, name="whole"))
        return words_of(words, scores_all(whole, items))

    def _word_call(self, words: str, correction: Correction, policies: PolicyKeywords) -> WordCall:
        return word_call_of(self._model, policies, self._about_start, words=words, correction=correction)

    def logits(self, item: Item, **policies: Unpack[PolicyKeywords]) -> NDArray[np.float64]:
        """The logits z_t of which each scored token's log-probability is log_softmax(z_t)[x_t], [num_scored, V].

        (A token that is scored given its first bytes, ``boundary="healed"``, has log_softmax over the tokens that begin
        so.) By the model's own forward pass; float64 numbers, of a model in float32 or less those of float32. Takes
        8 bytes a number: 0.4 MB a token with 50,000 words.

        Raises:
            InputError: the item cannot be scored, or takes more than one window.
            OptionError: the model gives no logits.
        """
        return logits_of(self._call(**policies), item)

    def _cut(self, items: Iterable[Any], chunks: ChunkPolicy) -> Iterator[list[Any]]:
        return cut(items, chunks, both_sides=self.conditioning == "both")

    def _call(self, **keywords: Any) -> Call:
        """The policies of a call, checked and resolved for this model."""
        return call_of(self._model, Policies.of(keywords), self._about_start)
