"""A command for every task, made from what the task says of itself, and the way from it to a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqscore.cli.eval.shared import SharedOptions, with_shared_options
from seqscore.evaluate.tasks.registry import make_task, options_of, task_class

if TYPE_CHECKING:
    from seqscore.evaluate.data.dataset import Dataset
    from seqscore.evaluate.data.kept_columns import KeepColumns
    from seqscore.evaluate.run.run_folder import Run
    from seqscore.evaluate.run.run_options import RunOptions
    from seqscore.evaluate.tasks.base import Option, Task
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
    from seqscore.evaluate.data.kept_columns import check_kept, keep_columns
    from seqscore.evaluate.filter.buckets import check_sortable

    sorts_rows = task_class(name).sorts_rows
    if not shared.dry_run:
        shared.folder()
    dataset = _dataset(shared, keeps_streams=sorts_rows and not shared.dry_run)
    if sorts_rows:
        check_sortable(dataset)
    task = _task(name, shared, own, dataset)
    say(f"{name}: {task.fields.describe()}")
    scorer = shared.open_scorer()
    # Rows that go to files of their own need not be stored a second time.
    kept = keep_columns(shared.keep_columns or (["none"] if sorts_rows else ["all"]))
    check_kept(kept, dataset.columns)
    run_options = _run_options(shared, kept)
    if shared.dry_run:
        return _dry_run(scorer, dataset, task, run_options)
    run = _scored(shared, scorer, dataset, task, run_options)
    _sort_rows(run, task, dataset)
    return _show(run, shared)


def _task(name: str, shared: SharedOptions, own: Mapping[str, Any], dataset: Dataset) -> Task:
    kind = task_class(name)
    named = {role: own[_COLUMN + role] for role in kind.column_options}
    options = {}
    for option, setting in options_of(kind).items():
        if not setting.option.reads_file:
            options[option] = own[option]
        elif own[option] is not None:
            options[option] = _text_of(own[option], shared.encoding)
    return make_task(name, dataset.columns, fields=_named_fields(shared.field or [], named), **options)


def _text_of(path: Path, encoding: str) -> str:
    from seqscore.evaluate.data.encoding import known_encoding
    from seqscore.evaluate.data.lines import read_whole
    from seqscore.evaluate.data.streams import open_bytes

    with open_bytes(str(path)) as stream:
        return read_whole(stream, repr(str(path)), limit=_MAX_FILE_BYTES, encoding=known_encoding(encoding))


def _dataset(shared: SharedOptions, *, keeps_streams: bool) -> Dataset:
    from seqscore.evaluate.data.dataset import open_dataset
    from seqscore.evaluate.run.kept_input import keep_streams

    data_options = shared.data_options()
    sources = keep_streams(shared.data, shared.folder(), data_options) if keeps_streams else shared.data
    return open_dataset(sources, options=data_options)


def _named_fields(given: list[str], more: Mapping[str, str | None]) -> dict[str, str]:
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


def _run_options(shared: SharedOptions, kept: KeepColumns) -> RunOptions:
    from seqscore.evaluate.run.run_options import RunOptions

    return RunOptions(
        policies=shared.policies(),
        keep=shared.keep,
        keep_columns=kept,
        part_rows=shared.part_rows,
        level=shared.level,
        resamples=shared.resamples,
        seed=shared.seed,
    )


def _dry_run(scorer: Scorer, dataset: Dataset, task: Task, run_options: RunOptions) -> int:
    from seqscore.evaluate.run.evaluation import dry_run
    from seqscore.output.evaluations import print_dry_run

    print_dry_run(dry_run(scorer, dataset, task, options=run_options))
    return 0


def _scored(
    shared: SharedOptions,
    scorer: Scorer,
    dataset: Dataset,
    task: Task,
    run_options: RunOptions,
) -> Run:
    """The run, scored here or on a cluster, its progress told."""
    from seqscore.cli.eval.progress import run_progress
    from seqscore.evaluate.run.evaluation import evaluate

    with run_progress(dataset.num_rows) as report:
        if shared.ray is None:
            return evaluate(scorer, dataset, task, shared.folder(), options=run_options, report=report)
        from seqscore.integrations.ray import evaluate_on_ray

        return evaluate_on_ray(
            scorer,
            dataset,
            task,
            shared.folder(),
            options=run_options,
            report=report,
            address=shared.ray,
            workers=shared.ray_workers,
            load=shared.settings(),
        )


def _sort_rows(run: Run, task: Task, dataset: Dataset) -> None:
    from seqscore.cli.session import say
    from seqscore.evaluate.filter.buckets import split_run

    if task.sorting is not None:
        found = split_run(run, task.sorting.rule, by=task.sorting.by, dataset=dataset)
        say("; ".join(f"{bucket.path}: {bucket.num_rows:,} rows" for bucket in found.values()))


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
