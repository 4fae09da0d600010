"""Minimal pairs: one of two sentences is right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from seqscore.evaluation.data.column_names import BAD, CONTEXT, GOOD, PHENOMENON
from seqscore.evaluation.data.dataset import DataRow, Dataset
from seqscore.evaluation.data.fields import Form, ranked
from seqscore.evaluation.tasks.alternatives import hit, per
from seqscore.evaluation.tasks.base import Task, option
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.rows import Entry, Stored, TaskItem, TaskRow, entries_of, group_of, item_of, joined
from seqscore.text.items import check_delimiter
from seqscore.text.joins import DELIMITER_AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsTask(Task):
    """Minimal pairs: is the good sentence more probable than the bad one? A tie is a tie and no hit.

    ``delimiter`` stands before a sentence, also without a context where it is not ``auto``: lm-eval scores
    `" Sentence"`, which is ``bos="lm-eval", delimiter=" "``.
    """

    name: ClassVar[str] = "pairs"
    about: ClassVar[str] = (
        "Minimal pairs: how often the good sentence is more probable than the bad one; ties are ties."
    )
    forms: ClassVar[tuple[Form, ...]] = (
        Form(
            required={"good": ranked(*GOOD), "bad": ranked(*BAD)},
            optional={"context": ranked(*CONTEXT), "group": ranked(*PHENOMENON)},
        ),
    )
    alternatives: ClassVar[tuple[str, ...]] = ("good", "bad")

    delimiter: str = option(DELIMITER_AUTO, "Before a sentence; auto: a space behind a context. lm-eval: ' ', always.")

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """Two items a row, the good one first."""
        return entries_of(dataset, self._row, context=self.fields.columns.get("context"))

    def _row(self, row: DataRow) -> TaskRow:
        context = (row.context(self.fields["context"]) if "context" in self.fields else None) or ""
        return TaskRow(
            items=tuple(self._item(role, context, row.text(self.fields[role])) for role in ("good", "bad")),
            group=group_of(row, self.fields),
            gold=0,
        )

    def _item(self, role: str, context: str, text: str) -> TaskItem:
        alone = not context and self.delimiter == DELIMITER_AUTO
        return item_of(role, text if alone else joined(context, text, self.delimiter), text)

    def measures(self) -> Sequence[Measure]:
        """Hits and ties, of the sums and of the means over tokens."""
        pairs = "share of pairs"
        return (
            Measure(
                name="accuracy",
                figure="ratio",
                unit=pairs,
                method="wilson",
                better="higher",
                by_group=True,
                headline=True,
            ),
            Measure(name="ties", figure="ratio", unit=pairs, method="wilson", column=False),
            Measure(name="accuracy_per_token", figure="ratio", unit=pairs, method="wilson", better="higher"),
            Measure(
                name="mean_margin",
                figure="ratio",
                unit="nats",
                better="higher",
                per_row=True,
                chart="margins",
                axes=("margin log p(good) − log p(bad)", "pairs"),
                sides=("good sentence more probable", "bad sentence more probable, or a tie"),
            ),
        )

    def values(self, row: Stored) -> RowValues:
        """log p(good) - log p(bad), and whether it is above 0."""
        good, bad = row["items"]
        scores = [good["log_likelihood"], bad["log_likelihood"]]
        found = {
            "accuracy": (hit(scores, 0), 1.0),
            "ties": (float(scores[0] == scores[1]), 1.0),
            "accuracy_per_token": (hit([per(one, one["num_scored"]) for one in (good, bad)], 0), 1.0),
        }
        if all(math.isfinite(score) for score in scores):
            found["mean_margin"] = (scores[0] - scores[1], 1.0)
        return found
