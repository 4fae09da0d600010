"""A folder with a checkpoint, looked at before any of it is loaded: which weights, safe or not, complete or not.

Everything that transformers would do in silence is refused here: reading pickles, running code that came with the
checkpoint, fetching kernels that the configuration names, merging an adapter, guessing among several sets of weights.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seqscore.errors import ModelError, TokenizerError, UnsafeModelError, one_line
from seqscore.models.load.sizes import check_config, check_nesting

PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Endings of weight files that are Python pickles, which can run any code when they are read."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "vocab.json",
    "vocab.txt",
    "tekken.json",
    "tiktoken.model",
    "encoder.json",
    "vocab.bpe",
)
"""Files that hold a vocabulary; without one of them transformers may hand out an empty tokenizer."""

_JSON_LIMIT = 256 * 2**20
_READ_WHOLE = frozenset({".json", ".txt", ".model", ".jinja", ".bpe"})
_IMPLEMENTATION_KEYS = frozenset(
    {"attn_implementation", "_attn_implementation", "_attn_implementation_internal"}
    | {"experts_implementation", "_experts_implementation", "_experts_implementation_internal"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a folder holds. ``parameters`` is the number of weights, None where it cannot be known without reading
    them."""

    folder: Path
    config: dict[str, Any]
    weight_files: tuple[Path, ...]
    format: Literal["safetensors", "pickle"]
    parameters: int | None


def inspect_folder(folder: Path, *, allow_pickle: bool, trust_remote_code: bool) -> Checkpoint:
    """Check the files of a checkpoint and choose its weights: safetensors wherever there are any.

    Raises:
        UnsafeModelError: it would run code: only pickle weights, or code of its own, and that was not allowed.
        TokenizerError: there is no tokenizer in it.
        ModelError: it is no checkpoint, or broken, or incomplete.
    """
    config = _read_config(folder)
    check_nesting(config, where=str(folder))
    check_file_sizes(folder)
    if (folder / "adapter_config.json").exists():
        raise ModelError(
            f"{folder} holds a model and an adapter (adapter_config.json): put the adapter's files into a folder of "
            f"their own, and name both (--model, model=; --adapter, LoadOptions(adapter=...))"
        )
    if not trust_remote_code:
        _refuse_code(folder, config)
    files, kind = _choose_weights(folder, config, allow_pickle=allow_pickle)
    if not any((folder / name).is_file() for name in TOKENIZER_FILES) and not trust_remote_code:
        raise TokenizerError(
            f"no tokenizer in {folder}: expected tokenizer.json, tokenizer.model, vocab.json or another vocabulary "
            "file; save the model's tokenizer into the same folder (tokenizer.save_pretrained)"
        )
    tensors, parameters = _count_weights(files) if kind == "safetensors" else (None, None)
    check_config(config, where=str(folder), tensors=tensors, weights=parameters)
    return Checkpoint(folder=folder, config=config, weight_files=files, format=kind, parameters=parameters)


def check_file_sizes(folder: Path) -> None:
    """What is read whole must be small: a file with a hole in it can be larger than any memory.

    Raises:
        ModelError: a file is not.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix in _READ_WHOLE and path.is_file() and path.stat().st_size > _JSON_LIMIT:
            raise ModelError(f"{path} is larger than {_JSON_LIMIT} bytes: not a file of a checkpoint")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a checkpoint.

    Raises:
        ModelError: it cannot be read, is no JSON, or no object.
    """
    try:
        if path.stat().st_size > _JSON_LIMIT:
            raise ModelError(f"{path} is larger than {_JSON_LIMIT} bytes: not the JSON file of a checkpoint")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"cannot read {path}: {one_line(error)}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} should hold a JSON object, found {type(value).__name__}")
    return value


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if path.is_file():
        return read_json(path)
    ggufs = sorted(file.name for file in folder.glob("*.gguf"))
    if ggufs:
        raise ModelError(f"{folder} has no config.json, but GGUF files: give the file itself, e.g. {folder / ggufs[0]}")
    raise ModelError(f"{folder} is not a model folder: it has no config.json")


def _refuse_code(folder: Path, config: dict[str, Any]) -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise ModelError(f"config.json in {folder} has model_type {model_type!r:.80}, expected a name")
    if model_type not in CONFIG_MAPPING:
        if config.get("auto_map"):
            raise UnsafeModelError(
                f"the model in {folder} would run code of its own (auto_map in config.json; model_type {model_type!r} "
                "is not part of transformers): read that code and allow it with --trust-remote-code "
                "(LoadOptions(trust_remote_code=True)), or use another model"
            )
        raise ModelError(f"{folder}: transformers knows no model_type {model_type!r} (config.json)")
    kernel = _named_kernel(config)
    if kernel is not None:
        raise UnsafeModelError(
            f"config.json in {folder} asks for a kernel to be fetched and run ({kernel}): remove that entry, or allow "
            "it with --trust-remote-code (LoadOptions(trust_remote_code=True))"
        )
    refuse_tokenizer_code(folder)


def _named_kernel(value: Any) -> str | None:
    """The first attention or expert implementation that is the name of a repository, not one that comes with
    transformers."""
    if isinstance(value, list):
        return next((found for item in value if (found := _named_kernel(item))), None)
    if not isinstance(value, dict):
        return None
    for key, item in value.items():
        names = [item] if isinstance(item, str) else list(item.values()) if isinstance(item, dict) else []
        if key in _IMPLEMENTATION_KEYS and any(isinstance(name, str) and "/" in name for name in names):
            return f"{key}: {item}"
    return next((found for item in value.values() if (found := _named_kernel(item))), None)


def refuse_tokenizer_code(folder: Path) -> None:
    """Refuse a tokenizer that is code which came with it.

    Raises:
        UnsafeModelError: it is.
    """
    path = folder / "tokenizer_config.json"
    settings = read_json(path) if path.is_file() else {}
    auto_map = settings.get("auto_map")
    if not (isinstance(auto_map, list) or (isinstance(auto_map, dict) and "AutoTokenizer" in auto_map)):
        return
    if (folder / "tokenizer.json").is_file():
        return  # complete in itself: transformers reads it with its own class
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    name = str(settings.get("tokenizer_class") or "")
    if tokenizer_class_from_name(name) is None and tokenizer_class_from_name(f"{name}Fast") is None:
        raise UnsafeModelError(
            f"the tokenizer in {folder} would run code of its own (auto_map in tokenizer_config.json; its class "
            f"{name!r} is not part of transformers): read that code and allow it with --trust-remote-code "
            "(LoadOptions(trust_remote_code=True)), or use another model"
        )


def _choose_weights(
    folder: Path, config: dict[str, Any], *, allow_pickle: bool
) -> tuple[tuple[Path, ...], Literal["safetensors", "pickle"]]:
    named = config.get("transformers_weights")
    if named is not None and not str(named).endswith((".safetensors", ".safetensors.index.json")):
        raise UnsafeModelError(f"config.json in {folder} names weights {named!r}, which are not a safetensors file")
    if any(folder.glob("shard-?????-model-?????-of-?????.safetensors")):
        raise ModelError(
            f"{folder} holds a distributed checkpoint: save it with save_pretrained as ordinary safetensors"
        )
    for name in [str(named)] if named is not None else ["model.safetensors", "model.safetensors.index.json"]:
        if (folder / name).is_file():
            return (_shards(folder / name) if name.endswith(".json") else (folder / name,)), "safetensors"
    others = sorted(file.name for file in folder.glob("*.safetensors"))
    if others or named is not None:
        raise ModelError(
            f"{folder} has no {named or 'model.safetensors nor model.safetensors.index.json'}; "
            f"safetensors files there: {', '.join(others) or 'none'}"
        )
    return _choose_pickles(folder, allow_pickle=allow_pickle), "pickle"


def _choose_pickles(folder: Path, *, allow_pickle: bool) -> tuple[Path, ...]:
    pickles = sorted(file.name for file in folder.iterdir() if file.name.endswith(PICKLE_SUFFIXES))
    if not pickles:
        raise ModelError(f"no weights in {folder}: expected model.safetensors or model.safetensors.index.json")
    if not allow_pickle:
        raise UnsafeModelError(
            f"{folder} has pickle weights only ({', '.join(pickles[:3])}): a pickle can run any code when it is read; "
            "use a safetensors version of the model, or, if you trust where it came from, --allow-pickle "
            "(LoadOptions(allow_pickle=True))"
        )
    for name in ("pytorch_model.bin", "pytorch_model.bin.index.json"):
        if (folder / name).is_file():
            return _shards(folder / name, ".bin") if name.endswith(".json") else (folder / name,)
    raise ModelError(f"of the pickles in {folder} none is called pytorch_model.bin; found {', '.join(pickles[:3])}")


def _shards(index: Path, suffix: str = ".safetensors") -> tuple[Path, ...]:
    """The files that an index names, all of them plain names that exist beside it."""
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(name, str) for name in named.values()):
        raise ModelError(f"{index} has no weight_map from weights to files")
    names = sorted(set(named.values()))
    wrong = [name for name in names if Path(name).name != name or "\\" in name or not name.endswith(suffix)]
    if wrong:
        raise UnsafeModelError(f"{index} names {wrong[0]!r} where only {suffix} files of the same folder may stand")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise ModelError(
            f"{len(missing)} of {len(names)} weight files are missing in {index.parent}: {', '.join(missing[:3])}; "
            "fetch the model again"
        )
    return tuple(index.parent / name for name in names)


def _count_weights(paths: tuple[Path, ...]) -> tuple[int, int]:
    """How many tensors and numbers safetensors files hold."""
    counts = [size for path in paths for size in _tensor_sizes(path)]
    return len(counts), sum(counts)


def _tensor_sizes(path: Path) -> list[int]:
    """How many numbers each tensor of a file holds, from its header; opening it also finds one that was cut short."""
    from math import prod

    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return [prod(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:  # torch cannot map it: RuntimeError
        raise ModelError(f"{path} is not a whole safetensors file ({one_line(error)}): fetch it again") from error
