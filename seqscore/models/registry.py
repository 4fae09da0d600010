"""Which kind a model is of: by its name, its configuration, or the object. A new kind is one file and one line here.

A name that a kind calls its own (an address, the ending of a file) opens that kind. Any other name is a checkpoint,
a folder, a .gguf file or a name on the hub, and its configuration decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatch
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from seqscore.errors import OptionError
from seqscore.models.architecture.causality import WhyNot, auto_class_of
from seqscore.models.base import RunSettings, TextModel, TokenModel
from seqscore.models.causal import CausalModel
from seqscore.models.load.find import LoadedModel, load_model
from seqscore.models.load.find import with_adapter as adapted
from seqscore.models.load.options import LoadOptions
from seqscore.models.local import LocalModel
from seqscore.models.masked import MaskedModel
from seqscore.models.ngram import NgramModel
from seqscore.models.seq2seq import EncoderDecoderModel
from seqscore.models.server.opened import open_server

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

AnyModel: TypeAlias = TokenModel | TextModel


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A kind of models of transformers: those whose configuration ``model.why_not`` has nothing against.

    ``auto_class``: the class of transformers that makes them.
    """

    model: type[LocalModel]
    auto_class: str


@dataclass(frozen=True, slots=True)
class Named:
    """A kind whose models are found by their names: ``patterns`` as of file names in a shell.

    ``takes``: the fields of ``RunSettings`` that it heeds, and those of ``LoadOptions``, which ``opens`` is given by
    their names. One that it does not heed is refused where it is set, as is whatever is asked of a checkpoint (device,
    dtype ...).
    """

    opens: Callable[..., AnyModel]
    patterns: tuple[str, ...]
    takes: frozenset[str] = frozenset()


KINDS: Mapping[str, Checkpoint | Named] = MappingProxyType(
    {
        "causal": Checkpoint(CausalModel, "AutoModelForCausalLM"),
        "masked": Checkpoint(MaskedModel, "AutoModelForMaskedLM"),
        "server": Named(
            open_server,
            ("http://*", "https://*"),
            takes=frozenset({"max_length", "served_model", "tokenizer", "concurrency", "timeout"}),
        ),
        "encoder-decoder": Checkpoint(EncoderDecoderModel, "AutoModelForSeq2SeqLM"),
        "ngram": Named(NgramModel, ("*.arpa", "*.arpa.gz", "*.arpa.bin", "*.binary", "*.klm")),
    }
)
"""A checkpoint is of the first kind that takes its configuration."""


def open_model(
    name: str | Path,
    *,
    revision: str | None,
    device: str,
    dtype: str,
    options: LoadOptions,
    settings: RunSettings,
) -> AnyModel:
    """The model of a name.

    Args:
        name: ``default``, a folder, a .gguf file, a name on the hub, or whatever a kind calls its own.
        revision, device, dtype, options: of a checkpoint, see ``load_model``.
        settings: how it is run.

    Raises:
        SeqscoreError: see ``load_model``; or no kind takes it.
        OptionError: a kind that is found by its name does not heed an option that is set.
    """
    for called, kind in KINDS.items():
        if isinstance(kind, Named) and any(fnmatch(str(name), pattern) for pattern in kind.patterns):
            of_checkpoints = {"revision": revision, "device": device, "dtype": dtype, **_set_in(options)}
            _refuse_unheeded(called, kind, {**of_checkpoints, **asdict(settings)})
            heeded = {one.name: getattr(options, one.name) for one in fields(options) if one.name in kind.takes}
            return kind.opens(str(name), settings, **heeded)
    _refuse_options_of_others(options)
    loaded = load_model(name, revision=revision, device=device, dtype=dtype, options=options, kinds=_why_not())
    return _of_loaded(loaded, settings)


def with_adapter(model: LocalModel, adapter: str | Path | None, options: LoadOptions) -> LocalModel:
    """The same model with an adapter of the library peft on it in place of the one that it has, or with none.

    Raises:
        ModelError: there is no such adapter, or it does not fit.
    """
    return _of_loaded(adapted(model.description, adapter, options=options, kinds=_why_not()), model.asked_settings)


def _of_loaded(loaded: LoadedModel, settings: RunSettings) -> LocalModel:
    auto_class = auto_class_of(loaded.model.config, _why_not(), where=loaded.name)
    (kind,) = (kind for kind in _checkpoints() if kind.auto_class == auto_class)
    return kind.model(loaded.model, loaded.tokenizer, settings=settings, description=loaded)


def _why_not() -> dict[str, WhyNot]:
    return {kind.auto_class: kind.model.why_not for kind in _checkpoints()}


def model_of(
    model: Any, tokenizer: PreTrainedTokenizerBase, *, settings: RunSettings, description: LoadedModel | None = None
) -> LocalModel:
    """The model of objects that are already loaded: by the class of the model; of an unknown class it must be causal.

    Raises:
        ModelError: it is of no kind.
    """
    kind = next((kind for kind in _checkpoints() if _is_own(kind, model)), _checkpoints()[0])
    return kind.model(model, tokenizer, settings=settings, description=description)


_USUAL: Mapping[str, object] = MappingProxyType(
    {"revision": None, "device": "auto", "dtype": "float32", **asdict(RunSettings())}
)


def _set_in(options: LoadOptions) -> dict[str, object]:
    """What was asked for, and not only who is told."""
    usual = LoadOptions()
    names = (field.name for field in fields(options) if field.name != "notify")
    return {name: value for name in names if (value := getattr(options, name)) != getattr(usual, name)}


def _refuse_unheeded(called: str, kind: Named, given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if name not in kind.takes and value != _USUAL.get(name):
            raise OptionError(f"{name}={value!r}: a {called} model does not heed it; leave it out")


def _refuse_options_of_others(options: LoadOptions) -> None:
    """What only kinds that are found by their names heed."""
    for name, value in _set_in(options).items():
        heeding = [called for called, kind in KINDS.items() if isinstance(kind, Named) and name in kind.takes]
        if heeding and name not in _OF_CHECKPOINTS:
            raise OptionError(f"{name}={value!r} is for a {' or '.join(heeding)} model, and this is a checkpoint")


_OF_CHECKPOINTS = frozenset({"adapter", "allow_pickle", "trust_remote_code", "cache_dir", "notify"})


def _checkpoints() -> list[Checkpoint]:
    return [kind for kind in KINDS.values() if isinstance(kind, Checkpoint)]


def _is_own(kind: Checkpoint, model: Any) -> bool:
    """Whether an object, or what a wrapper (torch.compile, PEFT) holds, is of the class that the kind's models have."""
    import transformers

    inner = getattr(model, "_orig_mod", model)
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    config: Any = getattr(inner, "config", None)
    classes = getattr(transformers, kind.auto_class)._model_mapping
    return type(config) in classes and isinstance(inner, classes[type(config)]) and kind.model.why_not(config) is None
