"""Every error that seqscore raises on purpose, under one base class.

A message says what went wrong, what was expected, what was found, which item it concerns and what to do about it.
``code`` is the short stable name that machine formats carry. Where Python has an exception of the same meaning, the
class is that one too (``InputError`` and ``OptionError`` are ``ValueError``): code that knows nothing of seqscore
catches it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class SeqscoreError(Exception):
    """Base class of all errors raised by seqscore.

    Args:
        message: what, expected, got, what to do; one line, written for people.
        item: index of the item concerned in the caller's input, where there is one.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, item: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.item = item

    def __str__(self) -> str:
        return self.message if self.item is None else f"item {self.item}: {self.message}"

    def for_item(self, item: int) -> SeqscoreError:
        """The same error, naming the item it concerns."""
        return type(self)(self.message, item=item)


class OptionError(SeqscoreError, ValueError):
    """An option has a value that it cannot have, or options contradict each other."""

    code = "bad_option"


class InputError(SeqscoreError, ValueError):
    """A text, a pair, a list of token ids or an input file cannot be scored as it stands."""

    code = "bad_input"


class ContextLengthError(InputError):
    """A sequence does not fit into the model's context and the chosen policy forbids windows or cutting."""

    code = "too_long"


class NoTextError(InputError):
    """A row of a dataset has no text: null, NaN, or an empty cell of a table."""

    code = "no_text"


class ModelError(SeqscoreError):
    """A model cannot be found, read or used as a causal language model."""

    code = "bad_model"


class UnsafeModelError(ModelError):
    """A checkpoint could run code of its own (pickle weights, remote code) and that was not allowed."""

    code = "unsafe_model"


class TokenizerError(ModelError):
    """A tokenizer is missing, or does not do what scoring needs."""

    code = "bad_tokenizer"


class DownloadError(ModelError):
    """Something could not be fetched."""

    code = "download_failed"


class ServerError(ModelError):
    """A server that a model is asked of does not answer, refuses, or answers what cannot be believed."""

    code = "server_failed"


class CacheError(ModelError):
    """The cache folder cannot be read or written."""

    code = "bad_cache"


class DeviceError(SeqscoreError):
    """The device asked for does not exist here, or has not enough memory."""

    code = "bad_device"


class EngineError(SeqscoreError):
    """The engine asked for cannot run this model."""

    code = "bad_engine"


class NumericsError(SeqscoreError):
    """A forward pass gave NaN where a log-probability must stand."""

    code = "not_a_number"


class MissingDependencyError(SeqscoreError, ImportError):
    """An optional library is needed and not installed; the message names it."""

    code = "missing_dependency"


class SeqscoreWarning(UserWarning):
    """Something that a caller should know and that does not stop the work; the command line shows it as a line."""


class JoinWarning(SeqscoreWarning):
    """A context and its continuation meet in the middle of a word."""


class FontWarning(SeqscoreWarning):
    """A picture holds characters that no font has."""


class CostWarning(SeqscoreWarning):
    """A text takes much longer than its length says."""


class StartWarning(SeqscoreWarning):
    """Texts have no start token, or one that is no separator of documents."""


def is_failure(error: BaseException) -> bool:
    """Whether work failed: any ``Exception``, and a panic of a library written in Rust, which is none.

    Ctrl-C, the end of the program and of a generator are no failures.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def one_line(error: BaseException, limit: int = 300) -> str:
    """An error's message on one line, cut to ``limit`` characters, for the end of a message of ours."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."


def without_login(address: str) -> str:
    """An address without the user and password that may stand in it; any other name as it is."""
    return re.sub(r"//[^/\s]*@", "//", address)


@contextmanager
def failing_as(kind: type[SeqscoreError], what: str) -> Iterator[None]:
    """Every failure inside the block is an error of ours, ``what: reason``; errors of ours pass as they are.

    Raises:
        SeqscoreError: of the class ``kind``.
    """
    try:
        yield
    except SeqscoreError:
        raise
    except BaseException as error:
        if not is_failure(error):
            raise
        raise kind(f"{what}: {one_line(error)}") from error
