"""What a caller of ``load_model`` may decide, and who is told of what."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def tell_standard_error(message: str) -> None:
    """A line for people on standard error."""
    sys.stderr.write(f"seqscore: {message}\n")
    sys.stderr.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What a checkpoint may do while it is loaded, and where seqscore keeps its own files.

    ``allow_pickle``: read pickle weights (with torch's restricted unpickler) where there are no safetensors.
    ``trust_remote_code``: run code that comes with a checkpoint.
    ``cache_dir``: seqscore's cache; None: ``default_cache_dir()``. ``notify``: gets one-line messages for people, such
    as what is going to be fetched and its size (by default a line on standard error; None: nobody is told); it counts
    where ``load_model`` is not given one. ``adapter``: of the library peft, put on the model: a folder, or a name on
    the hub (``owner/name`` or ``owner/name@revision``).

    Of a server (``--model http://...``): ``served_model``: the model that is asked for, where it serves several.
    ``tokenizer``: of its model, a folder, ``default`` or a name on the hub; token ids are then sent, and no texts.
    ``concurrency``: requests under way at most (8). ``timeout``: seconds until an answer must be there (300).
    """

    allow_pickle: bool = False
    trust_remote_code: bool = False
    cache_dir: Path | None = None
    notify: Callable[[str], None] | None = tell_standard_error
    adapter: str | Path | None = None
    served_model: str | None = None
    tokenizer: str | Path | None = None
    concurrency: int | None = None
    timeout: float | None = None
