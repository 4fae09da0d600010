"""Rows of a run with their texts side by side: one flat record a row of the data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqscore.evaluation.read.measures import task_of_run
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.stored_rows import stored_rows, values_of
from seqscore.evaluation.scored.scored_rows import FieldKind
from seqscore.evaluation.tasks.alternatives import per
from seqscore.evaluation.tasks.base import Task
from seqscore.evaluation.tasks.rows import Stored
from seqscore.scores.reductions import Unit, in_unit

_OF_ROW: Mapping[str, FieldKind] = {"id": "text", "row": "whole", "group": "text", "gold": "whole"}
_OF_TEXT: Mapping[str, FieldKind] = {
    "context": "text",
    "text": "text",
    "log_likelihood": "real",
    "num_scored": "whole",
}
_COMPARED: Mapping[str, FieldKind] = {"margin": "real", "margin_per_token": "real", "chosen": "text"}


@dataclass(frozen=True, slots=True)
class FlatRows:
    """How the rows of a run are laid flat. ``labels``: of all texts that some row has; ``contexts``: whether one has a
    context; ``compared``: whether one of them is the right one."""

    task: Task
    labels: tuple[str, ...]
    contexts: bool
    compared: bool

    @classmethod
    def of(cls, run: Run) -> FlatRows:
        """Of this run, whose rows are looked through for their texts."""
        task = task_of_run(run)
        labels: dict[str, None] = {}
        contexts = compared = False
        for row in stored_rows(run, ["gold", *(f"items.list.element.{name}" for name in ("role", "context"))]):
            shown = _shown(row, task)
            labels.update(dict.fromkeys(label for label, _ in shown))
            contexts = contexts or any(item["context"] for _, item in shown)
            compared = compared or (row["gold"] is not None and len(shown) > 1)
        return cls(task, tuple(labels), contexts, compared)

    @property
    def fields(self) -> Mapping[str, FieldKind]:
        """What a record has: of each text its log-likelihood and how many tokens that is of; where one is the right one
        its margin over the best of the others, of the sums and of the means over tokens, and which one the model
        prefers (none where two are level); whether the row is right; what the task adds."""
        own = {name: kind for name, kind in _OF_TEXT.items() if name != "context" or self.contexts}
        texts = {f"{name}_{label}": kind for label in self.labels for name, kind in own.items()}
        hit: Mapping[str, FieldKind] = {"correct": "flag"} if self._hit is not None else {}
        compared = _COMPARED if self.compared else {}
        return {**_OF_ROW, **texts, "unit": "text", **compared, **hit, **self.task.flat_fields, "error": "text"}

    @property
    def _hit(self) -> str | None:
        """The measure that rows are right or wrong by."""
        return next((one.name for one in self.task.measures() if one.headline and one.is_hit), None)

    def record(self, row: Stored, unit: Unit) -> dict[str, Any]:
        """The record of a row that was scored."""
        shown = _shown(row, self.task)
        found: dict[str, Any] = {"unit": unit}
        for label, item in shown:
            for name in _OF_TEXT:
                found[f"{name}_{label}"] = item[name]
            found[f"log_likelihood_{label}"] = in_unit(item["log_likelihood"], unit)
        if self.compared and row["gold"] is not None and len(shown) > 1:
            found |= _compared(shown, row["gold"], unit)
        if self._hit is not None:
            value = values_of(self.task, row).get(self._hit)
            found["correct"] = None if value is None else bool(value[0])
        known = self.fields
        return {name: value for name, value in {**found, **self.task.flat_values(row, unit)}.items() if name in known}


def _shown(row: Stored, task: Task) -> list[tuple[str, Mapping[str, Any]]]:
    """The texts of the data that a row has, each with its role, numbered where several have it."""
    items = [item for item in row["items"] or () if item["role"] not in task.helpers]
    roles = [item["role"] for item in items]
    counted = [roles[:place].count(role) + 1 for place, role in enumerate(roles)]
    labels = [
        f"{role}_{number}" if roles.count(role) > 1 else role for role, number in zip(roles, counted, strict=True)
    ]
    return list(zip(labels, items, strict=True))


def _compared(shown: Sequence[tuple[str, Mapping[str, Any]]], gold: int, unit: Unit) -> dict[str, Any]:
    sums = [item["log_likelihood"] for _, item in shown]
    means = [per(item, item["num_scored"]) for _, item in shown]
    best = max(sums)
    return {
        "margin": _margin(sums, gold, unit),
        "margin_per_token": _margin(means, gold, unit),
        "chosen": shown[sums.index(best)][0] if sums.count(best) == 1 else None,
    }


def _margin(scores: Sequence[float], gold: int, unit: Unit) -> float | None:
    """The score of the right one above the best of the others; None where both are infinite."""
    found = scores[gold] - max(score for place, score in enumerate(scores) if place != gold)
    return None if math.isnan(found) else in_unit(found, unit)


REGION_FIELDS: Mapping[str, FieldKind] = {
    "id": "text",
    "row": "whole",
    "group": "text",
    "condition": "text",
    "position": "whole",
    "region": "text",
    "text": "text",
    "start": "whole",
    "end": "whole",
    "num_words": "whole",
    "num_tokens": "whole",
    "num_crossing": "whole",
    "surprisal": "real",
    "unit": "text",
    "error": "text",
}
"""What a record of a region has: ``position`` counts the regions of a text from 1; ``start``, ``end`` are bytes of
context and text; ``num_crossing``: tokens that also hold bytes of another region; ``surprisal`` is null where it has
none of its own."""


def region_records(row: Stored, unit: Unit) -> Iterator[dict[str, Any]]:
    """The regions of a row of a test suite."""
    from seqscore.evaluation.tasks.regions import region_scores

    for item in row["items"]:
        data = ((item["context"] or "") + (item["text"] or "")).encode("utf-8")
        for position, one in enumerate(region_scores(item), start=1):
            bits = one.metric("sum")
            nats = bits * math.log(2)
            yield {
                "condition": item["role"],
                "position": position,
                "region": one.region.label,
                "text": data[one.region.begin : one.region.end].decode("utf-8", "replace"),
                "start": one.region.begin,
                "end": one.region.end,
                "num_words": one.region.num_words,
                "num_tokens": len(one.bits),
                "num_crossing": one.num_crossing,
                "surprisal": None if math.isnan(bits) else bits if unit == "bits" else nats,
                "unit": unit,
            }
