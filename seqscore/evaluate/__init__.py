"""Datasets, tasks, runs: what is done with a scorer. The room can be called: it is ``seqscore.evaluate(...)``."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqscore.api import Run


class _Room(ModuleType):
    """Package and function have one name, and whichever is imported last would hide the other; so they are one."""

    def __call__(self, *args: Any, **options: Any) -> Run:
        """See ``seqscore.api.evaluate``, which stands above this room and is not imported with it."""
        run: Run = import_module("seqscore.api").evaluate(*args, **options)
        return run

    @property
    def __signature__(self) -> Any:
        from inspect import signature

        return signature(import_module("seqscore.api").evaluate)


sys.modules[__name__].__class__ = _Room
