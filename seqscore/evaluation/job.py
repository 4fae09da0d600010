"""A task over a dataset, from what a caller asks for to the finished run: what Python and the command line share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seqscore.errors import OptionError
from seqscore.evaluation.data.dataset import Dataset
from seqscore.evaluation.data.kept_columns import check_kept, keep_columns
from seqscore.evaluation.filter.buckets import Bucket, check_sortable, split_run
from seqscore.evaluation.run.progress import Report
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.run.run_task import evaluate
from seqscore.evaluation.tasks.base import Task
from seqscore.evaluation.tasks.registry import make_task

if TYPE_CHECKING:
    from seqscore.scorer import Scorer


class Score(Protocol):
    """How a job is scored: ``seqscore.evaluation.run.run_task.evaluate``, or the same on a cluster."""

    def __call__(
        self, scorer: Scorer, dataset: Dataset, task: Task, folder: Path, /, *, options: RunOptions, report: Report
    ) -> Run:
        """The finished run in ``folder``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A task with the dataset that it is made for, and how the run is made; all of it is checked."""

    dataset: Dataset
    task: Task
    options: RunOptions

    @classmethod
    def of(
        cls,
        name: str,
        dataset: Dataset,
        *,
        fields: Mapping[str, str] | None,
        settings: Mapping[str, Any],
        columns: Sequence[str] | None,
        **options: Any,
    ) -> Job:
        """The job of a task over a dataset.

        Args:
            name: of the task.
            dataset: its rows.
            fields: role -> column, for what the names of the columns do not say.
            settings: of the task.
            columns: that are stored with a row; None: all, or none where the rows go to files of their own anyway.
            options: the others of ``RunOptions``.

        Raises:
            OptionError: there is no such task, setting or column, or a value that it cannot have.
            InputError: the rows are to be sorted into files, and cannot be read a second time.
        """
        task = make_task(name, dataset.columns, fields=fields, **settings)
        if task.reads_spans and options.get("keep") == "scores":
            raise OptionError(f"task {name!r} sums up tokens of a text, so they must be kept: keep='tokens' (--keep)")
        task = task.for_dataset(dataset)
        if task.sorts_rows:
            check_sortable(dataset)
        kept = keep_columns(columns if columns is not None else ["none" if task.sorts_rows else "all"])
        check_kept(kept, dataset.columns)
        return cls(dataset=dataset, task=task, options=RunOptions(keep_columns=kept, **options))

    def require_libraries(self) -> None:
        """That what stores a run and sums it up is installed: to be asked before a model is loaded.

        Raises:
            ModuleNotFoundError: it is not.
        """
        import pyarrow  # noqa: F401
        import scipy  # noqa: F401

    def run(
        self, scorer: Scorer, folder: Path, *, report: Report, score: Score = evaluate
    ) -> tuple[Run, Mapping[str, Bucket]]:
        """Score it, or go on with it, and sort its rows where the task does; the run, and the files by their names."""
        run = score(scorer, self.dataset, self.task, folder, options=self.options, report=report)
        sorting = self.task.sorting
        return run, {} if sorting is None else split_run(run, sorting.rule, by=sorting.by, dataset=self.dataset)
