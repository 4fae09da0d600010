"""Which weights and which tokenizer gave a number: fingerprints of files and of objects, and the memory of hashes of
files."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqscore.errors import ModelError, TokenizerError, failing_as
from seqscore.files import write_whole
from seqscore.models.load.weights import named_weights

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

_DIGITS = 16


_NOT_SETTINGS = frozenset(
    {"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version", "use_cache"}
)


class HashMemory:
    """SHA-256 of files, remembered in ``<cache>/hashes.json`` so that a large file is not read at every start.

    A remembered hash counts only while absolute path, size, time of content change and time of status change are as
    they were. A file that cannot be read or written costs time, never correctness: what it holds is then computed.

    Args:
        cache_dir: folder of ``hashes.json``; None remembers nothing.
    """

    def __init__(self, cache_dir: Path | None) -> None:
        self._file = None if cache_dir is None else cache_dir / "hashes.json"

    def sha256(self, path: Path) -> str:
        """SHA-256 of a file's content, 64 hexadecimal digits.

        Raises:
            OSError: the file cannot be read.
        """
        real = path.resolve(strict=True)
        stamp = _stamp(real)
        known = self._read().get(str(real))
        if isinstance(known, dict) and known.get("stamp") == stamp and _is_sha256(known.get("sha256")):
            return str(known["sha256"])
        with real.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if _stamp(real) == stamp:  # else it was written to while it was read: right for now, nothing to remember
            self._remember(str(real), {"stamp": stamp, "sha256": digest})
        return digest

    def _read(self) -> dict[str, Any]:
        if self._file is None:
            return {}
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _remember(self, path: str, entry: dict[str, Any]) -> None:
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, json.dumps({**self._read(), path: entry}, indent=0).encode())


def fingerprint_files(paths: Sequence[Path], *, cache_dir: Path | None) -> str:
    """``sha256:<16 hex>`` of weight files, the same wherever they lie.

    One file: the beginning of its SHA-256. Several: that of the lines ``<sha256>  <name>`` sorted by name, which is
    what ``sha256sum * | sha256sum`` prints. Hashes of files are remembered (see ``HashMemory``).

    Raises:
        ModelError: a file cannot be read.
    """
    memory = HashMemory(cache_dir)
    try:
        digests = [(path.name, memory.sha256(path)) for path in sorted(paths, key=lambda path: path.name)]
    except OSError as error:
        raise ModelError(f"cannot read the weights: {error}") from error
    if len(digests) == 1:
        return f"sha256:{digests[0][1][:_DIGITS]}"
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests)
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()[:_DIGITS]}"


def fingerprint_tokenizer(tokenizer: PreTrainedTokenizerBase) -> str:
    """``sha256:<16 hex>`` of what a tokenizer does: its backend, special tokens and chat template.

    Truncation and padding, which a call may switch on and leave on, are left out. A tokenizer without a backend
    counts by class name and vocabulary.

    Raises:
        TokenizerError: it cannot be read.
    """
    with failing_as(TokenizerError, "the tokenizer cannot be read"):
        return _of_tokenizer(tokenizer)


def _of_tokenizer(tokenizer: PreTrainedTokenizerBase) -> str:
    digest = hashlib.sha256()
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: (pair[1], pair[0]))
        digest.update(_json([type(tokenizer).__name__, vocabulary]))
    else:
        text: str = backend.to_str()
        # "truncation" and "padding" come first; a quoted key within a string would be escaped, so this is the real one.
        digest.update(text[max(text.find('"added_tokens":'), 0) :].encode("utf-8", "surrogatepass"))
    digest.update(_json([_plain(tokenizer.special_tokens_map), getattr(tokenizer, "chat_template", None)]))
    return f"sha256:{digest.hexdigest()[:_DIGITS]}"


def fingerprint_config(config: PreTrainedConfig) -> str:
    """``sha256:<16 hex>`` of a model's settings (a changed RoPE base changes scores), without names and versions."""
    settings = {name: value for name, value in config.to_dict().items() if name not in _NOT_SETTINGS}
    text = json.dumps(settings, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def fingerprint_state(model: nn.Module) -> str:
    """``xxh128:<16 hex>`` of a model in memory: names, dtypes, shapes and bytes of its weights, sorted by name.

    No code of the model's layers runs (see ``named_weights``), so nothing of it changes.

    Raises:
        ModelError: a weight is not in memory (offloaded), so that it cannot be read.
    """
    import torch
    import xxhash

    digest = xxhash.xxh3_128()
    for name, tensor in named_weights(model):
        if tensor.is_meta:
            raise ModelError(f"weight {name} is not in memory (offloaded to disk?): load the model onto a device first")
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}\n".encode())
        with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():  # a subclass's storage, not what it stands for
            raw: Any = tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        digest.update(raw)
    return f"xxh128:{digest.hexdigest()[:_DIGITS]}"


def file_stamps(place: Path) -> dict[Path, tuple[int, ...]]:
    """What changes about a file, or about any in a folder, when it is written to or replaced: device, number, size,
    times.
    """
    stamps = {}
    for path in [place] if place.is_file() else list(place.iterdir()):
        with contextlib.suppress(OSError):
            status = path.stat()
            stamps[path] = (status.st_dev, status.st_ino, *_stamp(path))
    return stamps


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _plain(value: Any) -> Any:
    """Special tokens as text: strings, lists and dictionaries keep their shape, token objects become their content."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()
