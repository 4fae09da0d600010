"""The measures of a stored run, without the dataset or the model that made it."""

from __future__ import annotations

from typing import Any

from seqscore.errors import InputError
from seqscore.evaluate.data.fields import Fields
from seqscore.evaluate.run.run_folder import Run
from seqscore.evaluate.run.summary import Measured, measured
from seqscore.evaluate.tasks.base import Task
from seqscore.evaluate.tasks.choices import ChoicesTask, PairsTask
from seqscore.evaluate.tasks.conventions import ProtocolSettings
from seqscore.evaluate.tasks.nbest import NbestTask
from seqscore.evaluate.tasks.perplexity import FilterTask, PerplexityTask
from seqscore.evaluate.tasks.protocol import ProtocolTask


def measures_of_run(run: Run) -> dict[str, Measured]:
    """What every scored row adds to each measure of the run's task."""
    return measured(run, task_of_run(run))


def task_of_run(run: Run) -> Task:
    """The task that a run's fingerprint describes, able to read its rows (not to make new ones).

    Raises:
        InputError: this version does not know the task.
    """
    settings: dict[str, Any] = dict(run.fingerprint["task"])
    name, fields = settings.pop("task", None), Fields.stored(settings.pop("fields", {}))
    try:
        return _task(name, fields, settings)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise InputError(
            f"{str(run.path)!r} is of a task that this version does not know, or with settings that it has not: "
            f"{name!r} ({error})"
        ) from error


def _task(name: str, fields: Fields, settings: dict[str, Any]) -> Task:
    if "protocol" in settings:
        protocol = ProtocolSettings(
            name=settings["protocol"],
            max_length=settings["window"],
            stride=settings["stride"],
            start=settings["start"],
        )
        return ProtocolTask(fields=fields, protocol=protocol, tokenizer=None)
    kinds: dict[str, Any] = {
        "perplexity": PerplexityTask,
        "filter": FilterTask,
        "pairs": PairsTask,
        "choices": ChoicesTask,
        "nbest": NbestTask,
    }
    made: Task = kinds[name](fields=fields, **settings)
    return made
