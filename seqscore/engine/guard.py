"""The surroundings of every forward pass: no gradients, no dropout, full float32 products, memory errors named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seqscore.errors import DeviceError
from seqscore.models.adapter import evaluating
from seqscore.models.device import is_out_of_memory
from seqscore.models.precision import full_precision

if TYPE_CHECKING:
    from seqscore.models.adapter import ModelAdapter

__all__ = ["forward_passes"]


@contextmanager
def forward_passes(adapter: ModelAdapter, *, batch_tokens: int | None = None) -> Iterator[None]:
    """Run forward passes of a model within this block; what is changed for it is put back.

    Raises:
        DeviceError: the device ran out of memory.
    """
    import torch

    try:
        with torch.inference_mode(), evaluating(adapter.model), full_precision(adapter.device.type):
            yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        budget = "" if batch_tokens is None else f" with batch_tokens={batch_tokens}"
        raise DeviceError(
            f"{adapter.device} ran out of memory{budget}; use a smaller batch_tokens, a shorter context "
            f"(max_length), a smaller dtype, or another device"
        ) from error
