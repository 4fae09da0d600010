"""``seqscore eval nbest``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated

import typer

from seqscore.cli.eval.shared import evaluate_task, with_shared_options

if TYPE_CHECKING:
    from seqscore.evaluate.data.fields import Fields
    from seqscore.evaluate.tasks.base import Task
    from seqscore.scorer import Scorer

_TASK = "Task"


@with_shared_options
def nbest(
    shared: SimpleNamespace,
    lm_weight: Annotated[
        float,
        typer.Option(help="Of the log-likelihood (nats) beside first-pass scores.", rich_help_panel=_TASK),
    ] = 1.0,
    delimiter: Annotated[str, typer.Option(help="Between context and hypothesis.", rich_help_panel=_TASK)] = "auto",
) -> int:
    """Re-rank n-best lists: word error rate before and after, the oracle's, and by weight."""

    def make(fields: Fields, scorer: Scorer) -> Task:
        from seqscore.evaluate.tasks.nbest import NbestTask

        return NbestTask(fields=fields, lm_weight=lm_weight, delimiter=delimiter)

    return evaluate_task(shared, "nbest", make)
