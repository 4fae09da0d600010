"""A name, a folder or a file -> a language model with its tokenizer, and what must be known of both to state a
number."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from seqscore.errors import DeviceError, ModelError, OptionError
from seqscore.models.architecture.causality import CAUSAL_ALONE, WhyNot
from seqscore.models.load.default import DEFAULT_MODEL, DEFAULT_NAME, default_cache_dir, ensure_default_model
from seqscore.models.load.device import require_memory, resolve_device, resolve_dtype
from seqscore.models.load.identity import file_stamps, fingerprint_files, fingerprint_state, fingerprint_tokenizer
from seqscore.models.load.weights import compute_dtype, keep_in_memory, quantization_of

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_Notify = Callable[[str], None]
_SIZE = 2  # in a file's stamp
_WORTH_SAYING = 2 * 10**9  # bytes of weights from which on hashing them for the first time takes noticeable time


def tell_standard_error(message: str) -> None:
    """A line for people on standard error."""
    sys.stderr.write(f"seqscore: {message}\n")
    sys.stderr.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What a checkpoint may do while it is loaded, and where seqscore keeps its own files.

    ``allow_pickle``: read pickle weights (with torch's restricted unpickler) where there are no safetensors.
    ``trust_remote_code``: run code that comes with a checkpoint.
    ``cache_dir``: seqscore's cache; None: ``default_cache_dir()``. ``notify``: gets one-line messages for people, such
    as what is going to be fetched and its size (by default a line on standard error; None: nobody is told); it counts
    where ``load_model`` is not given one.

    Of a server (``--model http://...``): ``served_model``: the model that is asked for, where it serves several.
    ``tokenizer``: of its model, a folder, ``default`` or a name on the hub; token ids are then sent, and no texts.
    ``concurrency``: requests under way at most (8). ``timeout``: seconds until an answer must be there (300).
    """

    allow_pickle: bool = False
    trust_remote_code: bool = False
    cache_dir: Path | None = None
    notify: Callable[[str], None] | None = tell_standard_error
    served_model: str | None = None
    tokenizer: str | Path | None = None
    concurrency: int | None = None
    timeout: float | None = None


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model, its tokenizer, and their identity.

    ``name``: what was asked for, as shown to people. ``revision``: commit on the hub, None elsewhere. ``weights`` and
    ``tokenizer_id``: fingerprints, ``sha256:`` or ``xxh128:`` and 16 hexadecimal digits. ``dtype``, ``device``: of
    the activations, which are those of the weights unless they are quantised. ``quantization``: see
    ``seqscore.models.load.weights.quantization_of``.
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


@dataclass(frozen=True, slots=True)
class _Source:
    path: Path
    name: str
    revision: str | None
    kind: Literal["folder", "gguf"]


def load_model(
    model: str | Path = DEFAULT_MODEL,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    options: LoadOptions | None = None,
    kinds: Mapping[str, WhyNot] = CAUSAL_ALONE,
    notify: _Notify | None = None,
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
    source = _find(model, revision, options, notify)
    before = file_stamps(source.path)
    if source.kind == "gguf":
        loaded, tokenizer, files = _read_gguf(source.path, place, dtype, notify)
    else:
        loaded, tokenizer, files = _read_folder(source.path, place, dtype, options, kinds, notify)
    keep_in_memory(loaded)
    if notify and sum(before[file][_SIZE] for file in files if file in before) > _WORTH_SAYING:
        notify("computing the fingerprint of the weights (remembered afterwards) ...")
    weights = fingerprint_files(files, cache_dir=options.cache_dir or default_cache_dir())
    after = file_stamps(source.path)
    if any(before.get(file) != after.get(file) for file in files):
        raise ModelError(
            f"the weights of {source.name} were written to while they were read, so it is not known which these are: "
            "try again when nobody writes to them"
        )
    return LoadedModel(
        model=_for_evaluation(loaded),
        tokenizer=tokenizer,
        name=source.name,
        revision=source.revision,
        weights=weights,
        tokenizer_id=fingerprint_tokenizer(tokenizer),
        dtype=dtype,
        device=place,
        quantization=quantization_of(loaded),
    )


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
    )


def name_of(model: object) -> str:
    """What a loaded model is called: by where it came from, else by its class."""
    given = str(getattr(getattr(model, "config", None), "name_or_path", "") or "")
    return Path(given).name if given and _is_folder(Path(given)) else given or type(model).__name__


def _for_evaluation(model: Any) -> PreTrainedModel:
    model.requires_grad_(False)
    return cast("PreTrainedModel", model.eval())


def _find(model: str | Path, revision: str | None, options: LoadOptions, notify: _Notify | None) -> _Source:
    """What a name stands for, fetched if it is not on this machine."""
    if model != DEFAULT_MODEL:
        local = _find_local(model)
        if local is None:
            return _find_on_hub(str(model), revision, options, notify)
    if revision is not None:
        raise OptionError(f"revision={revision!r} (--revision) is for models from the hub; {str(model)!r} is not one")
    if model == DEFAULT_MODEL:
        return _Source(ensure_default_model(options.cache_dir, notify=notify), DEFAULT_NAME, None, "folder")
    assert local is not None
    return local


def _find_local(model: str | Path) -> _Source | None:
    from seqscore.models.load.hub import is_hub_name

    text = str(model)
    try:
        path = Path(model).expanduser()
        if not text.strip() or "\0" in text:
            raise ModelError(f"{text!r} is not the name of a model: {_KINDS}")
        if path.is_dir():
            return _Source(path, path.resolve().name, None, "folder")
        if path.is_file():
            return _Source(path.absolute(), path.name, None, "gguf") if _is_gguf(path) else _refuse_file(path)
    except (OSError, RuntimeError) as error:
        raise ModelError(f"cannot look at {text!r} ({error}): {_KINDS}") from error
    if isinstance(model, Path) or not is_hub_name(text) or path.suffix.lower() == ".gguf":
        raise ModelError(
            f"{text!r} is neither a folder nor a .gguf file here, nor can it be a name on the hub: {_KINDS}"
        )
    return None


_KINDS = 'give "default", a folder with a checkpoint, a .gguf file, or a name on the hub such as gpt2 or owner/name'


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() == ".gguf" or file.read(4) == b"GGUF"


def _refuse_file(path: Path) -> _Source:
    raise ModelError(f"{path} is a file and not a .gguf: give the folder that holds the checkpoint, or a .gguf file")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _find_on_hub(name: str, revision: str | None, options: LoadOptions, notify: _Notify | None) -> _Source:
    from seqscore.models.load.hub import fetch_snapshot

    folder, commit = fetch_snapshot(
        name,
        revision=revision,
        allow_pickle=options.allow_pickle,
        trust_remote_code=options.trust_remote_code,
        notify=notify,
    )
    return _Source(folder, name, commit, "folder")


_Read = tuple["PreTrainedModel", "PreTrainedTokenizerBase", tuple[Path, ...]]


def _read_folder(
    path: Path,
    device: str,
    dtype: str,
    options: LoadOptions,
    kinds: Mapping[str, WhyNot],
    notify: _Notify | None,
) -> _Read:
    from seqscore.models.load.folder import load_folder

    allowed = {"allow_pickle": options.allow_pickle, "trust_remote_code": options.trust_remote_code}
    return load_folder(path, device=device, dtype=dtype, kinds=kinds, notify=notify, **allowed)


def _read_gguf(path: Path, device: str, dtype: str, notify: _Notify | None) -> _Read:
    from seqscore.models.load.gguf import load_gguf, read_header

    header = read_header(path)
    require_memory(sum(header.tensors.values()), what=str(path), device=device, dtype=dtype)
    if notify:
        notify(f"reading {path.name} ({path.stat().st_size / 1e6:,.0f} MB of GGUF; slower than safetensors) ...")
    model, tokenizer = load_gguf(path, header, dtype=dtype, device=device)
    return model, tokenizer, (path,)
