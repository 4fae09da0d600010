"""The figures of a run, from its stored rows, with intervals."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.evaluate.run.row_schema import run_schema
from seqscore.evaluate.run.stored import check_rows
from seqscore.evaluate.scored.reasons import Reasons
from seqscore.evaluate.tasks.base import Task
from seqscore.evaluate.tasks.measure import Measure, RowValues
from seqscore.evaluate.tasks.rows import Stored
from seqscore.scores.reductions import exp
from seqscore.scores.signature import Signature
from seqscore.scores.statistics.calibration import Calibration, calibration_interval, calibration_of
from seqscore.scores.statistics.intervals import Interval, Sums, bootstrap_interval, wilson_interval

if TYPE_CHECKING:
    from seqscore.evaluate.run.run_folder import Run
    from seqscore.evaluate.run.run_options import RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    """One figure: of all rows (``group`` None) or of a group, over ``count`` rows. ``value`` is None where it is not
    defined, ``interval`` where none can be given."""

    name: str
    group: str | None
    value: float | None
    unit: str
    count: int
    interval: Interval | None
    better: str
    use: str = "figure"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        interval = self.interval
        return {
            "name": self.name,
            "group": self.group,
            "value": self.value,
            "unit": self.unit,
            "better": self.better,
            "use": self.use,
            "count": self.count,
            "interval": None
            if interval is None
            else {"low": interval.low, "high": interval.high, "level": interval.level, "method": interval.method},
        }


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What every row adds to a measure. ``numbers`` [n] int64: the rows that have a part in it; ``groups``: theirs, of
    measures that are shown by group; ``sums``: theirs."""

    measure: Measure
    numbers: NDArray[np.int64]
    groups: Sequence[str | None]
    sums: Sums


def stored_rows(run: Run, columns: Sequence[str] | None = None) -> Iterator[Stored]:
    """The rows of a run in order, a few at a time, each as a run writes it.

    Raises:
        InputError: a part is damaged or missing, or holds what no run writes.
    """
    first = 0
    for batch in run.batches(columns, rows=256, schema=run_schema()):
        check_rows(batch, first=first, where=f"a part of {str(run.path)!r}")
        first += batch.num_rows
        yield from batch.to_pylist()


def values_of(task: Task, row: Stored) -> RowValues:
    """What a stored row adds to each measure of its task.

    Raises:
        InputError: its items are not those of the task.
    """
    try:
        return task.values(row)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise InputError(
            f"a stored row does not hold what the task {task.name!r} stores ({error}); was the run changed?"
        ) from error


_NEEDED = (
    *("number", "group", "gold", "reference_words", "error_code"),
    *(
        f"items.list.element.{name}"
        for name in (
            *("role", "log_likelihood", "num_scored", "num_bytes_scored", "num_chars", "num_bytes", "num_words"),
            *("weight", "first_pass", "word_errors", "is_greedy", "tokens_hash"),
        )
    ),
)


def measured(run: Run, task: Task) -> dict[str, Measured]:
    """Every measure of the task over the scored rows; 24 bytes a row and measure."""
    measures = {measure.name: measure for measure in task.measures()}
    totals, counts = ({name: array("d") for name in measures} for _ in range(2))
    numbers = {name: array("q") for name in measures}
    groups: dict[str, list[str | None]] = {name: [] for name in measures}
    needed = [*_NEEDED, *(["items.list.element.logprobs"] if "protocol" in task.settings else [])]
    for row in stored_rows(run, needed):
        if row["error_code"] is not None:
            continue
        for name, (total, count) in values_of(task, row).items():
            totals[name].append(total)
            counts[name].append(count)
            numbers[name].append(row["number"])
            if measures[name].by_group:
                groups[name].append(row["group"])
    return {
        name: Measured(
            measure,
            np.array(numbers[name], np.int64),
            groups[name],
            Sums.of(np.array(totals[name]), np.array(counts[name])),
        )
        for name, measure in measures.items()
    }


def summarise(run: Run, task: Task, *, options: RunOptions) -> dict[str, Any]:
    """The summary of a run: how many rows, which errors, what was left out, every figure, and the signature."""
    counts = _counted(run)
    found = measured(run, task)
    shown = [one for one in found.values() if one.measure.use != "hidden"]
    figures = [figure for one in shown for figure in _figures(one, options)]
    calibration = _calibration(found, options)
    if calibration is not None:
        figures.append(calibration[0])
    return {
        "task": task.name,
        **counts,
        "left_out": [
            {"figure": one.measure.name, "rows": counts["scored"] - len(one.numbers), "reason": one.measure.left_out}
            for one in shown
            if one.measure.left_out and len(one.numbers) < counts["scored"]
        ],
        "figures": [figure.to_dict() for figure in figures],
        "calibration": None if calibration is None else [asdict(one) for one in calibration[1].bins],
        "signature": str(run_signature(run)),
    }


_LEFT_OUT = {"cut": "num_cut", "unread": "num_unread", "unknown": "num_unknown"}


def _counted(run: Run) -> dict[str, Any]:
    """Rows, errors and their reasons; tokens that were cut, not read or unknown, and in how many rows; how contexts and
    texts met, and what was put between them."""
    errors: Counter[str] = Counter()
    tokens, concerned, reasons = Counter[str](), Counter[str](), Reasons()
    met = {"boundary": Counter[str](), "delimiter": Counter[str]()}
    rows = 0
    items = [f"items.list.element.{name}" for name in (*_LEFT_OUT.values(), *met)]
    for row in stored_rows(run, ["id", "error_code", "error_message", *items]):
        rows += 1
        if row["error_code"] is not None:
            errors[row["error_code"]] += 1
            reasons.add(row["error_code"], row["error_message"], row=row["id"])
        stored = row["items"] or ()
        for name, kinds in met.items():
            kinds.update(item[name] for item in stored if item[name] is not None)
        for name, column in _LEFT_OUT.items():
            count = sum(item[column] for item in stored)
            tokens[name] += count
            concerned[name] += count > 0
    return {
        "rows": rows,
        "scored": rows - errors.total(),
        "errors": dict(sorted(errors.items())),
        "error_reasons": reasons.to_list(),
        **{f"tokens_{name}": tokens[name] for name in _LEFT_OUT},
        **{f"rows_{name}": concerned[name] for name in _LEFT_OUT},
        "boundaries": dict(sorted(met["boundary"].items())),
        "delimiters": dict(sorted(met["delimiter"].items())),
    }


def _calibration(found: Mapping[str, Measured], options: RunOptions) -> tuple[FigureRow, Calibration] | None:
    """How far confidence and accuracy part, where rows have a confidence; 10 bins."""
    if "confidence" not in found:
        return None
    confidence, right = (found[name].sums.totals for name in ("confidence", "confident_and_right"))
    calibration = calibration_of(confidence, right)
    interval = calibration_interval(
        confidence, right, level=options.level, resamples=options.resamples, seed=options.seed
    )
    row = FigureRow(
        name="calibration_error",
        group=None,
        value=calibration.error,
        unit="probability",
        count=len(confidence),
        interval=interval,
        better="lower",
    )
    return row, calibration


def _figures(found: Measured, options: RunOptions) -> Iterator[FigureRow]:
    yield _figure(found.measure, None, found.sums, options)
    if found.measure.by_group:
        groups = np.array([group if group is not None else "" for group in found.groups], dtype=object)
        for group in dict.fromkeys(one for one in found.groups if one is not None):
            chosen = groups == group
            yield _figure(found.measure, group, Sums.of(found.sums.totals[chosen], found.sums.counts[chosen]), options)


def _figure(measure: Measure, group: str | None, sums: Sums, options: RunOptions) -> FigureRow:
    return FigureRow(
        name=measure.name,
        group=group,
        value=exact_figure(sums, measure),
        unit=measure.unit,
        count=len(sums),
        interval=_interval(sums, measure, options),
        better=measure.better,
        use=measure.use,
    )


def exact_figure(sums: Sums, measure: Measure) -> float | None:
    """sum totals / sum counts, or exp of minus that, the sums rounded once; None where nothing counts."""
    count = math.fsum(sums.counts.tolist())
    if not count:
        return None
    ratio = math.fsum(sums.totals.tolist()) / count
    if measure.figure == "ratio":
        return ratio
    return exp(-ratio)


def row_values(measure: Measure, sums: Sums) -> NDArray[np.float64]:
    """Every row's own value of a measure: what the figure would be of that row alone; 0 where nothing counts."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = np.where(sums.counts > 0, sums.totals / sums.counts, 0.0)
        return np.exp(-ratios) if measure.figure == "perplexity" else ratios


def _interval(sums: Sums, measure: Measure, options: RunOptions) -> Interval | None:
    if measure.use == "sweep":
        return None
    if measure.method == "wilson":
        return wilson_interval(int(sums.totals.sum()), len(sums), level=options.level)
    return bootstrap_interval(sums, measure.figure, level=options.level, resamples=options.resamples, seed=options.seed)


def run_signature(run: Run) -> Signature:
    """Everything that the figures depend on, in one line: the scorer's fields, then data, task and settings."""
    fields: dict[str, str] = {}
    for section, values in run.fingerprint.items():
        for name, value in _flat(_files_as_one(values) if section == "data" else values):
            if value is not None and value != "" and value is not False:
                fields[name if section == "model" else f"{section}.{name}"] = str(value)
    return Signature.of(fields)


def _files_as_one(data: Mapping[str, Any]) -> dict[str, Any]:
    """The files of a dataset as one field: their number, and the digest of all their descriptions."""
    import xxhash

    files = [str(value) for name, value in data.items() if name.startswith("file ")]
    rest = {name: value for name, value in data.items() if not name.startswith("file ")}
    if len(files) < 2:
        return {**({"file": files[0]} if files else {}), **rest}
    return {"files": f"{len(files)} xxh128:{xxhash.xxh3_128_hexdigest(chr(10).join(files).encode())}", **rest}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
