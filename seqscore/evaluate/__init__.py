"""Datasets, tasks, runs: what is done with a scorer. The room can be called: it is ``seqscore.evaluate(...)``."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """Package and function have one name, and whichever is imported last would hide the other; so they are one."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """See ``seqscore.api.evaluate``, which stands above this room and is not imported with it."""
        return import_module("seqscore.api").evaluate(*args, **options)

    @property
    def __signature__(self) -> Any:
        from inspect import signature

        return signature(import_module("seqscore.api").evaluate)


sys.modules[__name__].__class__ = _Room
