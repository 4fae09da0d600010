"""A name, a folder or a file -> a language model with its tokenizer, and what must be known of both to state a
number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from seqscore.errors import DeviceError, ModelError
from seqscore.models.architecture.causality import CAUSAL_ALONE, WhyNot, auto_class_of
from seqscore.models.architecture.tuners import settings_of
from seqscore.models.load.adapted import AdapterIdentity, describe_adapters, put_on, switched_to
from seqscore.models.load.adapter_folder import require_task
from seqscore.models.load.checkpoint import read_json
from seqscore.models.load.default import DEFAULT_MODEL, default_cache_dir
from seqscore.models.load.device import require_memory, resolve_device, resolve_dtype
from seqscore.models.load.identity import file_stamps, fingerprint_files, fingerprint_state, fingerprint_tokenizer
from seqscore.models.load.options import LoadOptions
from seqscore.models.load.quantised import declared_method
from seqscore.models.load.source import FoundAdapter, Notify, find_adapter, find_sources
from seqscore.models.load.tokenizer import load_tokenizer
from seqscore.models.load.weights import compute_dtype, keep_in_memory, quantization_of

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_WORTH_SAYING = 2 * 10**9  # bytes of weights from which on hashing them for the first time takes noticeable time


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model, its tokenizer, and their identity.

    ``name``: what was asked for, as shown to people. ``revision``: commit on the hub, None elsewhere. ``weights`` and
    ``tokenizer_id``: fingerprints, ``sha256:`` or ``xxh128:`` and 16 hexadecimal digits. ``dtype``, ``device``: of
    the activations, which are those of the weights unless they are quantised. ``quantization``: see
    ``seqscore.models.load.weights.quantization_of``. ``stored``: how the weights were quantised in their
    files, where they are plain numbers in memory. ``adapter``: what is put on the model, whose own name,
    revision and weights the others are; ``base``: that model without it, which shares its weights with ``model``.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    revision: str | None
    weights: str
    tokenizer_id: str
    dtype: str
    device: str
    quantization: str | None = None
    stored: str | None = None
    adapter: AdapterIdentity | None = None
    base: PreTrainedModel | None = None


def load_model(
    model: str | Path = DEFAULT_MODEL,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    options: LoadOptions | None = None,
    kinds: Mapping[str, WhyNot] = CAUSAL_ALONE,
    notify: Notify | None = None,
) -> LoadedModel:
    """Load a language model by name, ready for evaluation: ``default``, a folder, a .gguf file, or a name on
    the hub.

    Weights are safetensors or GGUF, in ``dtype`` whatever the checkpoint was saved in, and copied into memory: who
    writes to the files afterwards changes nothing, and who writes to them meanwhile causes an error. Nothing is
    guessed: missing weights, shapes that do not fit, a tokenizer that cannot be reproduced are errors.

    Args:
        model: which model; a folder called ``default`` is ``./default``.
        revision: branch, tag or commit, for names on the hub.
        device: ``auto`` (CUDA where there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        dtype: one of ``seqscore.models.load.device.DTYPES``.
        options: what the checkpoint may do; None: nothing.
        kinds: what a checkpoint may be, see ``auto_class_of``; a GGUF file is always a causal model.
        notify: gets one-line messages for people, such as what is going to be fetched and its size.

    Raises:
        OptionError: a bad dtype, or a revision where there are none.
        DeviceError: no such device, or not enough memory.
        UnsafeModelError: the checkpoint could run code and that was not allowed.
        TokenizerError: no tokenizer, or one that cannot be reproduced.
        DownloadError, CacheError: it cannot be fetched or kept.
        ModelError: anything else that keeps it from being used as a language model of one of these kinds.
    """
    options = options or LoadOptions()
    notify = notify or options.notify
    resolve_dtype(dtype)
    place = resolve_device(device)
    if place == "mps" and dtype == "float64":
        raise DeviceError("mps has no float64: use device='cpu' (--device) or dtype='float32' (--dtype)")
    source, adapter = find_sources(model, revision, options, notify)
    cache_dir = options.cache_dir or default_cache_dir()
    with _unwritten(source.path, source.name) as read:
        if source.kind == "gguf":
            loaded, tokenizer, files, stored = _read_gguf(source.path, place, dtype, notify)
        else:
            loaded, tokenizer, files, stored = _read_folder(source.path, place, dtype, options, kinds, notify)
        keep_in_memory(loaded)
        weights = _fingerprint(files, cache_dir, notify)
        read += files
    quantization = quantization_of(loaded)
    found = LoadedModel(
        model=_for_evaluation(loaded),
        tokenizer=tokenizer,
        name=source.name,
        revision=source.revision,
        weights=weights,
        tokenizer_id=fingerprint_tokenizer(tokenizer),
        dtype=dtype,
        device=place,
        quantization=quantization,
        stored=stored if quantization is None else None,
    )
    return found if adapter is None else _adapted(found, adapter, options, kinds, notify)


def with_adapter(
    found: LoadedModel, adapter: str | Path | None, *, options: LoadOptions, kinds: Mapping[str, WhyNot]
) -> LoadedModel:
    """The same model with another adapter on it, or with none; its weights are not loaded again.

    Args:
        found: a model, with an adapter or without.
        adapter: its folder or name on the hub, or its name where a caller's model holds several; None: none.
        options: what it may do, and who is told.
        kinds: see ``load_model``.

    Raises:
        ModelError: there is no such adapter, or it does not fit the model.
    """
    if found.base is None and settings_of(found.model):
        model = switched_to(found.model, None if adapter is None else str(adapter))
        return replace(found, model=model, adapter=describe_adapters(model))
    alone = found if found.base is None else replace(found, model=found.base, base=None, adapter=None)
    if adapter is None:
        return alone
    return _adapted(alone, find_adapter(adapter, options, options.notify), options, kinds, options.notify)


def _adapted(
    found: LoadedModel,
    adapter: FoundAdapter,
    options: LoadOptions,
    kinds: Mapping[str, WhyNot],
    notify: Notify | None,
) -> LoadedModel:
    """The model with an adapter on it; with the tokenizer that was saved with the adapter, if one was."""
    folder = adapter.folder
    auto_class = auto_class_of(found.model.config, kinds, where=found.name)
    require_task(folder, auto_class)
    cache_dir = options.cache_dir or default_cache_dir()
    with _unwritten(folder.folder, adapter.name) as read:
        model = put_on(found.model, folder, auto_class=auto_class, dtype=found.dtype)
        weights = _fingerprint(folder.files, cache_dir, notify)
        read += folder.files
    made = replace(
        found, model=model, base=found.model, adapter=AdapterIdentity(adapter.name, folder.method.lower(), weights)
    )
    if not folder.has_tokenizer:
        return made
    common = {"trust_remote_code": options.trust_remote_code, "local_files_only": not options.trust_remote_code}
    tokenizer = load_tokenizer(folder.folder, common, notify)
    number = fingerprint_tokenizer(tokenizer)
    if number != found.tokenizer_id and notify:
        notify(f"texts are cut by the tokenizer that came with the adapter {adapter.name}; {found.name}'s is another")
    return replace(made, tokenizer=tokenizer, tokenizer_id=number)


@contextmanager
def _unwritten(place: Path, name: str) -> Iterator[list[Path]]:
    """Files that the block adds to the list are, at its end, those that were there at its beginning.

    Raises:
        ModelError: somebody wrote to one of them.
    """
    before, files = file_stamps(place), list[Path]()
    yield files
    after = file_stamps(place)
    if any(before.get(file) != after.get(file) for file in files):
        raise ModelError(
            f"the weights of {name} were written to while they were read, so it is not known which these are: "
            "try again when nobody writes to them"
        )


def _fingerprint(files: Sequence[Path], cache_dir: Path, notify: Notify | None) -> str:
    if notify and sum(file.stat().st_size for file in files if file.exists()) > _WORTH_SAYING:
        notify("computing the fingerprint of the weights (remembered afterwards) ...")
    return fingerprint_files(files, cache_dir=cache_dir)


def describe_loaded(model: PreTrainedModel | nn.Module, tokenizer: PreTrainedTokenizerBase) -> LoadedModel:
    """The same record for objects that are already loaded, which are left as they were.

    ``weights`` is computed from the weights in memory, so it differs from that of the files they were read from.

    Raises:
        ModelError: its weights are not in memory.
    """
    config: Any = getattr(model, "config", None)
    return LoadedModel(
        model=cast("PreTrainedModel", model),
        tokenizer=tokenizer,
        name=name_of(model),
        revision=getattr(config, "_commit_hash", None),
        weights=fingerprint_state(model),
        tokenizer_id=fingerprint_tokenizer(tokenizer),
        dtype=compute_dtype(model),
        device=str(next(model.parameters()).device),
        quantization=quantization_of(model),
        adapter=describe_adapters(model),
    )


def name_of(model: object) -> str:
    """What a loaded model is called: by where it came from, else by its class."""
    given = str(getattr(getattr(model, "config", None), "name_or_path", "") or "")
    return Path(given).name if given and _is_folder(Path(given)) else given or type(model).__name__


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _for_evaluation(model: Any) -> PreTrainedModel:
    model.requires_grad_(False)
    return cast("PreTrainedModel", model.eval())


_Read = tuple["PreTrainedModel", "PreTrainedTokenizerBase", tuple[Path, ...], str | None]
"""Model, tokenizer, files of weights, and how these are quantised."""


def _read_folder(
    path: Path,
    device: str,
    dtype: str,
    options: LoadOptions,
    kinds: Mapping[str, WhyNot],
    notify: Notify | None,
) -> _Read:
    from seqscore.models.load.folder import load_folder

    allowed = {"allow_pickle": options.allow_pickle, "trust_remote_code": options.trust_remote_code}
    read = load_folder(path, device=device, dtype=dtype, kinds=kinds, notify=notify, **allowed)
    return *read, declared_method(read_json(path / "config.json"))


def _read_gguf(path: Path, device: str, dtype: str, notify: Notify | None) -> _Read:
    from seqscore.models.load.gguf import load_gguf, read_header

    header = read_header(path)
    require_memory(sum(header.tensors.values()), what=str(path), device=device, dtype=dtype)
    if notify:
        notify(f"reading {path.name} ({path.stat().st_size / 1e6:,.0f} MB of GGUF; slower than safetensors) ...")
    model, tokenizer = load_gguf(path, header, dtype=dtype, device=device)
    types = [one for one in header.types if one not in ("F32", "F16", "BF16", "F64")]
    return model, tokenizer, (path,), "+".join(types) or None
