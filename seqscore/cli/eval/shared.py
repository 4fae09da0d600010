"""What the tasks' commands have alike: their options, and the way from them to a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seqscore.cli import options, reading

if TYPE_CHECKING:
    from seqscore.evaluate.data.dataset import Dataset
    from seqscore.evaluate.data.fields import Fields, TaskName
    from seqscore.evaluate.data.kept_columns import KeepColumns
    from seqscore.evaluate.run.run_folder import Run
    from seqscore.evaluate.run.run_options import RunOptions
    from seqscore.evaluate.tasks.base import Task
    from seqscore.scorer import Scorer

_DATA, _RUN, _STATISTICS = "Data", "Run", "Statistics"


def _shared(
    data: Annotated[list[str], typer.Argument(help="Files, a folder, a dataset on the hub, or - for standard input.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run.", rich_help_panel=_RUN)] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            help="ROLE=COLUMN (or A,B or A.B), where the guess is wrong; may be repeated.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    id_column: reading.IdColumn = None,
    split: reading.Split = None,
    config: reading.Config = None,
    data_revision: reading.DataRevision = None,
    whole_file: reading.WholeFile = False,
    limit: reading.Limit = None,
    read_as: reading.ReadAs = None,
    encoding: reading.Encoding = "utf-8",
    field_separator: reading.FieldSeparator = None,
    quoting: reading.Quoting = "auto",
    empty_cells: reading.EmptyCells = "error",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.", rich_help_panel=_RUN)
    ] = False,
    keep: Annotated[
        Literal["scores", "tokens", "all"],
        typer.Option(help="Store sums alone, tokens too, or ranks and entropies too.", rich_help_panel=_RUN),
    ] = "tokens",
    keep_columns: Annotated[
        list[str] | None,
        typer.Option(
            help="The data's columns to store with a row: all (that are not scored), none or names with commas.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    part_rows: Annotated[int, typer.Option(min=1, help="Rows between two savings.", rich_help_panel=_RUN)] = 500,
    output_format: Annotated[
        Literal["table", "json"], typer.Option("--format", help="Of the summary.", rich_help_panel=_RUN)
    ] = "table",
    ray: Annotated[
        str | None,
        typer.Option(help="Score on a Ray cluster: its address, or local to start one here.", rich_help_panel=_RUN),
    ] = None,
    ray_workers: Annotated[
        int, typer.Option(min=1, help="Scorers on the cluster, one a process.", rich_help_panel=_RUN)
    ] = 1,
    level: Annotated[float, typer.Option(help="Of the confidence intervals.", rich_help_panel=_STATISTICS)] = 0.95,
    resamples: Annotated[int, typer.Option(help="Of a bootstrap.", rich_help_panel=_STATISTICS)] = 1000,
    seed: Annotated[int, typer.Option(help="Of a bootstrap.", rich_help_panel=_STATISTICS)] = 0,
    model: options.Model = "default",
    revision: options.Revision = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    engine: options.Engine = "auto",
    batch_tokens: options.BatchTokens = None,
    threads: options.Threads = None,
    max_length: options.MaxLength = None,
    allow_pickle: options.AllowPickle = False,
    trust_remote_code: options.TrustRemoteCode = False,
    bos: options.Bos = "auto",
    long: options.Long = "windows",
    boundary: options.Boundary = "auto",
    special_tokens: options.SpecialTokens = "literal",
    debug: options.Debug = False,
) -> None:
    """The options that every task has."""


def with_shared_options(command: Callable[..., int]) -> Callable[..., int]:
    """The command with the options of ``_shared`` besides its own; it gets them as its first argument."""
    shared = inspect.signature(_shared, eval_str=True).parameters
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    asked = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*shared.values(), *own)]

    def run(**values: Any) -> int:
        mine = {one.name: values.pop(one.name) for one in own}
        return command(SimpleNamespace(**values), **mine)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(asked, return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in asked}
    return run


MakeTask = Callable[["Fields", "Scorer"], "Task"]


def evaluate_task(
    shared: SimpleNamespace,
    task_name: TaskName,
    make: MakeTask,
    *,
    fields: Mapping[str, str | None] | None = None,
    policies: Mapping[str, str] | None = None,
    check: Callable[[Dataset], None] = lambda dataset: None,
    after: Callable[[Run, Dataset], None] | None = None,
) -> int:
    """Open the data and the model, run the task and show its summary.

    ``fields``: columns that options of the task name. ``policies``: of the scorer, instead of the options'.
    ``check``: of the data, before the model is loaded.
    """
    from seqscore.cli.session import open_scorer, say
    from seqscore.errors import OptionError
    from seqscore.evaluate.data.fields import guess_fields
    from seqscore.evaluate.data.kept_columns import check_kept, keep_columns

    if shared.out is None and not shared.dry_run:
        raise OptionError("no --out given; name a folder for the run (or --dry-run)")
    dataset = _dataset(shared, keeps_streams=task_name == "filter" and not shared.dry_run)
    check(dataset)
    found = guess_fields(task_name, dataset.columns, _named_fields(shared.field or [], fields or {}))
    say(f"{task_name}: {found.describe()}")
    names = "model revision device dtype engine batch_tokens threads max_length allow_pickle trust_remote_code".split()
    settings = {name: getattr(shared, name) for name in names}
    scorer = open_scorer(**settings)
    task = make(found, scorer)
    # The rows themselves are what a filter gives: they need not be stored a second time.
    kept = keep_columns(shared.keep_columns or (["none"] if task_name == "filter" else ["all"]))
    check_kept(kept, dataset.columns)
    run_options = _run_options(shared, kept, policies)
    if shared.dry_run:
        return _dry_run(scorer, dataset, task, run_options)
    return _run(shared, settings, scorer, dataset, task, run_options, after)


def _dataset(shared: SimpleNamespace, *, keeps_streams: bool) -> Dataset:
    from seqscore.evaluate.data.dataset import open_dataset
    from seqscore.evaluate.run.kept_input import keep_streams

    data_options = reading.data_options(vars(shared))
    sources = keep_streams(shared.data, shared.out, data_options) if keeps_streams else shared.data
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


def _run_options(shared: SimpleNamespace, kept: KeepColumns, policies: Mapping[str, str] | None) -> RunOptions:
    from seqscore.evaluate.run.run_options import RunOptions

    usual = {name: getattr(shared, name) for name in ("bos", "long", "boundary", "special_tokens")}
    return RunOptions(
        policies={**usual, **(policies or {})},  # type: ignore[typeddict-item]  # checked by the scorer
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


def _run(
    shared: SimpleNamespace,
    settings: Mapping[str, Any],
    scorer: Scorer,
    dataset: Dataset,
    task: Task,
    run_options: RunOptions,
    after: Callable[[Run, Dataset], None] | None,
) -> int:
    from seqscore.cli.eval.progress import run_progress
    from seqscore.cli.session import say
    from seqscore.evaluate.run.evaluation import evaluate
    from seqscore.output.evaluations import print_summary, write_summary_json
    from seqscore.output.run_notes import reason_lines

    with run_progress(dataset.num_rows) as report:
        if shared.ray is None:
            run = evaluate(scorer, dataset, task, shared.out, options=run_options, report=report)
        else:
            from seqscore.integrations.ray import evaluate_on_ray

            run = evaluate_on_ray(
                scorer,
                dataset,
                task,
                shared.out,
                options=run_options,
                report=report,
                address=shared.ray,
                workers=shared.ray_workers,
                load=settings,
            )
    summary = run.summary or {}
    if after is not None:
        after(run, dataset)
    (print_summary if shared.output_format == "table" else write_summary_json)(summary)
    failed = summary["rows"] - summary["scored"]
    if failed:
        say(f"{failed:,} of {summary['rows']:,} rows could not be scored; {shared.out} holds their errors:")
        for line in reason_lines(summary["error_reasons"], failed, most=3):
            say(f"  {line}")
    return 1 if failed else 0
