"""The tokenizer of a checkpoint folder, doing what its ``tokenizer.json`` says.

Where ``tokenizer_config.json`` names a class with a constructor of its own (GPT2Tokenizer, Qwen2Tokenizer, ...),
transformers takes vocabulary and merges from ``tokenizer.json`` and puts that class's splitter and normaliser in the
place of the file's, in silence: SmolLM's digits, for one, are then no longer set apart. The file is what the model
was trained with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seqscore.errors import MissingDependencyError, TokenizerError, failing_as
from seqscore.extras import EXTRA_OF
from seqscore.models.load.default import DEFAULT_MODEL, ensure_default_model
from seqscore.models.load.quiet import loading
from seqscore.text.codec.growth import check_growth

_PARTS = ("normalizer", "pre_tokenizer", "decoder")
_MODEL_SETTINGS = ("ignore_merges", "byte_fallback", "fuse_unk", "unk_token", "dropout", "end_of_word_suffix")
_GROWING = re.compile(r'"(normalizer|decoder)"\s*:\s*')
# Set on purpose from tokenizer_config.json, or without influence on ids: a difference in these alone is no loss.
_ADJUSTABLE = ("add_prefix_space", "prepend_scheme", "trim_offsets")


def load_tokenizer(folder: Path, common: dict[str, Any], notify: Callable[[str], None] | None = None) -> Any:
    """The tokenizer in ``folder``; what transformers replaced of its ``tokenizer.json`` is put back, with a notice.

    Args:
        folder: a checkpoint.
        common: keywords for ``from_pretrained``.
        notify: gets the notice.

    Raises:
        TokenizerError: it cannot be read, or is empty.
        MissingDependencyError: it is one of those that need sentencepiece, and that is not installed.
    """
    from transformers import AutoTokenizer

    with failing_as(TokenizerError, f"cannot read the tokenizer in {folder}"):
        _check_growth(folder / "tokenizer.json")
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, **common)
        except ImportError as error:  # transformers' own words for it name no way to install it
            if find_spec("sentencepiece") is not None or "SentencePiece" not in str(error):
                raise
            raise MissingDependencyError(
                f"the tokenizer in {folder} needs sentencepiece, which is not installed; install it with: pip install "
                f"'seqscore[{EXTRA_OF['sentencepiece']}]'"
            ) from error
        words = len(tokenizer)
        restored = restore_parts(tokenizer, folder / "tokenizer.json")
    length = tokenizer.model_max_length
    if isinstance(length, bool) or not isinstance(length, int | float):
        raise TokenizerError(f"tokenizer_config.json in {folder}: model_max_length is {length!r}, expected a number")
    if words == 0:
        raise TokenizerError(f"the tokenizer in {folder} is empty: save the model's tokenizer there")
    if restored and notify:
        notify(
            f"the tokenizer in {folder} follows its tokenizer.json: transformers' {type(tokenizer).__name__} had "
            f"replaced its {', '.join(restored)}"
        )
    return tokenizer


def find_tokenizer(name: str | Path, notify: Callable[[str], None] | None = None) -> Any:
    """The tokenizer alone of a folder, of the default model (``default``), or of a name on the hub.

    Raises:
        TokenizerError: it cannot be read.
        DownloadError, CacheError: it cannot be fetched or kept.
    """
    from seqscore.models.load.hub import fetch_texts, is_hub_name

    if name == DEFAULT_MODEL:
        folder = ensure_default_model(notify=notify)
    elif Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
    elif isinstance(name, str) and is_hub_name(name):
        folder = fetch_texts(name)
    else:
        raise TokenizerError(f"tokenizer {str(name)!r} is neither a folder here nor can it be a name on the hub")
    with loading(str(name), device="cpu", dtype="float32"):
        return load_tokenizer(folder, {"trust_remote_code": False, "local_files_only": True}, notify)


def _check_growth(path: Path) -> None:
    """Added tokens run through the normaliser while the file is loaded, so it is looked at before.

    The two parts are found in the text, since a whole file of some ten megabytes takes a second to parse; within a
    string a quotation mark would be escaped.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    for part in _GROWING.finditer(text):
        settings, _ = json.JSONDecoder().raw_decode(text, part.end())
        check_growth(settings, where=f"the {part[1]} in {path}")


def restore_parts(tokenizer: Any, path: Path) -> list[str]:
    """Give a tokenizer that was just loaded the parts of its ``tokenizer.json`` that it lost; returns their names."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    if type(tokenizer) is PreTrainedTokenizerFast or not hasattr(tokenizer, "backend_tokenizer") or not path.is_file():
        return []  # the plain class takes the file as it is
    if not type(tokenizer).__module__.startswith("transformers."):
        return []  # a class of the checkpoint's own, which was explicitly allowed to decide
    backend, written = tokenizer.backend_tokenizer, Tokenizer.from_file(str(path))
    lost = [part for part in _PARTS if _settings(getattr(backend, part)) != _settings(getattr(written, part))]
    for part in lost:
        setattr(backend, part, getattr(written, part))
    if type(backend.model) is not type(written.model):
        backend.model = written.model
        return [*lost, "model"]
    if _model_settings(backend.model) != _model_settings(written.model):
        for name in _MODEL_SETTINGS:
            if hasattr(written.model, name):
                setattr(backend.model, name, getattr(written.model, name))
        return [*lost, "merge rules"]
    return lost


def _settings(part: Any) -> Any:
    if part is None:
        return None
    if type(part).__module__ == "tokenizers.decoders" and type(part).__name__ == "ByteLevel":
        return "ByteLevel"  # its settings are for encoding: a decoder does not use them
    return _without_adjustable(json.loads(part.__getstate__()))


def _without_adjustable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_adjustable(item) for key, item in value.items() if key not in _ADJUSTABLE}
    return [_without_adjustable(item) for item in value] if isinstance(value, list) else value


def _model_settings(model: Any) -> list[Any]:
    """The model's settings beside its vocabulary; an empty suffix and none are the same."""
    return [getattr(model, name, None) or None for name in _MODEL_SETTINGS]
