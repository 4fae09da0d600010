"""Two runs over the same rows, measure by measure, from what they stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.read.axis_limits import drawable
from seqscore.evaluation.read.measures import measures_of_run, task_of_run
from seqscore.evaluation.run.figures import Measured, exact_figure, row_values
from seqscore.evaluation.run.run_folder import Run, read_run
from seqscore.evaluation.run.stored_rows import stored_rows
from seqscore.scores.statistics.intervals import check_resampling
from seqscore.scores.statistics.paired import (
    Difference,
    McNemar,
    PairedBootstrap,
    Randomisation,
    approximate_randomisation,
    largest_differences,
    mcnemar_exact,
    paired_bootstrap,
)

IntArray: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMeasure:
    """One measure of two runs over the rows that both have. ``mcnemar`` is there for accuracies."""

    name: str
    unit: str
    better: str
    a: float | None
    b: float | None
    bootstrap: PairedBootstrap
    randomisation: Randomisation
    mcnemar: McNemar | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs. ``only_a``, ``only_b``: rows that only one of them scored, and which are left out. ``differs``: what
    the runs' fingerprints have apart from each other. ``largest``: the rows that differ most in ``by``; none, and no
    name, where no measure has a value of a single row."""

    a: str
    b: str
    task: str
    num_rows: int
    only_a: int
    only_b: int
    differs: tuple[str, ...]
    measures: tuple[ComparedMeasure, ...]
    by: str
    largest: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare_runs(
    a: Path, b: Path, *, level: float = 0.95, resamples: int = 1999, seed: int = 0, largest: int = 10
) -> Comparison:
    """Paired bootstrap, approximate randomisation and, for accuracies, the exact McNemar test, of every measure.

    Nothing is scored again. Rows are matched by id; those of one id in their order.

    Raises:
        OptionError: the runs are of different tasks or data.
        InputError: a run cannot be read, is not complete, or no row was scored in both.
    """
    check_resampling(level=level, resamples=resamples, seed=seed)
    first, second = _complete(a), _complete(b)
    differs = _comparable(first, second)
    ones, twos = measures_of_run(first), measures_of_run(second)
    ids = _ids(first)
    partners = _partners(ids, _ids(second))
    compared, counts = [], (0, 0, 0)
    for name, one in ones.items():
        if name not in twos or one.measure.use != "figure":
            continue
        left, right, only = _matched(one, twos[name], partners)
        counts = max(counts, (len(left.numbers), *only))
        if len(left.numbers):
            compared.append(_measure(left, right, level, resamples, seed))
    if not compared:
        raise InputError(f"no row was scored in both {str(a)!r} and {str(b)!r}; are their ids the same?")
    found = _row_values(ones, twos, partners, ids)
    return Comparison(
        a=str(a),
        b=str(b),
        task=str(first.fingerprint["task"]["task"]),
        num_rows=counts[0],
        only_a=counts[1],
        only_b=counts[2],
        differs=tuple(differs),
        measures=tuple(compared),
        by="" if found is None else found.name,
        largest=() if found is None else largest_differences(found.a, found.b, found.ids, k=largest),
    )


def _complete(path: Path) -> Run:
    run = read_run(path)
    if run.summary is None:
        raise InputError(f"{str(path)!r} is not complete; run its eval again, which goes on where it was left")
    return run


_GIVEN = {
    "left": "those before it",
    "both": "all others of its text",
    "source": "those before it and what an encoder read",
}
"""What a scored token was given, as the signature's ``conditioning`` calls it."""


def _comparable(a: Run, b: Run) -> list[str]:
    from seqscore.evaluation.run.manifest import differences

    for name in ("task", *task_of_run(a).compared_by):
        one, two = (run.fingerprint["task"].get(name) for run in (a, b))
        if one != two:
            raise OptionError(f"the runs differ in their {name}: {one} and {two}; only the same can be compared")
    one, two = (run.fingerprint["model"].get("conditioning", "left") for run in (a, b))
    if one != two:
        raise OptionError(
            f"in one run a token was given {_GIVEN.get(one, one)}, in the other {_GIVEN.get(two, two)}: their numbers "
            f"mean different things, and a difference nothing; look at the figures of each beside its own interval"
        )
    found = differences(a.fingerprint["data"], b.fingerprint["data"])
    if found:
        raise OptionError(f"the runs are of different data: {'; '.join(found)}; only the same rows can be compared")
    return differences(
        {name: a.fingerprint[name] for name in ("model", "task")},
        {name: b.fingerprint[name] for name in ("model", "task")},
    )


def _ids(run: Run) -> list[str]:
    """The id of every row, by its number."""
    return [row["id"] for row in stored_rows(run, ["id"])]


def _matched(a: Measured, b: Measured, partners: IntArray) -> tuple[Measured, Measured, tuple[int, int]]:
    """The rows that both have, in the order of the first; ``partners``: for a's row numbers those of b, or -1."""
    place_in_b = np.full(max(b.numbers.max(initial=-1), partners.max(initial=-1)) + 2, -1)
    place_in_b[b.numbers] = np.arange(len(b.numbers))
    right = place_in_b[partners[a.numbers]]  # the last place stands for -1: nowhere
    left = np.flatnonzero(right >= 0)
    only = (len(a.numbers) - len(left), len(b.numbers) - len(left))
    return _rows(a, left), _rows(b, right[left]), only


def _rows(found: Measured, places: IntArray) -> Measured:
    return Measured(found.measure, found.numbers[places], (), found.sums.taken(places))


def _measure(a: Measured, b: Measured, level: float, resamples: int, seed: int) -> ComparedMeasure:
    measure, figure = a.measure, a.measure.figure
    is_accuracy = measure.method == "wilson"
    return ComparedMeasure(
        name=measure.name,
        unit=measure.unit,
        better=measure.better,
        a=exact_figure(a.sums, measure),
        b=exact_figure(b.sums, measure),
        bootstrap=paired_bootstrap(a.sums, b.sums, figure, level=level, resamples=resamples, seed=seed),
        randomisation=approximate_randomisation(a.sums, b.sums, figure, resamples=resamples, seed=seed),
        mcnemar=mcnemar_exact(a.sums.columns[0] > 0, b.sums.columns[0] > 0) if is_accuracy else None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class PairedValues:
    """The rows' own values of one measure in two runs. Shape: ``a``, ``b`` [rows that count in both], float64."""

    name: str
    unit: str
    ids: Sequence[str]
    a: NDArray[np.float64]
    b: NDArray[np.float64]

    @property
    def drawable(self) -> NDArray[np.bool_]:
        """Which rows have a value in both runs that can stand on an axis."""
        return drawable(self.a, self.b)


def paired_values(a: Run, b: Run) -> PairedValues | None:
    """The rows that two runs scored, with their values of the measure that tells most of a row; None where no measure
    has a value of a single row.

    Raises:
        OptionError: the runs are of different tasks or data.
    """
    _comparable(a, b)
    ids = _ids(a)
    return _row_values(measures_of_run(a), measures_of_run(b), _partners(ids, _ids(b)), ids)


def with_scatter(charts: Mapping[str, Any], a: Run, b: Run) -> dict[str, Any]:
    """The charts of a run and the values of its rows beside those of another, where rows have values of their own.

    Raises:
        OptionError: the runs are of different tasks or data.
    """
    found = paired_values(a, b)
    return dict(charts) if found is None else {**charts, "scatter": found}


def _partners(ids: Sequence[str], others: Sequence[str]) -> IntArray:
    """For each row of the one run the number of the row of the same id in the other, or -1; of several rows of one id
    the first is that of the first, and so on."""
    places = {row: number for number, row in enumerate(_counted(others))}
    return np.array([places.get(row, -1) for row in _counted(ids)], np.int64)


def _counted(ids: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Each id, and how often it was there before."""
    seen: Counter[str] = Counter()
    for row in ids:
        yield row, seen[row]
        seen[row] += 1


def _labels(ids: Sequence[str]) -> list[str]:
    """The ids, those of several rows with the number of the row."""
    counts = Counter(ids)
    return [f"{row} (row {number})" if counts[row] > 1 else row for number, row in enumerate(ids)]


def _row_values(
    ones: Mapping[str, Measured], twos: Mapping[str, Measured], partners: IntArray, ids: Sequence[str]
) -> PairedValues | None:
    own = [one.measure for one in ones.values() if one.measure.sums_up and one.measure.name in twos]
    if not own:
        return None
    name = max(own, key=lambda measure: measure.per_row).name  # the first of them where none tells most
    a, b, _ = _matched(ones[name], twos[name], partners)
    left, right = (row_values(one.measure, one.sums) for one in (a, b))
    counts = ~(np.isnan(left) | np.isnan(right))
    labels = _labels(ids)
    counted = [labels[number] for number in a.numbers[counts]]
    return PairedValues(name, a.measure.unit, counted, left[counts], right[counts])
