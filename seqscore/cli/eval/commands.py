"""A command for every task, made from what the task says of itself, and the way from it to a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqscore.cli.eval.shared import SharedOptions, with_shared_options
from seqscore.evaluation.tasks.registry import options_of, task_class

if TYPE_CHECKING:
    from seqscore.evaluation.data.dataset import Dataset
    from seqscore.evaluation.job import Job
    from seqscore.evaluation.run.run_folder import Run
    from seqscore.evaluation.tasks.base import Option, Task
    from seqscore.scorer import Scorer

_MAX_FILE_BYTES = 16 * 2**20  # of a text that an option names the file of


def task_command(name: str) -> Callable[..., int]:
    """The command of a task: its columns and settings as options, beside those of all tasks."""
    kind = task_class(name)

    def command(shared: SharedOptions, own: SimpleNamespace) -> int:
        return _evaluate(name, shared, vars(own))

    return with_shared_options(command, list(_own_options(kind)), name=name, help=kind.about)


def _own_options(kind: type[Task]) -> Iterator[inspect.Parameter]:
    for role, said in kind.column_options.items():
        yield _parameter(_COLUMN + role, str | None, None, said)
    for name, setting in options_of(kind).items():
        if setting.option.reads_file:
            yield _parameter(name, Path | None, None, setting.option)
        else:
            yield _parameter(name, setting.type, setting.default, setting.option)


_COLUMN = "column_of_"


def _parameter(name: str, type_: Any, default: Any, said: Option) -> inspect.Parameter:
    flags = () if said.flag is None else (said.flag,)
    asked = typer.Option(*flags, help=said.help, rich_help_panel="Task")
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[type_, asked])


def _evaluate(name: str, shared: SharedOptions, own: Mapping[str, Any]) -> int:
    """Open the data and the model, run the task and show its summary."""
    from seqscore.cli.session import say
    from seqscore.evaluation.job import Job

    if not shared.dry_run:
        shared.folder()
    dataset = _dataset(shared, keeps_streams=task_class(name).sorts_rows and not shared.dry_run)
    job = Job.of(
        name,
        dataset,
        fields=_fields(name, shared, own),
        settings=_settings(name, shared, own),
        columns=shared.keep_columns or None,
        policies=shared.policies(),
        keep=shared.keep,
        part_rows=shared.part_rows,
        level=shared.level,
        resamples=shared.resamples,
        seed=shared.seed,
    )
    say(f"{name}: {job.task.fields.describe()}")
    if not shared.dry_run:
        job.require_libraries()
    scorer = shared.open_scorer()
    return _dry_run(scorer, job) if shared.dry_run else _show(_scored(shared, scorer, job), shared)


def _fields(name: str, shared: SharedOptions, own: Mapping[str, Any]) -> dict[str, str]:
    named = {role: own[_COLUMN + role] for role in task_class(name).column_options}
    return named_fields(shared.field or [], named)


def _settings(name: str, shared: SharedOptions, own: Mapping[str, Any]) -> dict[str, Any]:
    settings = {}
    for option, setting in options_of(task_class(name)).items():
        if not setting.option.reads_file:
            settings[option] = own[option]
        elif own[option] is not None:
            settings[option] = _text_of(own[option], shared.encoding)
    return settings


def _text_of(path: Path, encoding: str) -> str:
    from seqscore.evaluation.data.charsets import known_encoding
    from seqscore.evaluation.data.lines import read_whole
    from seqscore.evaluation.data.streams import open_bytes

    with open_bytes(str(path)) as stream:
        return read_whole(stream, repr(str(path)), limit=_MAX_FILE_BYTES, encoding=known_encoding(encoding))


def _dataset(shared: SharedOptions, *, keeps_streams: bool) -> Dataset:
    from seqscore.evaluation.data.dataset import open_dataset
    from seqscore.evaluation.run.kept_input import keep_streams

    data_options = shared.data_options()
    sources = keep_streams(shared.data, shared.folder(), data_options) if keeps_streams else shared.data
    return open_dataset(sources, options=data_options)


def named_fields(given: list[str], more: Mapping[str, str | None]) -> dict[str, str]:
    """Role -> column, as ``--field`` and the options ``more`` name them.

    Raises:
        OptionError: one is not ``ROLE=COLUMN``, or a role is named twice.
    """
    from seqscore.errors import OptionError

    named = {role: column for role, column in more.items() if column is not None}
    for one in given:
        role, equals, column = one.partition("=")
        if not (role and equals and column):
            raise OptionError(f"--field {one!r} must be ROLE=COLUMN, for instance text=sentence")
        if named.get(role, column) != column:
            raise OptionError(f"the field {role!r} is named twice: {named[role]!r} and {column!r}")
        named[role] = column
    return named


def _dry_run(scorer: Scorer, job: Job) -> int:
    from seqscore.evaluation.run.run_task import dry_run
    from seqscore.output.evaluations import print_dry_run

    print_dry_run(dry_run(scorer, job.dataset, job.task, options=job.options))
    return 0


def _scored(shared: SharedOptions, scorer: Scorer, job: Job) -> Run:
    """The run, scored here or on a cluster, its progress and its files told."""
    from seqscore.cli.eval.progress import run_progress
    from seqscore.cli.session import say

    with run_progress(job.dataset.num_rows, scorer) as report:
        if shared.ray is None:
            run, buckets = job.run(scorer, shared.folder(), report=report)
        else:
            from seqscore.integrations.ray import evaluate_on_ray

            on_ray = partial(evaluate_on_ray, address=shared.ray, workers=shared.ray_workers, load=shared.settings())
            run, buckets = job.run(scorer, shared.folder(), report=report, score=on_ray)
    if buckets:
        say("; ".join(f"{bucket.path}: {bucket.num_rows:,} rows" for bucket in buckets.values()))
    return run


def _show(run: Run, shared: SharedOptions) -> int:
    """The summary, the errors of rows, and the exit status."""
    from seqscore.cli.session import say
    from seqscore.output.evaluations import print_summary, write_summary_json
    from seqscore.output.run_notes import reason_lines

    summary = run.summary or {}
    (print_summary if shared.output_format == "table" else write_summary_json)(summary)
    failed = summary["rows"] - summary["scored"]
    if failed:
        say(f"{failed:,} of {summary['rows']:,} rows could not be scored; {shared.out} holds their errors:")
        for line in reason_lines(summary["error_reasons"], failed, most=3):
            say(f"  {line}")
    return 1 if failed else 0
