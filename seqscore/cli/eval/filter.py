"""``seqscore eval filter``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seqscore.cli.eval.shared import evaluate_task, with_shared_options

if TYPE_CHECKING:
    from seqscore.evaluate.data.dataset import Dataset
    from seqscore.evaluate.data.fields import Fields
    from seqscore.evaluate.filter.buckets import Rule
    from seqscore.evaluate.run.run_folder import Run
    from seqscore.evaluate.tasks.base import Task
    from seqscore.scorer import Scorer

_TASK = "Task"


@with_shared_options
def filter_(
    shared: SimpleNamespace,
    column: Annotated[str | None, typer.Option(help="Column of texts.", rich_help_panel=_TASK)] = None,
    by: Annotated[
        Literal["perplexity", "word_perplexity", "bits_per_byte"],
        typer.Option(help="What rows are sorted out by.", rich_help_panel=_TASK),
    ] = "perplexity",
    low: Annotated[
        float | None, typer.Option("--min", help="Keep rows of at least this.", rich_help_panel=_TASK)
    ] = None,
    high: Annotated[
        float | None, typer.Option("--max", help="Keep rows of at most this.", rich_help_panel=_TASK)
    ] = None,
    percentiles: Annotated[
        str | None,
        typer.Option(
            help="Head, middle and tail: 30,60 as in CCNet; the default without --min and --max.",
            rich_help_panel=_TASK,
        ),
    ] = None,
) -> int:
    """Sort out the rows of a corpus by perplexity: kept and dropped, or head, middle and tail."""
    from seqscore.evaluate.filter.buckets import check_sortable, split_run

    rule = _rule(low, high, percentiles)

    def make(fields: Fields, scorer: Scorer) -> Task:
        from seqscore.evaluate.tasks.perplexity import FilterTask

        return FilterTask(fields=fields)

    def split(run: Run, dataset: Dataset) -> None:
        from seqscore.cli.session import say

        found = split_run(run, rule, by=by, dataset=dataset)
        say("; ".join(f"{bucket.path}: {bucket.num_rows:,} rows" for bucket in found.values()))

    return evaluate_task(shared, "filter", make, fields={"text": column}, check=check_sortable, after=split)


def _rule(low: float | None, high: float | None, percentiles: str | None) -> Rule:
    from seqscore.errors import OptionError
    from seqscore.evaluate.filter.buckets import Percentiles, Thresholds

    if low is not None or high is not None:
        if percentiles is not None:
            raise OptionError("--percentiles and --min or --max were both given; choose one")
        return Thresholds(low=low, high=high)
    if percentiles is None:
        return Percentiles()
    try:
        head, middle = (float(part) for part in percentiles.split(","))
    except ValueError as error:
        raise OptionError(f"--percentiles {percentiles!r} must be two numbers, for instance 30,60") from error
    return Percentiles(head=head, middle=middle)
