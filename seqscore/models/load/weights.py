"""The weights of a model as plain tensors, read without running any code of its layers.

``state_dict()`` is such code: a 4-bit layer of bitsandbytes unpacks its weights in it, with loss, and computes
something else ever after. A quantised weight may be a subclass of Tensor with several tensors inside (torchao,
quanto), or keep its scales beside it (bitsandbytes, HQQ); both count as weights.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

_BESIDE = ("quant_state", "SCB", "meta")  # where bitsandbytes (4 and 8 bits) and HQQ keep scales
_DEPTH = 3


def named_weights(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Name and plain tensor of every weight, sorted by name: those of ``state_dict()``, quantised ones in their parts.

    A weight of two names is listed twice; buffers that are not stored are left out. A layer that arranges its weights
    anew in its first forward pass (bitsandbytes, 4 bits, on some processors) is listed as it is now.
    """
    found: dict[str, Tensor] = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        owned = {**module._parameters, **module._buffers}
        for name, weight in owned.items():
            if weight is not None and name not in module._non_persistent_buffers_set:
                found.update(_parts(f"{prefix}.{name}" if prefix else name, weight, module))
        if _is_packed(module):
            found.update(_packed(f"{prefix}.weight", module))
    return sorted(found.items())


def quantization_of(model: nn.Module) -> str | None:
    """How a model's weights are quantised, from its layers: ``bitsandbytes-nf4/float32`` (the dtype that it computes in
    where a layer has one of its own), ``torchao-Int8Tensor``; else from its config: ``gptq-4bit``. None: not at all.
    """
    kinds = {kind for module in model.modules() if (kind := _kind(module)) is not None}
    return "+".join(sorted(kinds)) or _declared(getattr(getattr(model, "config", None), "quantization_config", None))


def compute_dtype(model: nn.Module) -> str:
    """The dtype of a model's activations: that of its first weight of floating point that is not quantised."""
    import torch

    first = None
    for weight in model.parameters():
        first = weight if first is None else first
        if weight.dtype.is_floating_point and type(weight) in (torch.Tensor, torch.nn.Parameter):
            return str(weight.dtype).removeprefix("torch.")
    return "none" if first is None else str(first.dtype).removeprefix("torch.")


def keep_in_memory(model: nn.Module) -> None:
    """Copy weights that lie in a mapped file into memory of their own, one after the other.

    A mapped weight changes when somebody writes to the file, and ends the process when somebody truncates it. Takes as
    long as a conversion of these weights to another dtype.
    """
    import torch

    mappings = _file_mappings()
    seen: set[int] = set()
    for _, weight in named_weights(model):
        if id(weight) in seen or weight.device.type != "cpu" or weight.is_meta:
            continue
        seen.add(id(weight))
        if mappings is None or _lies_in(mappings, weight.data_ptr()):
            with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
                weight.data = weight.data.clone()


def _parts(name: str, weight: Any, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    import torch

    inner = _inner(weight)
    for one in inner:
        yield from _parts(f"{name}.{one}", getattr(weight, one), module)
    if not inner:
        yield name, weight
    if type(weight) not in (torch.Tensor, torch.nn.Parameter):
        for beside in _BESIDE:
            for place in (weight, module, getattr(module, "state", None)):
                value = getattr(place, beside, None)
                if value is not None:
                    yield from _tensors(f"{name}.{beside}", value, _DEPTH)
                    break


def _inner(weight: Any) -> list[str]:
    """The names of the tensors inside of a tensor that wraps others."""
    flatten = getattr(weight, "__tensor_flatten__", None)
    return [name for name in flatten()[0] if getattr(weight, name, None) is not None] if flatten is not None else []


def _tensors(name: str, value: Any, depth: int) -> Iterator[tuple[str, Tensor]]:
    """The tensors in a tensor, a dictionary or an object."""
    import torch

    if isinstance(value, torch.Tensor):
        yield name, value
    elif depth and not isinstance(value, str | int | float | torch.nn.Module):
        inside = value if isinstance(value, dict) else getattr(value, "__dict__", {})
        for key, one in inside.items():
            yield from _tensors(f"{name}.{key}", one, depth - 1)


def _is_packed(module: nn.Module) -> bool:
    """Whether this is a layer of torch's own quantisation, which keeps its weights where no parameter is."""
    return type(module).__module__.startswith("torch.ao.nn.quantized") and callable(getattr(module, "weight", None))


def _packed(name: str, module: Any) -> Iterator[tuple[str, Tensor]]:
    weight = module.weight()
    if not weight.is_quantized:
        yield name, weight
        return
    yield f"{name}.int_repr", weight.int_repr()
    if weight.qscheme() in _per_channel():
        yield f"{name}.scales", weight.q_per_channel_scales()
        yield f"{name}.zero_points", weight.q_per_channel_zero_points()
    else:
        yield f"{name}.scales", weight.dequantize().new_tensor([weight.q_scale(), weight.q_zero_point()])


def _per_channel() -> tuple[Any, ...]:
    import torch

    return (torch.per_channel_affine, torch.per_channel_affine_float_qparams, torch.per_channel_symmetric)


def _kind(module: nn.Module) -> str | None:
    """How one layer's own weights are quantised."""
    import torch

    if _is_packed(module):
        return f"torch-{type(module).__name__}"
    for weight in module._parameters.values():
        if weight is None or type(weight) in (torch.Tensor, torch.nn.Parameter):
            continue
        library = type(weight).__module__.partition(".")[0]
        name = getattr(weight, "quant_type", None) or {"Int8Params": "int8"}.get(type(weight).__name__)
        if library == "torch" or not (name or _inner(weight)):
            continue  # torch's own subclasses, such as buffers, distribute or mark, and quantise nothing
        rounds = type(weight).__name__ == "Int8Params"  # bitsandbytes rounds the inputs of such a layer to float16
        computed = torch.float16 if rounds else getattr(module, "compute_dtype", None)
        suffix = f"/{str(computed).removeprefix('torch.')}" if isinstance(computed, torch.dtype) else ""
        return f"{library}-{name if isinstance(name, str) else type(weight).__name__}{suffix}"
    return None


def _declared(settings: Any) -> str | None:
    """A config's own word, for layers that are not told apart by their weights."""
    if settings is None:
        return None
    if not isinstance(settings, dict):
        settings = settings.to_dict() if hasattr(settings, "to_dict") else vars(settings)
    method = settings.get("quant_method")
    bits, form = settings.get("bits") or settings.get("w_bit"), settings.get("format")
    name = str(getattr(method, "value", method) or "unknown")
    return f"{name}-{bits}bit" if bits else f"{name}-{form}" if isinstance(form, str) else name


def _file_mappings() -> tuple[list[int], list[int]] | None:
    """Where mappings of files begin and end in this process's memory, in order; None where that cannot be known."""
    begins, ends = [], []
    try:
        for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
            place, _, _, _, inode = line.split(maxsplit=5)[:5]
            if inode != "0":
                begin, end = place.split("-")
                begins.append(int(begin, 16))
                ends.append(int(end, 16))
    except (OSError, ValueError):
        return None
    return begins, ends


def _lies_in(mappings: tuple[list[int], list[int]], address: int) -> bool:
    begins, ends = mappings
    index = bisect_right(begins, address) - 1
    return index >= 0 and address < ends[index]
