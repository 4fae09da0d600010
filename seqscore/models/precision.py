"""The arithmetic of a forward pass is what the weights' dtype says, whatever was switched on around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["full_precision"]


@contextmanager
def full_precision(device_type: str) -> Iterator[None]:
    """Autocast off, and float32 products in float32 (no TF32, no bfloat16 pieces) within this block, on any device.

    TF32 keeps 10 bits of the 23; cuDNN's convolutions use it unless told otherwise. What was set before is put back.
    These are switches of the whole process: another thread's products become exact too for as long.
    """
    import torch

    precision = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        with torch.autocast(device_type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = convolutions
