"""The surroundings of an engine's forward passes: a model that is unchanged, memory errors named.

What must be switched for them, and put back, is ``models.architecture.passes``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seqscore.errors import DeviceError
from seqscore.models.architecture.passes import undisturbed
from seqscore.models.load.device import is_out_of_memory

if TYPE_CHECKING:
    from seqscore.models.architecture.adapter import ModelAdapter


@contextmanager
def forward_passes(adapter: ModelAdapter, *, batch_tokens: int | None = None) -> Iterator[None]:
    """Run forward passes of a model within this block; what is changed for it is put back.

    Raises:
        DeviceError: the device ran out of memory, or this process was forked (see ``undisturbed``).
        ModelError: the model is another one than was looked at.
    """
    adapter.require_unchanged()
    try:
        with undisturbed(adapter.model, adapter.device):
            yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        budget = "" if batch_tokens is None else f" with batch_tokens={batch_tokens}"
        raise DeviceError(
            f"{adapter.device} ran out of memory{budget}; use a smaller batch_tokens, a shorter context "
            f"(max_length), a smaller dtype, or another device"
        ) from error
