"""What the outcome of a trial depends on, as text: two models in two processes with the same key would be tried alike.

Whether a model runs packed is a comparison of numbers, and whether a product keeps a row's bits at a row count shows in
its sums: of weights that are all 0 or powers of two, every order of summing gives the same bits. So both depend on the
values of the weights, not on their shapes alone. Both depend on the code as well, and that can be told of a model only
whose layers are those of torch and transformers, untouched: any other has no key.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from itertools import chain
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from seqscore._version import __version__
from seqscore.models.load.identity import fingerprint_config

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seqscore.models.architecture.adapter import ModelAdapter

_LIBRARIES = frozenset({"torch", "transformers"})
_ARCHITECTURES = "transformers.models."
_KNOWN_CODE = _LIBRARIES | sys.stdlib_module_names | {"numpy"}
_BESIDE_LAYERS = _KNOWN_CODE | {"accelerate"}
"""What modules of transformers import; it stands on a layer only where something was done to the layer."""

_OWN_SOURCES = ("engine", "plan", "models/architecture")
"""What a trial runs of this package, while somebody works on it under one version."""

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_ENVIRONMENT = ("ATEN_", "BLIS_", "DNNL_", "GOMP_", "KMP_", "MKLDNN_", "MKL_", "OMP_", "ONEDNN_", "OPENBLAS_", "TORCH_")
_ALSO = frozenset({"GLIBC_TUNABLES", "LD_PRELOAD"})
_WAITING = frozenset({"GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY"})
"""How threads wait for one another, which changes no number."""

_CPUINFO = Path("/proc/cpuinfo")
_OF_A_PROCESSOR = frozenset(
    "vendor_id,cpu family,model,model name,stepping,microcode,cache size,flags,Features,CPU implementer,"
    "CPU architecture,CPU variant,CPU part,CPU revision,cpu,machine,isa,uarch".split(",")
)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_LOOKED_AT_APART = frozenset({"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", *_HOOKS})
_CHANGE_NOTHING = frozenset({"name_or_path", "_is_hf_initialized", "generation_config"})


def model_key(adapter: ModelAdapter) -> dict[str, str] | None:
    """Class, config, dtype, layers and values of the weights of a model; None where not all that it computes with can
    be told: other code than that of torch and transformers, hooks, weights that are not plain or not in memory."""
    model = adapter.model
    if adapter.device.type != "cpu" or not is_known(model):
        return None
    weights = _digest_of_weights(model)
    if weights is None:
        return None
    return {
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "config": fingerprint_config(model.config),  # type: ignore[arg-type]
        "dtype": str(adapter.dtype),
        "layers": _digest(_layers(model)),
        "weights": weights,
    }


def surroundings() -> dict[str, str] | None:
    """Processor, number of threads, versions, switches of torch, and variables of the environment that choose kernels;
    None where the processor or a version cannot be told."""
    import torch
    import transformers

    processor, versions = _processor(), (torch.__version__, transformers.__version__)
    if processor is None or any("dev" in version for version in versions):
        return None
    return {
        "processor": processor,
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "seqscore": f"{__version__} {_own_sources()}",
        "build": _digest([torch.__config__.show(), torch.__config__.parallel_info()]),
        "switches": repr(_switches()),
        "environment": _digest(_environment(os.environ)),
    }


def weight_versions(model: nn.Module) -> tuple[int, ...] | None:
    """How often each weight was written to, as torch counts; None where it does not."""
    try:
        return tuple(tensor._version for _, tensor in _tensors(model))
    except RuntimeError:  # made in inference mode
        return None


def is_ours(code: object) -> bool:
    """Whether an engine or an attention backend is one of this package."""
    return type(code).__module__.partition(".")[0] == "seqscore"


def _switches() -> tuple[object, ...]:
    import torch

    backends = torch.backends
    return (
        torch.get_float32_matmul_precision(),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch._C._get_mkldnn_enabled(),
        getattr(backends.mkldnn, "allow_tf32", None),
        torch._C._get_math_sdp_enabled(),
        torch._C._get_flash_sdp_enabled(),
        torch._C._get_mem_efficient_sdp_enabled(),
        torch._C._get_cpu_capability()
        if hasattr(torch._C, "_get_cpu_capability")
        else backends.cpu.get_cpu_capability(),
    )


def _environment(given: Mapping[str, str]) -> list[str]:
    names = (name for name in given if name.startswith(_ENVIRONMENT) or name in _ALSO)
    return sorted(f"{name}={given[name]}" for name in names if name not in _WAITING)


@cache
def _processor() -> str | None:
    """A digest of what each kind of processor of this machine says of itself."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    kinds = set()
    for block in text.split("\n\n"):
        fields = (line.partition(":") for line in block.splitlines())
        kinds.add("\n".join(f"{name.strip()}:{value}" for name, _, value in fields if name.strip() in _OF_A_PROCESSOR))
    kinds.discard("")
    return _digest(sorted(kinds)) if kinds else None


@cache
def _own_sources() -> str:
    root = Path(__file__).parents[1]
    files = sorted(file for folder in _OWN_SOURCES for file in (root / folder).rglob("*.py"))
    return _digest(part for file in files for part in (file.name, file.read_bytes()))


def is_known(model: nn.Module) -> bool:
    """Whether every layer, and the modules that they are defined in, hold code of torch, transformers and Python."""
    import torch
    from torch.nn.modules import module as of_torch

    if of_torch._global_forward_hooks or of_torch._global_forward_pre_hooks or hasattr(model, "_orig_mod"):
        return False
    kinds = {kind for module in model.modules() for kind in type(module).__mro__ if kind is not object}
    places = {kind.__module__ for kind in kinds}
    if not all(place.partition(".")[0] in _KNOWN_CODE for place in places):
        return False
    own_places = [sys.modules[place] for place in places & sys.modules.keys() if place.startswith(_ARCHITECTURES)]
    spaces = [vars(place) for place in (torch.nn.functional, *own_places)] + [_called(kind) for kind in kinds]
    own = (value for module in model.modules() for value in _own(module).values())
    hooks = (hook for module in model.modules() for name in _HOOKS for hook in vars(module)[name].values())
    of_spaces = (value for space in spaces for value in tuple(space.values()))
    return all(map(_is_known_code, chain(own, hooks))) and all(_is_known_code(one, _BESIDE_LAYERS) for one in of_spaces)


def _called(kind: type) -> dict[str, Any]:
    """What a class says itself: all of it of an architecture, of others how a layer is called."""
    said = dict(vars(kind))
    if kind.__module__.startswith(_ARCHITECTURES):
        return said
    return {name: said[name] for name in ("forward", "__call__", "_call_impl", "_wrapped_call_impl") if name in said}


def _is_known_code(value: Any, known: frozenset[str] = _KNOWN_CODE) -> bool:
    """Whether a function was written, or an object's class defined, in torch, transformers or Python."""
    if isinstance(value, partial):
        return _is_known_code(value.func, known)
    value = getattr(value, "__func__", value)  # of a method, bound or not, static or of the class
    if isinstance(value, FunctionType):
        place = value.__globals__.get("__name__")
    else:
        place = (value if isinstance(value, type) else type(value)).__module__
    return isinstance(place, str) and place.partition(".")[0] in known


def _layers(model: nn.Module) -> Iterator[str]:
    """Each layer by its name and class, what was set on it, and its own config."""
    from transformers import PreTrainedConfig

    configs = {id(model.config)}
    for name, module in model.named_modules(remove_duplicate=False):
        yield f"{name} {type(module).__module__}.{type(module).__qualname__}"
        for field, value in sorted(_own(module).items()):
            yield f"{field} {_plain(value)}"
            if isinstance(value, PreTrainedConfig):
                yield f"{value._attn_implementation} {getattr(value, '_experts_implementation', None)}"
                if id(value) not in configs:
                    configs.add(id(value))
                    yield fingerprint_config(value)


def _own(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in _LOOKED_AT_APART | _CHANGE_NOTHING}


def _plain(value: Any) -> str:
    """Values without an address, the same in every process; of any other object the class."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{_plain(name)}: {_plain(one)}' for name, one in value.items()))}}}"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_plain, value)))}}}"
    if isinstance(value, type | FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if type(value).__module__ == "torch" and type(value).__name__ in ("dtype", "device", "Size"):
        return str(value)
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def _digest_of_weights(model: nn.Module) -> str | None:
    """Of parameters and buffers: names, dtypes, shapes, how they lie in memory, which a matrix library may heed, and
    their bytes. None where one is no plain tensor of the processor's memory."""
    import torch
    import xxhash

    digest = xxhash.xxh3_128()
    seen: dict[int, str] = {}
    for name, tensor in _tensors(model):
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.device.type != "cpu":
            return None
        if tensor.layout is not torch.strided or tensor.is_quantized:
            return None
        lies = (tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.data_ptr() % 64, seen.get(id(tensor)))
        digest.update(f"{name} {lies}\n".encode())
        if seen.setdefault(id(tensor), name) == name:
            with torch.no_grad():
                raw: Any = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
            digest.update(raw)
    return digest.hexdigest()


def _digest(parts: Iterable[str | bytes]) -> str:
    """The beginning of the SHA-256 of parts and their lengths."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        digest.update(f"{len(raw)} ".encode() + raw)
    return digest.hexdigest()[:32]
