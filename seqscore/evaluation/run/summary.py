"""The summary of a run: its figures, and what befell its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from seqscore.evaluation.run.figures import FigureRow, Measured, figure_rows, measured
from seqscore.evaluation.run.stored_rows import stored_batches
from seqscore.evaluation.scored.reasons import Reasons
from seqscore.evaluation.tasks.base import Task
from seqscore.scores.signature import Signature
from seqscore.scores.statistics.calibration import Calibration, calibration_interval, calibration_of

if TYPE_CHECKING:
    import pyarrow as pa

    from seqscore.evaluation.run.run_folder import Run
    from seqscore.evaluation.run.run_options import RunOptions


def summarise(run: Run, task: Task, *, options: RunOptions) -> dict[str, Any]:
    """The summary of a run: how many rows, which errors, what was left out, every figure, and the signature."""
    counts = _counted(run)
    found = measured(run, task)
    shown = [one for one in found.values() if one.measure.use != "hidden"]
    figures = [figure for one in shown for figure in figure_rows(one, options)]
    calibration = _calibration(found, task, options)
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
    import pyarrow.compute as pc

    errors: Counter[str] = Counter()
    tokens, concerned, reasons = Counter[str](), Counter[str](), Reasons()
    met = {"boundary": Counter[str](), "delimiter": Counter[str]()}
    rows = 0
    names = (*_LEFT_OUT.values(), *met)
    for batch in stored_batches(run, ["id", "error_code", "error_message", *_of_items(names)]):
        rows += batch.num_rows
        failed = batch.filter(batch.column("error_code").is_valid())
        for number, code, message in zip(*(failed.column(name).to_pylist() for name in _FAILED), strict=True):
            errors[code] += 1
            reasons.add(code, message, row=number)
        items = dict(zip(names, _in_order(batch.column("items"), names), strict=True))
        places = pc.list_parent_indices(batch.column("items")).to_numpy()
        for name, kinds in met.items():
            kinds.update({one["values"]: one["counts"] for one in items[name].drop_null().value_counts().to_pylist()})
        for name, column in _LEFT_OUT.items():
            counts = items[column].to_numpy()
            tokens[name] += int(counts.sum())
            concerned[name] += len(np.unique(places[counts > 0]))
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


_FAILED = ("id", "error_code", "error_message")


def _of_items(names: Sequence[str]) -> list[str]:
    return [f"items.list.element.{name}" for name in names]


def _in_order(items: pa.ListArray, names: Sequence[str]) -> list[pa.Array]:
    """The fields of all items, as they are named."""
    structs = items.flatten()
    places = {field.name: place for place, field in enumerate(structs.type)}
    columns = structs.flatten()
    return [columns[places[name]] for name in names]


def _calibration(
    found: Mapping[str, Measured], task: Task, options: RunOptions
) -> tuple[FigureRow, Calibration] | None:
    """How far confidence and accuracy part, where rows have a confidence; 10 bins."""
    if task.calibration is None:
        return None
    confidence, right = (found[name].sums.columns[0] for name in task.calibration)
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


def run_signature(run: Run) -> Signature:
    """Everything that the figures depend on, in one line: the scorer's fields, then data, task and settings."""
    fields: dict[str, str] = {}
    for section, values in run.fingerprint.items():
        for name, value in _flat(_files_as_one(values) if section == "data" else values):
            if value is not None and value != "" and value is not False and value != []:
                fields[name if section == "model" else f"{section}.{name}"] = _shown(value)
    return Signature.of(fields)


_LONGEST = 200  # characters of a list


def _shown(value: Any) -> str:
    """A value as text; a long list as its length and digest."""
    import xxhash

    text = str(value)
    if not isinstance(value, list | tuple) or len(text) <= _LONGEST:
        return text
    return f"{len(value)} xxh128:{xxhash.xxh3_128_hexdigest(text.encode())}"


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
