"""What models of transformers in this process have in common: codec, threads, lock, identity."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Self

from seqscore.errors import ModelError, OptionError, TokenizerError
from seqscore.models.architecture.adapter import ModelAdapter
from seqscore.models.architecture.limits import checked_max_length
from seqscore.models.architecture.sharing import lock_of
from seqscore.models.architecture.threads import checked_threads, running_threads, threads_of_run
from seqscore.models.architecture.tuners import active_adapters, bare_model, marks_of
from seqscore.models.base import Identity, RunSettings, TokenModel
from seqscore.models.load.adapted import AdapterIdentity
from seqscore.models.load.find import LoadedModel, describe_loaded
from seqscore.models.load.identity import fingerprint_config
from seqscore.policies import EndPolicy, SpecialTokensPolicy, StartPolicy, whole_number
from seqscore.text.codec.encoder import TextEncoder
from seqscore.text.end import EndToken, declared_end, resolve_end
from seqscore.text.start import StartToken, declared_start, resolve_start

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


class LocalModel(TokenModel):
    """A model of transformers and its tokenizer, both left as they are.

    ``has_languages``: whether the kind heeds the languages of its settings.

    ``asked_settings``: as it was asked to be run, where ``engine`` may be ``auto``.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        settings: how it is run.
        description: what is known of it already; None: looked up when it is asked for.

    Raises:
        ModelError: it is not what its kind must be.
        TokenizerError: there is no tokenizer.
        OptionError: a setting has no such value.
    """

    has_languages: ClassVar[bool] = False

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        settings: RunSettings,
        description: LoadedModel | None = None,
    ) -> None:
        if not hasattr(tokenizer, "bos_token_id"):
            got = "None" if tokenizer is None else type(tokenizer).__name__
            raise TokenizerError(f"tokenizer is {got}; a Scorer needs the model's own, as transformers loads it")
        for name in ("source_language", "target_language"):
            if getattr(settings, name) is not None and not self.has_languages:
                raise OptionError(
                    f"{name}={getattr(settings, name)!r} is for models with an encoder; a {self.kind} model takes none"
                )
        if any(one.is_meta for one in getattr(model, "parameters", list)()):
            raise ModelError(
                f"weights of {type(model).__name__} are not in memory (offloaded to disk by device_map?): load it "
                f"without offloading"
            )
        batch_tokens, max_length = (
            None if value is None else whole_number(name, value, least=1)
            for name, value in (("batch_tokens", settings.batch_tokens), ("max_length", settings.max_length))
        )
        self.model = model
        self.tokenizer = tokenizer
        self._adapter = self.look_at(bare_model(model))
        self._marks = marks_of(model)
        self.vocabulary = self._adapter.vocabulary
        self._max_inputs = checked_max_length(max_length, self._adapter.context_length)
        self._threads = checked_threads(settings.threads)
        self._settings = replace(settings, batch_tokens=batch_tokens, max_length=self._max_inputs)
        self.asked_settings = settings
        self._given_description = description

    @classmethod
    @abstractmethod
    def why_not(cls, config: PreTrainedConfig) -> str | None:
        """Why a configuration of transformers' own is not of this kind; None where it is."""

    @classmethod
    @abstractmethod
    def look_at(cls, model: Any) -> ModelAdapter:
        """What there is to know of a model before it is run, looked up and tried.

        Raises:
            ModelError: it is not of this kind.
            NumericsError: it gives NaN.
        """

    @abstractmethod
    def how(self) -> Mapping[str, str]:
        """The signature's fields that say how the model is run."""

    @property
    def max_inputs(self) -> int | None:
        """As asked for, else the model's own limit."""
        return self._max_inputs

    @property
    def largest_top_k(self) -> int:
        """Every token of the vocabulary."""
        return self.vocabulary

    @property
    def threads(self) -> int:
        """As asked for, else torch's number, or fewer where a control group grants less."""
        return threads_of_run(self._threads)

    @property
    def revision(self) -> str | None:
        """The commit of a model of the hub."""
        return self.description.revision

    @cached_property
    def description(self) -> LoadedModel:
        """Name and fingerprints of model and tokenizer."""
        return self._given_description or describe_loaded(self.model, self.tokenizer)

    @cached_property
    def codec(self) -> TokenizerCodec:
        """The tokenizer."""
        return TokenizerCodec(self.tokenizer, configs=self._configs, vocabulary=self.vocabulary)

    def end(self, policy: EndPolicy) -> EndToken | None:
        """The tokenizer's EOS, else the one that the configurations declare, that of generation first."""
        declared = declared_end(self.tokenizer, self._configs[::-1], vocabulary=self.vocabulary)
        return resolve_end(self.tokenizer, policy, declared=declared)

    def identity(self) -> Identity:
        """Weights, configuration, tokenizer, dtype, device, and how it is run."""
        import torch
        import transformers

        about = self.description
        fields = {
            "model": about.name if about.revision is None else f"{about.name}@{about.revision}",
            "weights": about.weights,
            "config": self._config_id,
            **_about_adapter(about.adapter),
            "tokenizer": about.tokenizer_id,
            "dtype": about.dtype,
            **({} if about.quantization is None else {"quantization": about.quantization}),
            **({} if about.stored is None else {"stored": about.stored}),
            "device": about.device.split(":")[0],
            **self.how(),
        }
        libraries = {"torch": torch.__version__, "transformers": transformers.__version__}
        if about.adapter is not None:
            libraries["peft"] = version("peft")
        return Identity(fields, libraries)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The model is this thread's alone, as far as scorers go, with as many threads of torch as it may use."""
        with lock_of(self.model), running_threads(self._threads):
            self._require_same_adapters()
            yield

    def _require_same_adapters(self) -> None:
        """That those which were active when the scorer was made are so still.

        Raises:
            ModelError: others are, or they were switched off, merged or weighed anew.
        """
        if marks_of(self.model) != self._marks:
            now = ", ".join(active_adapters(self.model)) or "none"
            raise ModelError(
                f"the adapters of {type(self.model).__name__} are not as they were when this Scorer was made (active "
                f"now: {now}): put them back, or make a new Scorer, since its signature names those of then"
            )

    def __str__(self) -> str:
        about = self.description
        return f"{about.name}, engine={self.engine}, dtype={about.dtype}, device={about.device}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy of the model, in memory."""
        with lock_of(self.model):
            model: Any = deepcopy(self.model, memo)
            tokenizer = deepcopy(self.tokenizer, memo)
        about = self._given_description or self.__dict__.get("description")
        known = None if about is None else replace(about, model=model, tokenizer=tokenizer)
        return type(self)(model, tokenizer, settings=self._settings, description=known)

    @cached_property
    def _config_id(self) -> str:
        return fingerprint_config(self.description.model.config)

    @property
    def _configs(self) -> list[Any]:
        """The model's own configurations, which may declare a start token."""
        config: Any = self.model.config
        return [config, config.get_text_config(), getattr(self.model, "generation_config", None)]


def _about_adapter(adapter: AdapterIdentity | None) -> dict[str, str]:
    if adapter is None:
        return {}
    return {"adapter": adapter.name, "method": adapter.method, "adapter_weights": adapter.weights}


class TokenizerCodec:
    """A tokenizer of transformers as a codec.

    ``configs``: of the model, which may declare a start token that the tokenizer does not. ``behind``: what stands
    behind every text.
    """

    def __init__(self, tokenizer: Any, *, configs: list[Any], vocabulary: int, behind: tuple[int, ...] = ()) -> None:
        self.tokenizer = tokenizer
        self.behind = behind
        self._configs, self._vocabulary = configs, vocabulary
        self._encoders: dict[SpecialTokensPolicy, TextEncoder] = {}

    def encoder(self, special_tokens: SpecialTokensPolicy) -> TextEncoder:
        """Text -> ids, made when it is first asked for."""
        if special_tokens not in self._encoders:
            self._encoders[special_tokens] = TextEncoder(self.tokenizer, special_tokens=special_tokens)
        return self._encoders[special_tokens]

    def source_encoder(self, special_tokens: SpecialTokensPolicy) -> TextEncoder:
        """The same: one mode for all texts."""
        return self.encoder(special_tokens)

    def start(self, policy: StartPolicy) -> StartToken:
        """See ``resolve_start``."""
        return resolve_start(self.tokenizer, policy, declared=self._declared)

    @cached_property
    def _declared(self) -> int | None:
        return declared_start(self.tokenizer, self._configs, vocabulary=self._vocabulary)
