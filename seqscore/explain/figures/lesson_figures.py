"""Which figures there are of a lesson, and their files in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from seqscore.explain.figures.loss_figure import loss_figure
from seqscore.explain.figures.softmax_figure import softmax_figure
from seqscore.explain.figures.underflow_figure import underflow_figure
from seqscore.output.plots.distributions import frequency_figure, perplexity_figure
from seqscore.output.plots.saving import Picture, save_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from seqscore.explain.axes import AxesLesson
    from seqscore.explain.exponential import ExponentialLesson
    from seqscore.explain.lessons import Lesson
    from seqscore.explain.product import UnderflowLesson

Named: TypeAlias = "tuple[str, Figure]"


def save_lesson(lesson: Lesson, folder: Path, picture: Picture) -> list[Path]:
    """Draw a lesson's figures into a folder and give the files."""
    return save_figures(lesson_figures(lesson), folder, picture)


def lesson_figures(lesson: Lesson) -> Iterator[Named]:
    """The figures of a lesson, by name."""
    figures: dict[str, Any] = {"product": _product, "exponential": _exponential, "axes": _axes}
    yield from figures[lesson.name](lesson)


def _product(lesson: UnderflowLesson) -> Iterator[Named]:
    yield "underflow", underflow_figure(lesson.products)


def _exponential(lesson: ExponentialLesson) -> Iterator[Named]:
    yield "softmax", softmax_figure(lesson)


def _axes(lesson: AxesLesson) -> Iterator[Named]:
    yield "frequencies", frequency_figure(lesson.frequencies)
    yield "perplexities", perplexity_figure(lesson.perplexities, corpus=lesson.perplexity)
    yield "loss", loss_figure(lesson.loss)
