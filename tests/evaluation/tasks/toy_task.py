"""A task in one file, which nothing of the package knows: which of two texts is longer than it is improbable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from seqscore.evaluation.data.dataset import DataRow, Dataset
from seqscore.evaluation.data.fields import Form
from seqscore.evaluation.tasks.base import Task, option
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.rows import LENGTHS, Entry, NumberKind, Stored, TaskRow, entries_of, item_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyTask(Task):
    name: ClassVar[str] = "toy"
    about: ClassVar[str] = "A toy."
    forms: ClassVar[tuple[Form, ...]] = (Form(required={"left": (("left",),), "right": (("right",),)}),)
    alternatives: ClassVar[tuple[str, ...]] = ("left", "right")
    numbers: ClassVar[Mapping[str, NumberKind]] = {**LENGTHS, "vowels": "whole", "share": "real"}

    bonus: float = option(0.0, "Added to the left text.")

    def note(self, numbers: Mapping[str, float]) -> str:
        return f"{numbers['vowels']:.0f} vowels"

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        return entries_of(dataset, self._row)

    def _row(self, row: DataRow) -> TaskRow:
        texts = {role: row.text(self.fields[role]) for role in self.alternatives}
        vowels = {role: sum(one in "aeiou" for one in text) for role, text in texts.items()}
        items = [
            item_of(role, text, text, vowels=vowels[role], share=vowels[role] / max(1, len(text)))
            for role, text in texts.items()
        ]
        return TaskRow(items=tuple(items), gold=0)

    def measures(self) -> Sequence[Measure]:
        return (
            Measure(name="left_wins", figure="ratio", unit="share", method="wilson", better="higher", headline=True),
            Measure(name="mean_gap", figure="ratio", unit="nats", per_row=True, chart="margins"),
            Measure(name="median_gap", figure=median, unit="nats", column=False),
        )

    def values(self, row: Stored) -> RowValues:
        left, right = row["items"]
        gap = left["log_likelihood"] + self.bonus - right["log_likelihood"]
        return {"left_wins": (float(gap > 0), 1.0), "mean_gap": (gap, 1.0), "median_gap": (gap,)}


def median(gaps: Any) -> Any:
    return np.median(gaps, axis=-1)
