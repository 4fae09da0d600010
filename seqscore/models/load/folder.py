"""A checked checkpoint folder -> model and tokenizer, with every weight accounted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqscore.errors import ModelError
from seqscore.models.architecture.causality import CAUSAL_ALONE, WhyNot, auto_class_of, reads_pictures_too
from seqscore.models.architecture.probes import FROM_A_MODEL, forward_inputs
from seqscore.models.load.checkpoint import Checkpoint, inspect_folder
from seqscore.models.load.device import require_memory, resolve_dtype
from seqscore.models.load.quantised import check_quantisation, declared_method
from seqscore.models.load.quiet import loading
from seqscore.models.load.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def load_folder(
    folder: Path,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    kinds: Mapping[str, WhyNot] = CAUSAL_ALONE,
    notify: Callable[[str], None] | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, tuple[Path, ...]]:
    """Model (in ``dtype`` on ``device``), tokenizer, and the weight files they came with.

    ``kinds``: what it may be, see ``auto_class_of``.

    Raises:
        UnsafeModelError, TokenizerError, ModelError: see ``inspect_folder``; also weights missing or of another shape.
        MissingDependencyError, DeviceError: see ``check_quantisation``; also not enough memory.
    """
    found = inspect_folder(folder, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code)
    if found.parameters is not None:
        require_memory(found.parameters, what=str(folder), device=device, dtype=dtype)
    check_quantisation(found.config, folder, device=device)
    # A local folder needs no network, except for code of another repository that was explicitly allowed.
    common = {"trust_remote_code": bool(trust_remote_code), "local_files_only": not trust_remote_code}
    with loading(str(folder), device=device, dtype=dtype):
        config = _read_config(found, common)
        auto_class = auto_class_of(config, kinds, where=str(folder))
        tokenizer = load_tokenizer(folder, common, notify)
        model = _read_weights(found, config, auto_class, dtype, common, notify).to(device)
        if declared_method(found.config) == "compressed-tensors":
            _unpack(model)
    return model, tokenizer, found.weight_files


def _unpack(model: Any) -> None:
    """The library unpacks weights in the first forward pass, with bars, and never packs them again."""
    import torch

    with torch.inference_mode(), suppress(*FROM_A_MODEL):  # an encoder-decoder takes more
        model(**forward_inputs(model, torch.zeros(1, 1, dtype=torch.long, device=model.device)))


def _read_config(found: Checkpoint, common: dict[str, Any]) -> PreTrainedConfig:
    from transformers import AutoConfig

    config: PreTrainedConfig = AutoConfig.from_pretrained(found.folder, **common)
    return config


def _read_weights(
    found: Checkpoint,
    config: PreTrainedConfig,
    auto_class: str,
    dtype: str,
    common: dict[str, Any],
    notify: Callable[[str], None] | None,
) -> Any:
    """The model with every weight read; transformers alone would fill missing ones with random numbers."""
    import transformers

    if auto_class == "AutoModelForCausalLM" and reads_pictures_too(config):
        auto_class = "AutoModelForImageTextToText"
    loaded: Any = getattr(transformers, auto_class).from_pretrained(
        found.folder,
        config=config,
        dtype=resolve_dtype(dtype),
        use_safetensors=found.format == "safetensors",
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # so that they are listed, and refused below
        **common,
    )
    model, info = loaded
    where = f"{found.folder} ({type(model).__name__})"
    if info["mismatched_keys"]:
        name, stored, expected = sorted(info["mismatched_keys"])[0]
        raise ModelError(
            f"{len(info['mismatched_keys'])} weights in {where} do not fit config.json, e.g. {name}: file "
            f"{tuple(stored)}, model {tuple(expected)}"
        )
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        some = ", ".join(missing[:3])
        raise ModelError(f"{len(missing)} weights are missing in {where}, e.g. {some}: fetch the model again")
    unused = sorted(info["unexpected_keys"])
    if unused and notify:
        some = ", ".join(unused[:3])
        notify(f"{len(unused)} weights in {where} are not part of the model and are left out, e.g. {some}")
    return model
