"""A chat template run within bounds: it is a program that came with a model.

Jinja's sandbox keeps a template from reaching out, and bounds one ``range``, not loops within loops. So the steps of
the interpreter are counted while it renders, and what one step could compute without end is refused beforehand.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import FrameType
from typing import Any

from seqscore.errors import InputError, is_failure, one_line

_MAX_STEPS = 5_000_000
_MAX_SECONDS = 20.0  # of this thread's own time: a step can be a long one
_LOOK_EVERY = 64
_MAX_NUMBER = 10**6
_MAX_TEXT = 1 << 28


class _TooLongError(Exception):
    """A template took more steps than it may."""


def render_template(tokenizer: Any, messages: Sequence[Mapping[str, Any]], *, answer_follows: bool) -> str:
    """What the tokenizer's chat template writes for ``messages``; ``answer_follows``: and in front of an answer.

    Raises:
        InputError: the template refuses the messages, in its own words, or does not come to an end.
    """
    _check_numbers(tokenizer)
    steps = _Steps(_MAX_STEPS)
    try:
        with steps:
            rendered = tokenizer.apply_chat_template(
                [dict(message) for message in messages], tokenize=False, add_generation_prompt=answer_follows
            )
    except _TooLongError:
        raise InputError(
            f"the model's chat template did not come to an end within {_MAX_STEPS:,} steps or {_MAX_SECONDS:.0f} "
            f"seconds of computing: it loops for too long"
        ) from None
    except BaseException as error:  # a template is the model's own program: it may raise anything
        if not is_failure(error):
            raise
        raise InputError(f"the model's chat template refuses these messages: {one_line(error, 1000)}") from error
    if not isinstance(rendered, str) or len(rendered) > _MAX_TEXT:
        raise InputError(f"the model's chat template must give a text of at most {_MAX_TEXT:,} characters")
    return rendered


class _Steps:
    """Counts lines and calls of Python in this thread inside the block, and raises beyond so many.

    A tracer that is there already (of a debugger, of coverage) rests for that time.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._until = time.thread_time() + _MAX_SECONDS
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self._trace)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        self._left -= 1
        if self._left < 0 or (self._left % _LOOK_EVERY == 0 and time.thread_time() > self._until):
            raise _TooLongError
        return self._trace


def _check_numbers(tokenizer: Any) -> None:
    template = getattr(tokenizer, "chat_template", None)
    problem = _problem(template) if isinstance(template, str) else None
    if problem is not None:
        raise InputError(f"the model's chat template is not run: {problem}, which could take all memory or time")


@lru_cache(maxsize=64)
def _problem(template: str) -> str | None:
    """What in a template could run without end in a single step; None for nothing."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """The tag that transformers adds."""

        tags = {"generation"}  # noqa: RUF012 - as Jinja wants it

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    try:
        tree = ImmutableSandboxedEnvironment(extensions=[Generation, loopcontrols]).parse(template)
    except (TemplateError, RecursionError):
        return None  # rendering says what is wrong with it
    if tree.find(nodes.Pow) is not None:
        return "it takes powers of numbers"
    for constant in tree.find_all(nodes.Const):
        if isinstance(constant.value, int) and abs(constant.value) > _MAX_NUMBER:
            return f"it holds the number {constant.value}"
    return None
