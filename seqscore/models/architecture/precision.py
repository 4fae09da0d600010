"""The arithmetic of a forward pass is what the weights' dtype says, whatever was switched on around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from seqscore.models.architecture.sharing import Shared

_SWITCHES = (
    ("generic", "all"),
    ("cuda", "all"),
    ("cuda", "matmul"),
    ("cuda", "conv"),
    ("cuda", "rnn"),
    ("mkldnn", "all"),
    ("mkldnn", "matmul"),
    ("mkldnn", "conv"),
    ("mkldnn", "rnn"),
)
"""Of ``torch.backends.*.fp32_precision``, parents first. By their names inside torch: the public attribute of
``torch.backends.mkldnn`` sets another switch than it reads."""


@contextmanager
def full_precision(device_type: str) -> Iterator[None]:
    """Autocast off, and float32 products in float32 (no TF32, no bfloat16 pieces) within this block, on any device.

    TF32 keeps 10 bits of the 23; cuDNN's convolutions use it unless told otherwise. Whichever of torch's two families
    of switches was used, the old one (``set_float32_matmul_precision``, ``allow_tf32``) or the new one
    (``fp32_precision``), both are read and put back as they were. These are switches of the whole process: another
    thread's products become exact too for as long, and what it switches meanwhile is undone.
    """
    import torch

    with _EXACT.held(), torch.autocast(device_type, enabled=False):
        yield


@dataclass(frozen=True, slots=True)
class _Precision:
    """``matmul``, ``cudnn``: the old switches. ``new``: the new ones, of torch 2.9 and later; ``none`` inherits."""

    matmul: str
    cudnn: bool
    new: tuple[str, ...]


def _switch_to_exact() -> _Precision:
    import torch

    new = _inherited_apart() if _has_new_switches() else ()
    # The new switches agree with any value of the old one now, which torch checks before it tells it.
    before = _Precision(torch.get_float32_matmul_precision(), _cudnn_allowed(), new)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    _set_new(("ieee",) * len(new))
    return before


def _put_back(before: _Precision) -> None:
    """The old switches first: they set some of the new ones."""
    import torch

    torch.set_float32_matmul_precision(before.matmul)
    torch.backends.cudnn.allow_tf32 = before.cudnn
    _set_new(before.new)


_EXACT = Shared(_switch_to_exact, _put_back)


def _has_new_switches() -> bool:
    import torch

    return hasattr(torch._C, "_get_fp32_precision_getter")


def _inherited_apart() -> tuple[str, ...]:
    """What each new switch itself is set to; all of them are ``ieee`` afterwards.

    Reading gives what a switch inherits where it is ``none``; so parents are set to ``none`` before children are read.
    """
    import torch

    found = []
    for backend, operation in _SWITCHES:
        found.append(str(torch._C._get_fp32_precision_getter(backend, operation)))
        if operation == "all":
            torch._C._set_fp32_precision_setter(backend, operation, "none")
    _set_new(("ieee",) * len(found))
    return tuple(found)


def _set_new(values: tuple[str, ...]) -> None:
    import torch

    for (backend, operation), value in zip(_SWITCHES[: len(values)], values, strict=True):
        torch._C._set_fp32_precision_setter(backend, operation, value)


def _cudnn_allowed() -> bool:
    """The old switch of cuDNN, where the new ones say no: torch refuses to tell where the two families disagree."""
    import torch

    try:
        return bool(torch.backends.cudnn.allow_tf32)
    except RuntimeError:
        return True
