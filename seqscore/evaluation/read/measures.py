"""The measures of a stored run, without the dataset or the model that made it."""

from __future__ import annotations

from seqscore.errors import InputError
from seqscore.evaluation.run.figures import Measured, measured
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.tasks.base import Task
from seqscore.evaluation.tasks.registry import stored_task


def measures_of_run(run: Run) -> dict[str, Measured]:
    """What every scored row adds to each measure of the run's task."""
    return measured(run, task_of_run(run))


def task_of_run(run: Run) -> Task:
    """The task that a run's fingerprint describes, able to read its rows (not to make new ones).

    Raises:
        InputError: this version does not know the task.
    """
    try:
        return stored_task(run.fingerprint["task"])
    except InputError as error:
        raise InputError(
            f"{str(run.path)!r} is of a task that this version does not know, or with settings that it has not: {error}"
        ) from error
