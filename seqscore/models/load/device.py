"""Where a model runs and in which dtype: names checked against what exists here, and memory that does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seqscore.errors import DeviceError, OptionError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16", "float64")
"""Names of the dtypes that weights can be loaded in; float32 unless one is asked for."""

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8}
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def resolve_dtype(name: str) -> torch.dtype:
    """The torch dtype of one of the names in ``DTYPES``.

    Raises:
        OptionError: any other name.
    """
    if name not in DTYPES:
        raise OptionError(f"unknown dtype {name!r}: expected one of {', '.join(DTYPES)} (dtype=, --dtype)")
    import torch

    dtype: torch.dtype = getattr(torch, name)
    return dtype


def resolve_device(name: str = "auto") -> str:
    """The full name of a device that exists here: ``auto`` is the current CUDA device where there is one, else the CPU.

    Raises:
        DeviceError: the name is no device's, or no such device is here; the message lists those that are.
    """
    import torch

    here = _devices_here()
    if name == "auto":
        name = "cuda" if any(device.startswith("cuda") for device in here) else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(_no_device(name, here, "is not the name of a device")) from error
    full = _full_name(device)
    if full not in here:
        why = "is not available: this torch sees no CUDA device" if device.type == "cuda" else "is not available here"
        raise DeviceError(_no_device(name, here, why if not _same_type(full, here) else "has no such number here"))
    return full


def _devices_here() -> list[str]:
    import torch

    here = ["cpu"]
    if torch.cuda.is_available():
        here += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        here += [f"xpu:{index}" for index in range(torch.xpu.device_count())]
    if torch.backends.mps.is_available():
        here.append("mps")
    return here


def _full_name(device: torch.device) -> str:
    import torch

    index: int | None = device.index
    if device.type not in ("cuda", "xpu"):
        return device.type
    if index is not None:
        return f"{device.type}:{index}"
    module = torch.cuda if device.type == "cuda" else torch.xpu
    return f"{device.type}:{module.current_device() if module.is_available() else 0}"


def _same_type(full: str, here: list[str]) -> bool:
    return any(device.split(":")[0] == full.split(":")[0] for device in here)


def _no_device(name: str, here: list[str], why: str) -> str:
    return f"device {name!r} {why}; here: {', '.join(here)} (device=, --device)"


def available_memory(device: str) -> int | None:
    """Bytes that can still be allocated on ``device``, or None where that cannot be known.

    On Linux what the kernel calls available plus free swap, capped by the limit of the control group.
    """
    if device.startswith("cuda"):
        import torch

        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    if device != "cpu":
        return None
    return _host_memory()


def _host_memory() -> int | None:
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        free = 1024 * (int(fields["MemAvailable"].split()[0]) + int(fields["SwapFree"].split()[0]))
    except (OSError, KeyError, ValueError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return free
    return min(free, int(limit)) if limit.isdigit() else free


def require_memory(parameters: int, *, what: str, device: str, dtype: str) -> None:
    """Refuse a model whose weights alone, ``parameters`` of them in ``dtype``, exceed the memory that is left.

    Without this the operating system would kill the process in the middle of loading, without a word.

    Raises:
        DeviceError: naming the need, what is left, and the options that change either.
    """
    needed = parameters * _BYTES[dtype]
    for place in {"cpu", device}:
        left = available_memory(place)
        if left is not None and needed > left:
            raise DeviceError(
                f"{what} does not fit: its {parameters / 1e6:,.0f} million weights in {dtype} take {needed / 1e9:.1f} "
                f"GB and {place} has {left / 1e9:.1f} GB left; {_WAYS_OUT}"
            )


_WAYS_OUT = "use --dtype bfloat16 (dtype=, half of float32), another --device (device=), or a smaller model= (--model)"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch's allocator for the CPU has no exception of its own for it."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _OUT_OF_MEMORY)


@contextmanager
def explain_out_of_memory(*, what: str, device: str, dtype: str) -> Iterator[None]:
    """Turn torch's and Python's out-of-memory errors inside the block into a ``DeviceError`` that names the options."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError(f"not enough memory on {device} to load {what} in {dtype}; {_WAYS_OUT}") from error
