"""Loading without transformers' own log lines, warnings and progress bars on standard error."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from seqscore.errors import ModelError, failing_as
from seqscore.models.architecture.sharing import Shared, switched
from seqscore.models.load.device import explain_out_of_memory


@contextmanager
def loading(what: str, *, device: str, dtype: str) -> Iterator[None]:
    """Run a block that loads with transformers: quietly, and with every failure an error of ours that names ``what``.

    Raises:
        DeviceError: there was not enough memory.
        ModelError: anything else that went wrong; errors of ours pass through as they are.
    """
    with (
        failing_as(ModelError, f"transformers cannot load {what}"),
        explain_out_of_memory(what=what, device=device, dtype=dtype),
        quiet_transformers(),
    ):
        yield


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers, huggingface_hub and Python warnings inside the block, and restore what was set before.

    What matters of those messages (weights missing, shapes that differ, code of its own) is checked by the caller and
    raised as an error instead. Errors themselves pass through. Loggers, filters and bars are those of the process: of
    several blocks at once the first to begin silences, and the last to end restores.
    """
    import transformers.utils.logging  # noqa: F401  (importing it sets its level, so first)

    with _QUIET.held():
        yield


_QUANTISERS = ("bitsandbytes", "compressed_tensors", "torchao")


def _silence() -> ExitStack:
    """What restores everything when it is closed."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in ("transformers", "huggingface_hub", "gguf", "torch", *_QUANTISERS):
            stack.enter_context(_level(logging.getLogger(name), logging.CRITICAL))
        stack.enter_context(_no_progress_bars())
        return stack.pop_all()


_QUIET = Shared(_silence, ExitStack.close)


@contextmanager
def _level(logger: logging.Logger, level: int) -> Iterator[None]:
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging as transformers_logging

    library: Any = transformers_logging
    bars: Any = importlib.import_module("tqdm.std").tqdm
    hub_had_none = are_progress_bars_disabled()
    had_bars = library.is_progress_bar_enabled()
    library.disable_progress_bar()
    try:
        with switched([bars], "__init__", _hidden(bars.__init__)):
            yield
    finally:
        if had_bars:
            library.enable_progress_bar()  # turns on those of huggingface_hub as well
            if hub_had_none:
                disable_progress_bars()


def _hidden(begin: Callable[..., None]) -> Callable[..., None]:
    """The constructor of plain bars, which no verbosity setting reaches: those of GGUF's reader, of quantisers."""

    def begin_hidden(bar: Any, *given: Any, **named: Any) -> None:
        begin(bar, *given, **{**named, "disable": True})

    return begin_hidden
