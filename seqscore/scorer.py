"""The scorer: the front that callers see of a model that gives texts probabilities.

How one comes to be stands here; what it does, in ``seqscore.front``.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from seqscore.front.pickled import lasting_name, pickled, with_other_adapter
from seqscore.front.text_methods import TextMethods
from seqscore.front.word_methods import WordMethods
from seqscore.models.base import RunSettings
from seqscore.models.load.default import DEFAULT_MODEL
from seqscore.models.load.find import LoadedModel
from seqscore.models.load.options import LoadOptions
from seqscore.models.registry import model_of, open_model, with_adapter

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Scorer(TextMethods, WordMethods):
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

    _loaded_with: Mapping[str, Any] | None = None  # the keywords of from_pretrained; None: made from objects

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
