"""Where the files of a name lie: the packaged default, a folder, a .gguf file, or the hub, fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from seqscore.errors import ModelError, OptionError, SeqscoreError, one_line
from seqscore.models.load.adapter_folder import AdapterFolder, inspect_adapter, is_adapter
from seqscore.models.load.default import DEFAULT_MODEL, DEFAULT_NAME, ensure_default_model
from seqscore.models.load.options import LoadOptions

Notify: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Files of a model. ``revision``: the commit, of the hub's."""

    path: Path
    name: str
    revision: str | None
    kind: Literal["folder", "gguf"]


@dataclass(frozen=True, slots=True)
class FoundAdapter:
    """An adapter's folder, and what it is called: ``owner/name@commit`` of the hub's."""

    folder: AdapterFolder
    name: str


def find_sources(
    model: str | Path, revision: str | None, options: LoadOptions, notify: Notify | None
) -> tuple[Source, FoundAdapter | None]:
    """A model, and the adapter that is put on it: the one asked for, or the one that ``model`` turns out to be.

    Raises:
        OptionError: two adapters are named.
        ModelError: see ``find_source``, ``find_adapter``; or the model that an adapter is for is not to be found.
    """
    source = find_source(model, revision, options, notify)
    if source.kind != "folder" or not is_adapter(source.path):
        return source, None if options.adapter is None else find_adapter(options.adapter, options, notify)
    if options.adapter is not None:
        raise OptionError(
            f"adapter={str(options.adapter)!r} (--adapter) goes over a model, and {str(model)!r} is an adapter too: "
            f"name the model that they are for"
        )
    found = _as_adapter(source, options)
    return _base_of(found, options, notify), found


def find_adapter(name: str | Path, options: LoadOptions, notify: Notify | None) -> FoundAdapter:
    """An adapter by its folder, or by its name on the hub, ``@`` and a revision behind it where one is meant.

    Raises:
        ModelError: there is none, or it is not to be trusted or used.
    """
    text, at, revision = str(name).partition("@")
    is_folder = isinstance(name, Path) or Path(name).expanduser().exists() or not at
    source = None
    if name != DEFAULT_MODEL:
        sought, commit = (name, None) if is_folder else (text, revision)
        source = find_source(sought, commit, options, notify, kinds=_ADAPTERS)
    if source is None or source.kind != "folder":
        raise ModelError(f"{str(name)!r} is a model, and no adapter of the library peft: {_ADAPTERS}")
    return _as_adapter(source, options)


def _as_adapter(source: Source, options: LoadOptions) -> FoundAdapter:
    allowed = {"allow_pickle": options.allow_pickle, "trust_remote_code": options.trust_remote_code}
    folder = inspect_adapter(source.path, **allowed)
    return FoundAdapter(folder, source.name if source.revision is None else f"{source.name}@{source.revision}")


def _base_of(adapter: FoundAdapter, options: LoadOptions, notify: Notify | None) -> Source:
    """The model that an adapter's settings name: as it stands there, else beside the adapter."""
    name, revision = adapter.folder.base
    beside = adapter.folder.folder / name
    try:
        there = beside if not Path(name).exists() and beside.is_dir() else name
        source = find_source(there, revision, options, notify)
    except SeqscoreError as error:
        raise type(error)(
            f"the adapter {adapter.name} is for the model {name!r} (base_model_name_or_path), which cannot be had: "
            f"{one_line(error)}; name where it is by --model (model=), and the adapter by --adapter "
            f"(LoadOptions(adapter=...))"
        ) from error
    if source.kind == "folder" and is_adapter(source.path):
        raise ModelError(
            f"the adapter {adapter.name} is for {name!r}, which is an adapter itself: name a model by --model (model=)"
        )
    return source


_KINDS = (
    'give "default", a folder with a checkpoint, a .gguf or .arpa file, a server (http://HOST:PORT/v1), or a name '
    "on the hub such as gpt2 or owner/name"
)
_ADAPTERS = "give a folder with an adapter_config.json, or a name on the hub such as owner/name"


def find_source(
    model: str | Path, revision: str | None, options: LoadOptions, notify: Notify | None, *, kinds: str = _KINDS
) -> Source:
    """What a name stands for, fetched if it is not on this machine; ``kinds``: what may be given, for messages."""
    if model != DEFAULT_MODEL:
        local = _find_local(model, kinds)
        if local is None:
            return _find_on_hub(str(model), revision, options, notify)
    if revision is not None:
        raise OptionError(f"revision={revision!r} (--revision) is for models from the hub; {str(model)!r} is not one")
    if model == DEFAULT_MODEL:
        return Source(ensure_default_model(options.cache_dir, notify=notify), DEFAULT_NAME, None, "folder")
    assert local is not None
    return local


def _find_local(model: str | Path, kinds: str) -> Source | None:
    from seqscore.models.load.hub import is_hub_name

    text = str(model)
    try:
        path = Path(model).expanduser()
        if not text.strip() or "\0" in text:
            raise ModelError(f"{text!r} is no name: {kinds}")
        if path.is_dir():
            return Source(path, path.resolve().name, None, "folder")
        if path.is_file():
            return Source(path.absolute(), path.name, None, "gguf") if _is_gguf(path) else _refuse_file(path, kinds)
    except (OSError, RuntimeError) as error:
        raise ModelError(f"cannot look at {text!r} ({error}): {kinds}") from error
    if isinstance(model, Path) or not is_hub_name(text) or path.suffix.lower() == ".gguf":
        raise ModelError(
            f"{text!r} is neither a folder nor a .gguf file here, nor can it be a name on the hub: {kinds}"
        )
    return None


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() == ".gguf" or file.read(4) == b"GGUF"


def _refuse_file(path: Path, kinds: str) -> Source:
    raise ModelError(f"{path} is a file and not a .gguf: give the folder that holds it; {kinds}")


def _find_on_hub(name: str, revision: str | None, options: LoadOptions, notify: Notify | None) -> Source:
    from seqscore.models.load.hub import fetch_snapshot

    folder, commit = fetch_snapshot(
        name,
        revision=revision,
        allow_pickle=options.allow_pickle,
        trust_remote_code=options.trust_remote_code,
        notify=notify,
    )
    return Source(folder, name, commit, "folder")
