"""The surroundings of every forward pass: one run a model, no gradients, no dropout, full float32 products.

What is changed for it is put back. Nothing here changes what another thread computes with the model meanwhile, but for
dropout: whether a layer drops out is a mark on the layer, so a forward pass of the caller's own in train mode that
runs in another thread during one of these runs without.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from seqscore.errors import DeviceError
from seqscore.models.architecture.precision import full_precision
from seqscore.models.architecture.sharing import Shared, is_switched, lock_of, switched

if TYPE_CHECKING:
    import torch
    from torch import nn


@contextmanager
def undisturbed(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Forward passes of ``model`` within this block are alone with it, as far as calls of this program go.

    A forward hook of the model may call a scorer again: the thread that is inside may enter.

    Raises:
        DeviceError: this process was forked from one whose threads did not come along.
    """
    import torch

    _require_own_threads(device)
    with ExitStack() as stack:
        stack.enter_context(lock_of(model))
        stack.callback(_RUN.reset, _RUN.set(object()))
        stack.enter_context(torch.inference_mode())
        stack.enter_context(evaluating(model))
        stack.enter_context(full_precision(device.type))
        stack.enter_context(_QUIET.held())
        if torch.get_default_device().type != device.type:
            stack.enter_context(torch.device(device))  # some models make tensors without saying where
        yield


def _silence() -> int:
    """Layers of bitsandbytes say at every pass that they round their inputs."""
    logger = logging.getLogger("bitsandbytes")
    before = logger.level
    logger.setLevel(logging.ERROR)
    return before


_QUIET = Shared(_silence, logging.getLogger("bitsandbytes").setLevel)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Dropout off for the time of the block; the caller's model is left in the mode it was in."""
    training = [module for module in model.modules() if module.training or is_switched(module, "training")]
    with switched(training, "training", False):
        yield


_RUN: ContextVar[object] = ContextVar("seqscore_run", default=None)


def current_run() -> object:
    """What names the run that this thread is in, the innermost one; None outside of any."""
    return _RUN.get()


_PASSES_OF: set[int] = set()
"""The processes, this one and those it was forked from, that ran passes on several threads or on an accelerator."""


def _require_own_threads(device: torch.device) -> None:
    """A fork copies one thread: the pool of torch's is gone, and what waits for it waits forever.

    With one thread torch does not ask for the pool.
    """
    import torch

    here, on_cpu = os.getpid(), device.type == "cpu"
    if on_cpu and torch.get_num_threads() == 1:
        return
    if _PASSES_OF - {here}:
        used = "several threads" if on_cpu else device.type
        raise DeviceError(
            f"this process was forked from one in which torch already used {used}, which does not come along: the "
            f"forward pass would hang or fail. On a CPU call torch.set_num_threads(1) here first (scores stay the "
            f"same); else start processes by 'spawn' (multiprocessing.get_context('spawn')) and load the Scorer there"
        )
    _PASSES_OF.add(here)
