"""An adapter of the library peft put on a model that is already loaded, whose weights both then use.

The adapter's layers stay beside those of the model (nothing is merged): the model's weights are not copied, not
rounded once more, and several adapters can stand on them at the same time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from seqscore.errors import ModelError, one_line
from seqscore.extras import naming_extras
from seqscore.models.architecture.sharing import lock_of
from seqscore.models.architecture.tuners import (
    PROMPTS,
    active_adapters,
    marks_of,
    method_of,
    settings_of,
    sharing_weights,
)
from seqscore.models.load.adapter_folder import TASKS, AdapterFolder
from seqscore.models.load.quiet import loading
from seqscore.models.load.weights import keep_in_memory

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import PreTrainedModel

_NAME = "default"
_PREFIX = "base_model.model."
_PROMPT = "prompt_embeddings"


@dataclass(frozen=True, slots=True)
class AdapterIdentity:
    """Which adapter gave a number: its name, ``name@commit`` from the hub; its ``method``, ``lora``; a fingerprint of
    its weights and settings."""

    name: str
    method: str
    weights: str


def put_on(base: PreTrainedModel, adapter: AdapterFolder, *, auto_class: str, dtype: str) -> Any:
    """A model of peft that has the layers of ``base``, which is left as it is, with an adapter in them.

    Args:
        base: the model that the adapter is for.
        adapter: what was checked.
        auto_class: the class of transformers that makes models like ``base``.
        dtype: of the adapter's weights.

    Returns:
        A model whose weights are those of ``base`` and the adapter's.

    Raises:
        MissingDependencyError: peft is not installed.
        ModelError: the adapter does not fit the model, or weights are missing or left over.
    """
    with naming_extras():
        import peft
    import torch

    where = f"the adapter in {adapter.folder}"
    device = str(next(base.parameters()).device)
    with (
        lock_of(base),
        _left_as_it_was(base),
        loading(where, device=device, dtype=dtype),
        torch.random.fork_rng(devices=[]),
        torch.no_grad(),
    ):
        copy = sharing_weights(base)
        _own_weights(copy, adapter, dtype=getattr(torch, dtype))
        own = {id(one) for one in copy.parameters()}
        model: Any = peft.get_peft_model(copy, _settings(adapter, auto_class), autocast_adapter_dtype=False)
        added = {name: one for name, one in model.named_parameters() if id(one) not in own}
        _prepare(added, getattr(torch, dtype))
        _fill(model, added, adapter, where)
        keep_in_memory(model)
        model.requires_grad_(False)
        return model.eval()


@contextmanager
def _left_as_it_was(base: nn.Module) -> Iterator[None]:
    """peft freezes weights that it is given; those here are another model's too."""
    before = [(one, one.requires_grad) for one in base.parameters()]
    try:
        yield
    finally:
        for one, trained in before:
            one.requires_grad_(trained)


def _settings(adapter: AdapterFolder, auto_class: str) -> Any:
    """The settings as peft reads them; weights that are read anyway are not made up in a special way before."""
    import peft

    library: Any = peft
    given = {name: value for name, value in adapter.settings.items() if name != "runtime_config"}
    known = {one.name for one in fields(library.PEFT_TYPE_TO_CONFIG_MAPPING[adapter.method])}
    strange = sorted(name for name, value in given.items() if name not in known and value)
    if strange:
        raise ModelError(
            f"the adapter in {adapter.folder} has settings that peft {peft.__version__} does not know: "
            f"{', '.join(strange[:3])}; it was saved by another version: install a newer peft"
        )
    plain = {"init_lora_weights": True} if given.get("init_lora_weights") is not None else {}
    settings: Any = library.PeftConfig.from_peft_type(**{**given, **plain, "inference_mode": True})
    settings.task_type = TASKS.get(auto_class)
    return settings


def _stored(adapter: AdapterFolder) -> dict[str, Tensor]:
    import torch
    from safetensors.torch import load_file

    if adapter.weights.suffix == ".safetensors":
        return load_file(adapter.weights)
    found: dict[str, Tensor] = torch.load(adapter.weights, map_location="cpu", weights_only=True)
    return found


def _own_weights(copy: Any, adapter: AdapterFolder, *, dtype: torch.dtype) -> None:
    """Weights of the model itself that come with the adapter (embeddings of a vocabulary that has grown): the copy gets
    its own in their place, also where they are tied.

    A layer that was trained whole stands beside the model's; that one is exchanged only where it is of another size.
    """
    import torch

    trained = tuple(f".{name}." for name in adapter.settings.get("modules_to_save") or ())
    for key, value in _stored(adapter).items():
        named = dict(copy.named_parameters(remove_duplicate=False))
        before = named.get(key.removeprefix(_PREFIX).replace(".base_layer.", "."))
        is_beside = any(name in f".{key}" for name in trained)
        if before is None or not key.startswith(_PREFIX) or (is_beside and before.shape == value.shape):
            continue
        after = torch.nn.Parameter(value.to(before.device, dtype), requires_grad=False)
        if copy.get_input_embeddings().weight is before:
            copy.config.get_text_config().vocab_size = len(value)
        for module in copy.modules():
            _exchange(module, before, after)


def _exchange(module: Any, before: Tensor, after: Tensor) -> None:
    for name in [name for name, one in module._parameters.items() if one is before]:
        module._parameters[name] = after
        _tell_rows(module, len(after))


def _tell_rows(module: Any, rows: int) -> None:
    for name in ("num_embeddings", "out_features"):
        if hasattr(module, name):
            setattr(module, name, rows)


def _prepare(added: Mapping[str, Tensor], dtype: Any) -> None:
    """All of them NaN, so that one that is not read is seen."""
    for one in added.values():
        if one.is_floating_point():
            one.data = one.data.to(dtype).fill_(float("nan"))


def _fill(model: Any, added: Mapping[str, Tensor], adapter: AdapterFolder, where: str) -> None:
    mapping = {} if adapter.method in PROMPTS else getattr(model.get_base_model(), "_checkpoint_conversion_mapping", {})
    options = {"torch_device": "cpu", "autocast_adapter_dtype": False, "key_mapping": mapping}
    try:
        result = model.load_adapter(str(adapter.folder), _NAME, **options)
    except (RuntimeError, KeyError, ValueError) as error:
        raise ModelError(f"{where} does not fit {type(model.get_base_model()).__name__}: {one_line(error)}") from error
    left = [name for name in result.unexpected_keys if name != _PROMPT or adapter.method not in PROMPTS]
    missing = [name for name, one in added.items() if one.is_floating_point() and bool(one.isnan().any())]
    for names, what in ((left, "are for layers that the model does not have"), (missing, "are missing, or NaN")):
        if names:
            raise ModelError(
                f"{len(names)} weights of {where} {what}, e.g. {', '.join(sorted(names)[:3])}: it was made for another "
                f"model than {type(model.get_base_model()).__name__}, or fetch it again"
            )


def switched_to(model: Any, name: str | None) -> Any:
    """A model with the weights and adapters of ``model``, a caller's, of which another one is active, or none.

    Raises:
        ModelError: it has none of that name, or one is merged into its weights.
    """
    held = settings_of(model)
    if any(mark.merged for mark in marks_of(model)):
        raise ModelError(f"an adapter is merged into the weights of {type(model).__name__}: unmerge it first")
    if name is not None and name not in held:
        raise ModelError(
            f"{type(model).__name__} holds no adapter {name!r}, but {', '.join(held)}; one of a folder or the hub goes "
            f"on a model without any: make the Scorer of that, or by from_pretrained"
        )
    with lock_of(model), _left_as_it_was(model):
        copy = sharing_weights(model)
        prompts = bool(getattr(getattr(copy, "active_peft_config", None), "is_prompt_learning", False))
        if name is not None:
            copy.set_adapter(name)
        elif prompts:
            copy = copy.get_base_model()
        else:
            copy.base_model.disable_adapter_layers()
    return copy.eval()


def describe_adapters(model: Any) -> AdapterIdentity | None:
    """The adapters that a model in memory computes with: their names, methods, and a fingerprint of their settings.

    Their weights count among the model's own, see ``fingerprint_state``. None where there are none.
    """
    marks = marks_of(model)
    if not marks:
        return None
    settings, names = settings_of(model), active_adapters(model)
    methods = dict.fromkeys(method_of(settings[name]).lower() for name in names if name in settings)
    told = [{key: str(value) for key, value in settings[name].to_dict().items()} for name in names if name in settings]
    text = json.dumps([told, [repr(mark) for mark in marks]], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return AdapterIdentity("+".join(names) or "off", "+".join(methods) or "off", f"sha256:{digest}")
