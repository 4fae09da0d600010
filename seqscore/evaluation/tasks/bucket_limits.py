"""What rows of a corpus are sorted out by: a number of each, and the rule that gives it a bucket."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from seqscore.errors import OptionError
from seqscore.scores.reductions import perplexity

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


@dataclass(frozen=True, slots=True)
class Sorting:
    """Into which files the rows of an input are sorted: by ``rule`` of their number ``by``."""

    rule: Rule
    by: By


def bucket_value(item: Mapping[str, Any], by: By) -> float | None:
    """What a row is sorted out by; None where nothing of it is scored."""
    total = item["log_likelihood"]
    if not item["num_scored"]:
        return None
    if by == "bits_per_byte":
        return -total / item["num_bytes_scored"] / math.log(2) if item["num_bytes_scored"] else None
    count = item["num_scored"] if by == "perplexity" else item["numbers"]["num_words"] + 1
    return perplexity(total, count)
