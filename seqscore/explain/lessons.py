"""The three lessons by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

from seqscore.errors import OptionError
from seqscore.explain.axes import AxesLesson, axes_lesson
from seqscore.explain.exponential import ExponentialLesson, exponential_lesson
from seqscore.explain.product import UnderflowLesson, underflow_lesson
from seqscore.scorer import Scorer

LessonName: TypeAlias = Literal["product", "exponential", "axes"]
LESSONS: tuple[LessonName, ...] = get_args(LessonName)

Lesson: TypeAlias = UnderflowLesson | ExponentialLesson | AxesLesson


def teach(name: LessonName, scorer: Scorer, texts: Sequence[str], **policies: Any) -> Lesson:
    """A lesson on these texts: ``product`` and ``exponential`` take them as one, joined by spaces.

    Raises:
        OptionError: there is no such lesson.
        InputError: the texts have no token that can be scored.
    """
    if name == "product":
        return underflow_lesson(scorer, " ".join(texts), **policies)
    if name == "exponential":
        return exponential_lesson(scorer, " ".join(texts), **policies)
    if name == "axes":
        return axes_lesson(scorer, texts, **policies)
    raise OptionError(f"lesson {name!r} is unknown; expected one of {', '.join(LESSONS)}")
