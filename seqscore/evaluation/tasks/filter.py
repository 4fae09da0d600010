"""Rows of a corpus sorted out by their perplexity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import OptionError
from seqscore.evaluation.data.column_names import TEXT
from seqscore.evaluation.data.dataset import DataRow, Dataset
from seqscore.evaluation.data.fields import Form
from seqscore.evaluation.tasks.base import Option, Task, option
from seqscore.evaluation.tasks.bucket_limits import By, Percentiles, Rule, Sorting, Thresholds
from seqscore.evaluation.tasks.measure import ColumnValues, Measure, RowValues
from seqscore.evaluation.tasks.perplexity import NOTHING_SCORED
from seqscore.evaluation.tasks.rows import Entry, Stored, TaskRow, entries_of, item_of, joined
from seqscore.text.joins import DELIMITER_AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterTask(Task):
    """Perplexity of every row, by which the rows of the input can be sorted out; with contexts, given those."""

    name: ClassVar[str] = "filter"
    about: ClassVar[str] = "Sort out the rows of a corpus by perplexity: kept and dropped, or head, middle and tail."
    forms: ClassVar[tuple[Form, ...]] = (Form(required={"text": (TEXT,)}, optional={"context": ()}),)
    column_options: ClassVar[Mapping[str, Option]] = {
        "text": Option("Column of texts; of a bitext the side that is scored.", "--column"),
        "context": Option(
            "Column of contexts, given which texts are scored: the source of a bitext.", "--context-column"
        ),
    }
    single_item: ClassVar[bool] = True
    adds_columns: ClassVar[bool] = True
    sorts_rows: ClassVar[bool] = True

    by: By = option("perplexity", "What rows are sorted out by.", in_fingerprint=False)
    low: float | None = option(None, "Keep rows of at least this.", flag="--min", in_fingerprint=False)
    high: float | None = option(None, "Keep rows of at most this.", flag="--max", in_fingerprint=False)
    percentiles: str | None = option(
        None, "Head, middle and tail: 30,60 as in CCNet; the default without --min and --max.", in_fingerprint=False
    )

    def __post_init__(self) -> None:
        self._rule()

    @property
    def sorting(self) -> Sorting:
        """By thresholds or by percentiles."""
        return Sorting(self._rule(), self.by)

    def _rule(self) -> Rule:
        if self.low is not None or self.high is not None:
            if self.percentiles is not None:
                raise OptionError(
                    "percentiles (--percentiles) and low= or high= (--min, --max) were both given; choose one"
                )
            return Thresholds(low=self.low, high=self.high)
        if self.percentiles is None:
            return Percentiles()
        try:
            head, middle = (float(part) for part in self.percentiles.split(","))
        except ValueError as error:
            raise OptionError(
                f"percentiles={self.percentiles!r} (--percentiles) must be two numbers, for instance 30,60"
            ) from error
        return Percentiles(head=head, middle=middle)

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """One item a row."""
        return entries_of(dataset, self._row, context=self.fields.columns.get("context"))

    def _row(self, row: DataRow) -> TaskRow:
        text = row.text(self.fields["text"])
        context = row.context(self.fields["context"]) if "context" in self.fields else None
        item = text if context is None else joined(context, text, DELIMITER_AUTO)
        return TaskRow(items=(item_of("text", item, text),))

    def measures(self) -> Sequence[Measure]:
        """Of the rows before they are sorted out."""
        return (
            Measure(
                name="perplexity",
                figure="perplexity",
                unit="per token",
                left_out=NOTHING_SCORED,
                headline=True,
                chart="perplexities",
                method="ratio",
            ),
            Measure(name="bits_per_byte", figure="ratio", unit="bits", per_row=True, method="ratio"),
        )

    def values(self, row: Stored) -> RowValues:
        """Sums of one row."""
        (item,) = row["items"]
        if not item["num_scored"]:
            return {}
        total = item["log_likelihood"]
        return {
            "perplexity": (total, float(item["num_scored"])),
            "bits_per_byte": (-total / math.log(2), float(item["num_bytes_scored"])),
        }

    def column_values(self, items: Mapping[str, NDArray[Any]]) -> ColumnValues:
        """The same of many rows."""
        places = np.flatnonzero(items["num_scored"])
        totals, counts, sizes = (
            items[name][places].astype(np.float64) for name in ("log_likelihood", "num_scored", "num_bytes_scored")
        )
        return {"perplexity": (places, (totals, counts)), "bits_per_byte": (places, (-totals / math.log(2), sizes))}
