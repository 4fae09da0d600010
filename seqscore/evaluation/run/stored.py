"""The records of a run folder, checked when they are read: its manifest, its summary, its rows.

Whoever changed them by hand, with the checksums too, gets a message that names the file and the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seqscore.errors import InputError
from seqscore.evaluation.run.json_shapes import (
    Misshapen,
    count,
    fields,
    list_of,
    mapping_of,
    one_of,
    optional,
    real,
    setting,
    share,
    text,
)
from seqscore.evaluation.run.manifest import Json
from seqscore.evaluation.run.row_schema import TOKEN_LISTS

if TYPE_CHECKING:
    import pyarrow as pa

_TASK = fields({"task": text, "fields": mapping_of(setting)})

_MANIFEST = fields(
    {
        "format": count,
        "part_rows": count,
        "status": one_of("running", "complete"),
        "fingerprint": fields(
            {"model": mapping_of(setting), "data": mapping_of(setting), "task": _TASK, "settings": mapping_of(setting)}
        ),
    }
)

_INTERVAL = fields({"low": real, "high": real, "level": share, "method": text})

_FIGURE = fields(
    {
        "name": text,
        "group": optional(text),
        "value": optional(real),
        "unit": text,
        "better": one_of("higher", "lower"),
        "use": one_of("figure", "sweep"),
        "count": count,
        "interval": optional(_INTERVAL),
        "closed_interval": optional(_INTERVAL),
        "reason": optional(text),
    }
)

_REASON = fields({"code": text, "message": text, "count": count, "places": list_of(text)})

_BIN = fields({"low": share, "high": share, "count": count, "confidence": optional(share), "accuracy": optional(share)})

_COUNTS = (
    "rows",
    "scored",
    *(f"{what}_{name}" for what in ("tokens", "rows") for name in ("cut", "unread", "unknown")),
)

_SUMMARY = fields(
    {
        "task": text,
        **dict.fromkeys(_COUNTS, count),
        "errors": mapping_of(count),
        "error_reasons": list_of(_REASON),
        "boundaries": mapping_of(count),
        "delimiters": mapping_of(count),
        "figures": list_of(_FIGURE),
        "calibration": optional(list_of(_BIN)),
        "signature": text,
    }
)


def checked_manifest(value: Mapping[str, Json], where: str) -> dict[str, Json]:
    """The manifest that ``value`` is.

    Raises:
        InputError: a field is missing or is not what a run writes; the message begins with ``where``.
    """
    try:
        _MANIFEST(value, "")
        mapping_of(setting)(value["fingerprint"]["task"], "fingerprint.task")
        if value["status"] == "complete":
            count(value.get("parts"), "parts")
        if value["part_rows"] < 1:
            raise Misshapen(f"part_rows must be at least 1, got {value['part_rows']}")
    except Misshapen as error:
        raise InputError(f"{where} was changed: {error}") from error
    return dict(value)


def checked_summary(value: Mapping[str, Json], where: str) -> dict[str, Json]:
    """The summary that ``value`` is: as ``seqscore.evaluation.run.summary.summarise`` makes it.

    Raises:
        InputError: see ``checked_manifest``.
    """
    try:
        _SUMMARY(value, "")
        names = [(one["name"], one["group"]) for one in value["figures"]]
        if len(set(names)) != len(names):
            raise Misshapen("a figure is there twice")
        lacking = {name for name, group in names if group is not None} - {name for name, _ in names if _ is None}
        if lacking:
            raise Misshapen(f"the figure {min(lacking)!r} of all rows is lacking beside those of its groups")
        if sum(value["errors"].values()) != value["rows"] - value["scored"]:
            raise Misshapen("rows, scored and errors do not add up")
    except Misshapen as error:
        raise InputError(f"{where} was changed: {error}") from error
    return dict(value)


_WHOLE = (*("num_scored", "num_tokens", "num_cut", "num_unread", "num_unknown", "num_windows", "num_bytes_scored"),)


def check_rows(batch: pa.RecordBatch, *, first: int, where: str, kinds: Mapping[str, str]) -> None:
    """Check stored rows, of which the first has the number ``first``; columns that were not read are not looked at.
    ``kinds``: what is known of the numbers that the task stores.

    Raises:
        InputError: a row holds what a run does not write; the message begins with ``where``.
    """
    import pyarrow as pa

    try:
        batch.validate(full=True)  # UTF-8, among others
    except pa.ArrowException as error:
        raise InputError(f"{where} is damaged: {error}") from error
    problem = _problem_of_rows(batch, first) or _problem_of_items(batch, kinds)
    if problem is not None:
        raise InputError(f"{where} was changed: {problem}")


def _problem_of_rows(batch: pa.RecordBatch, first: int) -> str | None:
    columns = {name: batch.column(name) for name in batch.schema.names}
    if "id" in columns and columns["id"].null_count:
        return "a row has no id"
    if "number" in columns and columns["number"].to_pylist() != list(range(first, first + batch.num_rows)):
        return "its rows are not numbered through"
    if "gold" in columns and (_numbers(columns["gold"]) < 0).any():
        return "a row has a negative gold"
    if "error_code" in columns:
        failed = columns["error_code"].is_valid()
        for name, expected in (("error_message", failed), ("items", columns["error_code"].is_null())):
            if name in columns and not columns[name].is_valid().equals(expected):
                return "a row has neither a score nor an error, or both"
    return None


def _numbers(column: Any) -> Any:
    """The values that are not null."""
    return column.drop_null().to_numpy(zero_copy_only=False)


def _problem_of_items(batch: pa.RecordBatch, kinds: Mapping[str, str]) -> str | None:
    if "items" not in batch.schema.names:
        return None
    items = batch.column("items").flatten()
    if items.null_count:
        return "an item of a row is null"
    columns = {one.name: items.field(place) for place, one in enumerate(items.type)}
    if "role" in columns and columns["role"].null_count:
        return "an item has no role"
    for name in (*_WHOLE, "log_likelihood"):
        if name in columns and columns[name].null_count:
            return f"an item has no {name}"
    for name in _WHOLE:
        if name in columns and (_numbers(columns[name]) < 0).any():
            return f"an item has a negative {name}"
    if "log_likelihood" in columns and not (_numbers(columns["log_likelihood"]) <= 0.0).all():
        return "an item has a log-likelihood that is not at most 0"
    return _problem_of_numbers(columns, kinds) or _problem_of_tokens(columns)


def _problem_of_numbers(columns: Mapping[str, Any], kinds: Mapping[str, str]) -> str | None:
    """Of the numbers that the task stores: all are finite, counts are whole and of at least 0."""
    if "numbers" not in columns:
        return None
    found = columns["numbers"]
    if found.null_count:
        return "an item has no numbers"
    begin, end = found.offsets[0].as_py(), found.offsets[-1].as_py()
    names, values = found.keys.slice(begin, end - begin), found.items.slice(begin, end - begin)
    if values.null_count:
        return "an item has a number that is null"
    numbers = values.to_numpy(zero_copy_only=False)
    wrong = ~np.isfinite(numbers)
    if not wrong.any():
        counts = [name for name, kind in kinds.items() if kind == "whole"]
        is_count = np.isin(names.to_numpy(zero_copy_only=False).astype(object), counts)
        wrong = is_count & ((numbers < 0) | (numbers != np.floor(numbers)))
    if not wrong.any():
        return None
    name, value = names[int(wrong.argmax())].as_py(), numbers[wrong.argmax()]
    return f"an item has {value} for its {name}, expected {'a count' if np.isfinite(value) else 'a finite number'}"


def _problem_of_tokens(columns: Mapping[str, Any]) -> str | None:
    for name in TOKEN_LISTS:
        if name in columns:
            values = columns[name].flatten()
            if values.null_count:
                return f"a token has nothing in its {name}"
            if name in _TOKEN_NUMBERS and not _fit(_numbers(values)):
                return f"a token has {name} that are not from 0 to {_LARGEST:,}"
    return None


_TOKEN_NUMBERS, _LARGEST = ("token_ids", "starts", "ends", "ranks"), 2**53 - 1


def _fit(values: Any) -> bool:
    return bool(((values >= 0) & (values <= _LARGEST)).all())
