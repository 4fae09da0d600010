"""``seqscore eval pairs``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated

import typer

from seqscore.cli.eval.shared import evaluate_task, with_shared_options

if TYPE_CHECKING:
    from seqscore.evaluate.data.fields import Fields
    from seqscore.evaluate.tasks.base import Task
    from seqscore.scorer import Scorer


@with_shared_options
def pairs(
    shared: SimpleNamespace,
    delimiter: Annotated[
        str,
        typer.Option(
            help="Before a sentence; auto: a space behind a context. lm-eval: ' ', always.", rich_help_panel="Task"
        ),
    ] = "auto",
) -> int:
    """Minimal pairs: how often the good sentence is more probable than the bad one; ties are ties."""

    def make(fields: Fields, scorer: Scorer) -> Task:
        from seqscore.evaluate.tasks.choices import PairsTask

        return PairsTask(fields=fields, delimiter=delimiter)

    return evaluate_task(shared, "pairs", make)
