"""Rows of a filter run sorted out by their perplexity, each as it was read, into one file a bucket."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias, cast

import numpy as np

from seqscore.errors import InputError, OptionError
from seqscore.evaluate.manifest import sync_folder, writing
from seqscore.evaluate.store import Run
from seqscore.evaluate.summary import stored_rows

__all__ = ["By", "Percentiles", "Rule", "Thresholds", "bucket_value", "split_run"]

By: TypeAlias = Literal["perplexity", "word_perplexity", "bits_per_byte"]
"""What rows are sorted out by. CCNet's perplexity is per word, with one more for the end of a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """``kept``: at least ``low`` and at most ``high``; ``dropped``: the others.

    Raises:
        OptionError: neither is given, one is no finite number, or no value lies between them.
    """

    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise OptionError("a threshold needs a least or a greatest value")
        for name, value in (("least", self.low), ("greatest", self.high)):
            if value is not None and not math.isfinite(value):
                raise OptionError(f"the {name} value of a threshold is {value}; expected a finite number")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise OptionError(
                f"the least value {self.low} is above the greatest, {self.high}, so no row would be kept; swap them"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the buckets."""
        return ("kept", "dropped")

    def bucket(self, value: float) -> str:
        """The bucket of a row."""
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return "kept" if low <= value <= high else "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """``head``: up to the ``head``-th percentile of the values; ``middle``: up to the ``middle``-th; ``tail``: above.

    30 and 60 are those of CCNet (Wenzek et al. 2020). A percentile is interpolated between neighbours.
    """

    head: float = 30.0
    middle: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.head < self.middle < 100:  # also for NaN
            raise OptionError(f"percentiles {self.head} and {self.middle} must rise and lie between 0 and 100")

    def thresholds(self, values: Any) -> tuple[float, float]:
        """The values that part head, middle and tail."""
        low, high = np.percentile(values, [self.head, self.middle])
        return float(low), float(high)


Rule: TypeAlias = Thresholds | Percentiles


class _Buckets(Protocol):
    def __call__(self, value: float) -> str: ...


def bucket_value(item: Mapping[str, Any], by: By) -> float | None:
    """What a row is sorted out by; None where nothing of it is scored."""
    total = item["log_likelihood"]
    if not item["num_scored"]:
        return None
    if by == "bits_per_byte":
        return -total / item["num_bytes_scored"] / math.log(2) if item["num_bytes_scored"] else None
    count = item["num_scored"] if by == "perplexity" else item["num_words"] + 1
    try:
        return math.exp(-total / count)
    except OverflowError:
        return math.inf


def split_run(run: Run, rule: Rule, *, by: By) -> dict[str, int]:
    """Write ``NAME.jsonl`` for every bucket beside the run's parts and count their rows.

    Rows keep their order and their columns. Those that could not be read or scored, or of which nothing is scored, go
    to ``unscored.jsonl`` with their error. Percentiles keep 8 bytes a row in memory.

    Raises:
        OptionError: a file cannot be written.
    """
    chosen, names = _chooser(run, rule, by)
    counts = dict.fromkeys((*names, "unscored"), 0)
    with ExitStack() as stack:
        streams = {name: stack.enter_context(_bucket_file(run.path / f"{name}.jsonl")) for name in counts}
        for row in stored_rows(run, _COLUMNS):
            name, line = _sorted_out(row, chosen, by)
            counts[name] += 1
            with writing(run.path / f"{name}.jsonl"):
                streams[name].write(line.encode("utf-8") + b"\n")
    for name in counts:
        with writing(run.path / f"{name}.jsonl"):
            (run.path / f".{name}.jsonl.tmp").replace(run.path / f"{name}.jsonl")
    sync_folder(run.path)
    return counts


_COLUMNS = [
    *("id", "row", "error_code", "error_message"),
    *(f"items.list.element.{name}" for name in ("log_likelihood", "num_scored", "num_words", "num_bytes_scored")),
]


def _bucket_file(path: Path) -> BinaryIO:
    with writing(path):
        return cast(BinaryIO, path.with_name(f".{path.name}.tmp").open("wb"))


def _sorted_out(row: Mapping[str, Any], chosen: _Buckets, by: By) -> tuple[str, str]:
    import json

    value = bucket_value(row["items"][0], by) if row["error_code"] is None else None
    if value is not None:
        return chosen(value), row["row"]
    message = row["error_message"] or "nothing of the text is scored"
    error = {"code": row["error_code"] or "nothing_scored", "message": message}
    original = None if row["row"] is None else json.loads(row["row"])
    return "unscored", json.dumps({"id": row["id"], "error": error, "row": original}, ensure_ascii=False)


def _chooser(run: Run, rule: Rule, by: By) -> tuple[_Buckets, tuple[str, ...]]:
    if isinstance(rule, Thresholds):
        return rule.bucket, rule.names
    values = array("d", _values(run, by))
    if not values:
        raise InputError(f"{str(run.path)!r} has no scored row, so there are no percentiles")
    low, high = rule.thresholds(values)
    return lambda value: "head" if value <= low else "middle" if value <= high else "tail", ("head", "middle", "tail")


def _values(run: Run, by: By) -> Iterator[float]:
    for row in stored_rows(run, _COLUMNS):
        value = bucket_value(row["items"][0], by) if row["error_code"] is None else None
        if value is not None:
            yield value
