"""What ``seqscore`` offers from the top beside the scorer: evaluate a dataset, look at a run, compare two."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from seqscore.errors import InputError, OptionError, SeqscoreError
from seqscore.extras import naming_extras
from seqscore.policies import Policies, whole_number

if TYPE_CHECKING:
    import pandas as pd

    from seqscore.evaluation.data.dataset import Dataset
    from seqscore.evaluation.read.compare import Comparison
    from seqscore.evaluation.read.views import RowView
    from seqscore.evaluation.read.word_cells import WordChartOptions
    from seqscore.evaluation.run.figures import FigureRow
    from seqscore.evaluation.run.progress import Progress
    from seqscore.evaluation.run.run_folder import Run as StoredRun
    from seqscore.scorer import Scorer

Data: TypeAlias = "str | os.PathLike[str] | Iterable[Any] | object"
"""A path or a name on the hub, several of them, a table (pandas, polars, Arrow), a ``Dataset`` of the datasets
library, or an iterable of mappings from column to value."""


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run of a task over a dataset, read from its folder.

    Args:
        path: the folder. ``Run("runs/pairs")`` opens one that an earlier program made.

    Raises:
        InputError: there is no run in the folder, it is not complete, or a file of it is damaged.

    Example:
        >>> from seqscore import Scorer, evaluate
        >>> pairs = [{"good": "It rained.", "bad": "It rained rained."}]
        >>> run = evaluate(Scorer.from_pretrained(), "pairs", pairs)
        >>> run.figures["accuracy"].value
        1.0
    """

    path: Path
    _temporary: TemporaryDirectory[str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if self._stored.summary is None:
            raise InputError(f"the run in {str(self.path)!r} is not complete; evaluate again, which goes on with it")

    @cached_property
    def _stored(self) -> StoredRun:
        from seqscore.evaluation.run.run_folder import read_run

        with naming_extras():
            return read_run(self.path)

    @property
    def summary(self) -> Mapping[str, Any]:
        """What ``summary.json`` holds: counts, errors and figures, as JSON has them."""
        return self._stored.summary or {}

    @property
    def signature(self) -> str:
        """All that the numbers depend on, in one line."""
        from seqscore.evaluation.run.summary import run_signature

        return str(run_signature(self._stored))

    @property
    def figures(self) -> Mapping[str, FigureRow]:
        """The figures over all rows by their names; each has ``value``, ``unit``, ``count`` and ``interval``."""
        return {one.name: one for one in self._figures() if one.group is None and one.use == "figure"}

    def by_group(self, name: str) -> Mapping[str, FigureRow]:
        """A figure of every group of rows; empty where the task or the data have none."""
        return {one.group: one for one in self._figures() if one.name == name and one.group is not None}

    def _figures(self) -> Iterator[FigureRow]:
        from seqscore.evaluation.run.figures import FigureRow

        return map(FigureRow.stored, self.summary["figures"])

    def rows(self) -> Iterator[RowView]:
        """The rows in order, each with its items, their tokens and its own value of every figure.

        Raises:
            InputError: a part of the run is damaged.
        """
        from seqscore.evaluation.read.views import view_run

        yield from view_run(self._stored)  # a generator of this object: it keeps a temporary folder while it runs

    def to_pandas(self, *, per: Literal["item", "text", "region"] = "text") -> pd.DataFrame:
        """A table with a row for each text that was scored (nats), beside the columns of the data; or ``per`` item of
        the data, its texts side by side, or per region of a test suite (both in bits where the task is about these).

        Raises:
            MissingDependencyError: pandas is not installed.
            InputError: a part of the run is damaged.
            OptionError: the run has no regions.
        """
        with naming_extras():
            import pandas as pd

        from seqscore.evaluation.read.export import export_fields, exported, usual_layout
        from seqscore.output.naming import Names

        layout, unit = usual_layout(self._stored, per)
        names = Names(export_fields(self._stored, per=layout), lambda message: None)
        found = exported(self._stored, per=layout, unit=unit)
        records = [{**record.fields, **names.of(record.columns)} for record in found]
        return pd.DataFrame(records)

    def report(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write a page of the run; ``options``: see ``seqscore.report``."""
        return report(self, path, **options)

    def plot(self, folder: str | os.PathLike[str], **options: Any) -> list[Path]:
        """Draw the run's figures; ``options``: see ``seqscore.plot``."""
        return plot(self, folder, **options)


def evaluate(
    scorer: Scorer,
    task: str,
    data: Data,
    out: str | os.PathLike[str] | None = None,
    *,
    fields: Mapping[str, str] | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Run:
    """Score a dataset and sum it up: figures with intervals, and every row with its tokens.

    A call that was stopped goes on when it is made again with the same ``out``, and gives the same bytes.

    Args:
        scorer: see ``Scorer.from_pretrained``.
        task: "perplexity", "pairs", "choices", "nbest", "filter", ...: see ``seqscore/evaluation/README.md``.
        data: a path or a name on the hub, several of them, a DataFrame of pandas or polars, an Arrow table, a
            ``Dataset`` of the datasets library, or an iterable of mappings from column to value.
        out: the folder of the run; None: a temporary one that is deleted with the ``Run``.
        fields: role -> column, where the names of the columns do not say what they hold.
        progress: is called after every row with how far the run is.
        options: what ``seqscore eval`` has: of the task (``delimiter``, ``lm_weight``, ...), of the scorer
            (``bos``, ``long``, ``boundary``, ``special_tokens``), of the data (``limit``, ``id_column``, ``split``,
            ...) and of the run (``keep``, ``keep_columns``, ``part_rows``, ``level``, ``resamples``, ``seed``).

    Returns:
        The finished run. Rows that could not be scored are in it with their errors: ``run.summary["errors"]``.

    Raises:
        OptionError: there is no such task or option, or ``out`` is a run of something else.
        InputError: the data cannot be read, or are not those that the run was begun with.
        MissingDependencyError: ``pip install 'seqscore[eval]'`` is needed.

    Example:
        >>> from seqscore import Scorer, evaluate
        >>> rows = [{"text": "It rained."}, {"text": "The keys are on the table."}]
        >>> run = evaluate(Scorer.from_pretrained(), "perplexity", rows, bos="none")
        >>> round(run.figures["perplexity"].value, 1)
        273.9
        >>> [round(row.values["bits_per_byte"], 2) for row in run.rows()]
        [3.86, 1.83]
    """
    with naming_extras():
        from seqscore.evaluation.job import Job

        check_scorer(scorer)
        _check_fields(fields)
        chosen = _Options.of(task, options)
        dataset = dataset_of(data, chosen.data)
        _check_files(task, dataset)
        others = {name: value for name, value in chosen.run.items() if name != "keep_columns"}
        job = Job.of(
            task,
            dataset,
            fields=fields,
            settings=chosen.task,
            columns=_columns(chosen.run),
            policies=chosen.policies,
            **others,
        )
        temporary = TemporaryDirectory(prefix="seqscore-") if out is None else None
        folder = Path(temporary.name if temporary is not None else os.fspath(out or ""))
        job.run(scorer, folder, report=progress if progress is not None else lambda told: None)
        return Run(folder, temporary)


def check_scorer(scorer: object) -> None:
    """Refuse what is no scorer.

    Raises:
        OptionError: it is none.
    """
    if not hasattr(scorer, "stream_chunks"):
        name = repr(scorer) if isinstance(scorer, str) else "..."
        raise OptionError(
            f"scorer={scorer!r:.60} is no Scorer; expected one, for instance Scorer.from_pretrained({name})"
        )


def _check_fields(given: object) -> None:
    if given is None:
        return
    if not isinstance(given, Mapping) or not all(isinstance(one, str) for pair in given.items() for one in pair):
        raise OptionError(
            f"fields={given!r:.60} must name the column of what it holds, for instance fields={{'text': 'COLUMN'}}"
        )


@dataclass(frozen=True, slots=True)
class _Options:
    """Keywords of ``evaluate`` by what they belong to."""

    task: Mapping[str, Any]
    policies: Mapping[str, Any]
    data: Mapping[str, Any]
    run: Mapping[str, Any]

    @classmethod
    def of(cls, task: str, given: Mapping[str, Any]) -> _Options:
        from seqscore.evaluation.data.data_options import DataOptions
        from seqscore.evaluation.run.run_options import RunOptions
        from seqscore.evaluation.tasks.registry import options_of, task_class

        known = {
            "task": list(options_of(task_class(task))),
            "policies": [one.name for one in fields(Policies) if one.name not in ("extras", "top_k")],
            "data": [one.name for one in fields(DataOptions)],
            "run": [one.name for one in fields(RunOptions) if one.name != "policies"],
        }
        for name, value in given.items():
            if not any(name in names for names in known.values()):
                _refuse_column_option(task, name, value)
                own, *shared = (", ".join(names) or "none" for names in known.values())
                raise OptionError(
                    f"there is no option {name!r}: those of task {task!r} are {own}; of all tasks: {', '.join(shared)}"
                )
        return cls(**{kind: {name: given[name] for name in names if name in given} for kind, names in known.items()})


def _refuse_column_option(task: str, name: str, value: object) -> None:
    """What the command line calls a column by (``--with rating``) is one of ``fields`` here."""
    from seqscore.evaluation.tasks.registry import task_class

    for role, one in task_class(task).column_options.items():
        if one.flag == f"--{name.rstrip('_').replace('_', '-')}":
            raise OptionError(
                f'there is no option {name!r}: columns are named by fields={{"{role}": {_quoted(value)}}}'
            )


def _quoted(column: object) -> str:
    return f'"{column}"' if isinstance(column, str) else '"COLUMN"'


def dataset_of(data: Data, options: Mapping[str, Any]) -> Dataset:
    """Data of any kind, opened; ``options``: those of ``DataOptions``.

    Raises:
        InputError: they cannot be read, or are no data.
        OptionError: an option does not fit them.
    """
    from seqscore.evaluation.data.data_options import DataOptions
    from seqscore.evaluation.data.dataset import open_dataset
    from seqscore.evaluation.data.in_memory import ROWS_LIKE, dataset_in_memory

    reading = DataOptions(**options)
    if isinstance(data, str | os.PathLike):
        return open_dataset([os.fspath(data)], options=reading)
    if isinstance(data, Sequence) and data and all(isinstance(one, str | os.PathLike) for one in data):
        try:
            return open_dataset([os.fspath(one) for one in data], options=reading)
        except SeqscoreError as error:
            if any(map(os.path.exists, data)):
                raise
            raise InputError(f"{error.message}; a list of texts names files: rows are mappings, {ROWS_LIKE}") from error
    return dataset_in_memory(data, options=reading)


def _check_files(task: str, dataset: Dataset) -> None:
    from seqscore.evaluation.data.in_memory import MemoryRecords
    from seqscore.evaluation.tasks.registry import task_class

    if task_class(task).sorts_rows and any(isinstance(part, MemoryRecords) for part in dataset.parts):
        raise InputError(
            f"task {task!r} sorts the rows of files into files, and these are in memory; write them to a file, or take "
            f"task 'perplexity' and sort them by the values of run.rows()"
        )


def _columns(options: Mapping[str, Any]) -> Sequence[str] | None:
    if "keep_columns" not in options:
        return None
    given = options["keep_columns"]
    columns = [given] if isinstance(given, str) else given
    if not isinstance(columns, Sequence) or not all(isinstance(one, str) for one in columns):
        raise OptionError(f"keep_columns={given!r:.60} is unknown; expected 'all', 'none', or a list of columns")
    return columns


def compare(
    a: Run | str | os.PathLike[str],
    b: Run | str | os.PathLike[str],
    *,
    level: float = 0.95,
    resamples: int = 1999,
    seed: int = 0,
    largest: int = 10,
) -> Comparison:
    """Whether the difference b - a of two runs over the same data is more than chance. Nothing is scored again.

    Args:
        a, b: runs, or their folders.
        level: of the confidence intervals, between 0 and 1.
        resamples: of the paired bootstrap and of the approximate randomisation.
        seed: of both.
        largest: how many of the rows that differ most are given.

    Returns:
        For every figure that both have: its two values, the difference with its interval, p-values, and for
        accuracies the exact McNemar test.

    Raises:
        OptionError: the runs are of different tasks or data.
        InputError: a run cannot be read, or no row was scored in both.

    Example:
        >>> from seqscore import Scorer, compare, evaluate
        >>> scorer, pairs = Scorer.from_pretrained(), [{"good": "It rained.", "bad": "It rained rained."}]
        >>> auto, none = (evaluate(scorer, "pairs", pairs, bos=bos) for bos in ("auto", "none"))
        >>> [(one.name, one.a, one.b) for one in compare(auto, none).measures][:2]
        [('accuracy', 1.0, 1.0), ('ties', 0.0, 0.0)]
    """
    with naming_extras():
        from seqscore.evaluation.read.compare import compare_runs

        largest = whole_number("largest", largest, least=0)
        return compare_runs(_folder(a), _folder(b), level=level, resamples=resamples, seed=seed, largest=largest)


def report(
    run: Run | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    other: Run | str | os.PathLike[str] | None = None,
    title: str | None = None,
    rows: int = 20_000,
) -> Path:
    """Write one self-contained page of a run, or of two: summary, figures, and every item with its tokens.

    Args:
        run: a run, or its folder.
        path: of the HTML file.
        other: a second run over the same data, to be compared with the first.
        title: heading of the page.
        rows: at most so many rows can be opened on the page.

    Returns:
        The path of the page.

    Raises:
        InputError: a run cannot be read or is not complete.
        OptionError: the runs cannot be compared, or the page cannot be written.
        MissingDependencyError: ``pip install 'seqscore[report]'`` is needed.

    Example:
        >>> from seqscore import Scorer, evaluate, report
        >>> run = evaluate(Scorer.from_pretrained(), "perplexity", [{"text": "It rained."}])
        >>> report(run, "report.html").name
        'report.html'
    """
    with naming_extras():
        from seqscore.evaluation.read.reports import report_of_runs
        from seqscore.output.report.page import write_report

        folders = (_folder(run),) if other is None else (_folder(run), _folder(other))
        write_report(report_of_runs(folders, limit=whole_number("rows", rows, least=0)), Path(path), title=title)
        return Path(path)


def plot(
    source: Run | str | os.PathLike[str] | Data,
    folder: str | os.PathLike[str],
    *,
    other: Run | str | os.PathLike[str] | None = None,
    items: Sequence[str] = (),
    picture: Literal["png", "svg", "both"] = "both",
    **words: Any,
) -> list[Path]:
    """Draw what there is of a run or a file of scores (perplexities, groups, margins, calibration, token frequencies),
    or the means of words' surprisals by condition and place.

    Args:
        source: a run, its folder, a file that ``seqscore score -o`` or ``seqscore words -o`` wrote, or words in memory:
            what ``seqscore.words`` gives, a data frame of that, rows.
        folder: for the pictures; or a file that ends in .png or .svg, for one.
        other: a second run over the same data, for a scatter of the two.
        items: ids of rows whose tokens are drawn too.
        picture: kind of the files in a folder.
        words: of a picture by word or region: ``by``, ``facet``, ``at``, ``value``, ``interval``, ``level``, see
            ``WordChartOptions``.

    Returns:
        The paths of the pictures.

    Raises:
        InputError: the source cannot be read, or holds nothing that can be drawn.
        OptionError: the two are not runs over the same data, or a picture cannot be written, or has no such option.
        MissingDependencyError: ``pip install 'seqscore[plot]'`` is needed.

    Example:
        >>> from seqscore import Scorer, plot, words
        >>> texts = [{"text": "It rained.", "tense": "past"}, {"text": "It rains.", "tense": "present"}]
        >>> found = words(Scorer.from_pretrained(), texts).to_pandas()
        >>> [path.name for path in plot(found, "figures/rain.png", by="tense")]
        ['rain.png']
    """
    with naming_extras():
        from seqscore.evaluation.read.drawable import charts_of, charts_of_words, rows_named
        from seqscore.output.plots.saving import picture_folder, run_figures, save_figures, text_figures

        shown = _word_options(words)
        if isinstance(source, Run | str | os.PathLike):
            first, second = _folder(source), None if other is None else _folder(other)
            charts, rows = charts_of(first, second, words=shown), rows_named(first, items)
        elif other is not None or items:
            raise OptionError("rows in memory have words only: neither other= nor items= goes with them")
        else:
            first = second = Path("words")
            charts, rows = charts_of_words(_rows_in_memory(source), shown), []
        picture_folder(Path(folder))
        drawn = (run_figures(charts, (str(first), str(second))), *map(text_figures, rows))
        return save_figures(chain.from_iterable(drawn), Path(folder), picture)


def _word_options(given: Mapping[str, Any]) -> WordChartOptions | None:
    """What a picture by word shows, where that is said."""
    from seqscore.evaluation.read.word_cells import WordChartOptions

    known = [one.name for one in fields(WordChartOptions)]
    for name in given:
        if name not in known:
            raise OptionError(f"there is no option {name!r}: there are other, items, picture, {', '.join(known)}")
    return WordChartOptions(**given) if given else None


def _rows_in_memory(data: Data) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows of words with their places; what a frame holds for nothing is None."""
    from seqscore.evaluation.data.problem import Problem

    for row in dataset_of(data, {}).rows():
        if isinstance(row, Problem):
            raise row.error
        yield row.where, row.values


def _folder(run: Run | str | os.PathLike[str]) -> Path:
    return run.path if isinstance(run, Run) else Path(run)
