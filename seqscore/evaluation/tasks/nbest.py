"""Re-ranking of n-best lists: word error rate before and after, and the best that the lists allow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.column_names import CONTEXT, FIRST_PASS, HYPOTHESES, REFERENCE
from seqscore.evaluation.data.dataset import DataRow, Dataset
from seqscore.evaluation.data.fields import SERIES, Form, ranked
from seqscore.evaluation.data.records import float_of
from seqscore.evaluation.tasks.base import Task, option
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.rows import LENGTHS, Entry, NumberKind, Stored, TaskRow, entries_of, item_of, joined
from seqscore.text.items import check_delimiter
from seqscore.text.joins import DELIMITER_AUTO

WEIGHTS = tuple(round(0.05 * step, 2) for step in range(41))
"""Weights that are tried besides: 0 to 2 in steps of 0.05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NbestTask(Task):
    """Of every list the hypothesis with the greatest first-pass score + ``lm_weight`` * log-likelihood (nats); the
    first of equals. Lists without first-pass scores are in their order before, and ranked by the model alone after.

    Word error rate: substitutions, deletions and insertions over the words of the reference (jiwer computes it).
    """

    name: ClassVar[str] = "nbest"
    about: ClassVar[str] = "Re-rank n-best lists: word error rate before and after, the oracle's, and by weight."
    forms: ClassVar[tuple[Form, ...]] = (
        Form(
            required={"reference": (REFERENCE,), "hypotheses": (HYPOTHESES,)},
            optional={"scores": (FIRST_PASS,), "context": ranked(*CONTEXT)},
            lists=frozenset({"hypotheses", "scores"}),
            series={"hypotheses": SERIES},
        ),
    )
    kept_roles: ClassVar[frozenset[str]] = frozenset({"reference"})  # stored is its length
    alternatives: ClassVar[tuple[str, ...]] = ("hypothesis",)
    heading: ClassVar[Literal["text", "chosen", "context"]] = "chosen"
    numbers: ClassVar[Mapping[str, NumberKind]] = {
        **LENGTHS,
        "first_pass": "real",
        "word_errors": "whole",
        "reference_words": "whole",
    }

    lm_weight: float = option(1.0, "Of the log-likelihood (nats) beside first-pass scores.")
    delimiter: str = option(DELIMITER_AUTO, "Between context and hypothesis.")

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)
        if not (math.isfinite(self.lm_weight) and self.lm_weight >= 0):
            raise OptionError(f"lm_weight={self.lm_weight} must be a number of at least 0")

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """An item a hypothesis."""
        return entries_of(dataset, self._row, context=self.fields.columns.get("context"))

    def _row(self, row: DataRow) -> TaskRow:
        reference = row.text(self.fields["reference"])
        if not reference.split():
            raise InputError(f"{row.where}: the reference has no word, so errors have nothing to be a share of")
        words, hypotheses = len(reference.split()), self._hypotheses(row)
        first_pass = self._first_pass(row, len(hypotheses))
        context = row.context(self.fields["context"]) if "context" in self.fields else None
        items = tuple(
            item_of(
                "hypothesis",
                joined(context, text, self.delimiter) if context else text,
                text,
                word_errors=word_errors(reference, text),
                reference_words=words,
                **({} if score is None else {"first_pass": score}),
            )
            for text, score in zip(hypotheses, first_pass, strict=True)
        )
        return TaskRow(items=items)

    def _hypotheses(self, row: DataRow) -> Sequence[str]:
        column = self.fields["hypotheses"]
        value = row.at(column)
        if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
            raise InputError(f"{row.where}: column {column!r} must be a list of at least one text, got {value!r:.60}")
        return value

    def _first_pass(self, row: DataRow, count: int) -> Sequence[float | None]:
        if "scores" not in self.fields:
            return [None] * count
        column = self.fields["scores"]
        value = _numbers(row.at(column))
        numbers = isinstance(value, list) and all(_is_finite(one) for one in value)
        if not numbers or value is None or len(value) != count:
            raise InputError(f"{row.where}: column {column!r} must hold {count} numbers, one for each hypothesis")
        return [float(one) for one in value]

    def note(self, numbers: Mapping[str, float]) -> str:
        """The word errors of a hypothesis."""
        count = int(numbers["word_errors"])
        return f"{count} word error{'' if count == 1 else 's'}"

    def measures(self) -> Sequence[Measure]:
        """Word error rates: before, after, with the model alone, the best possible, and by weight."""
        has_scores = "scores" in self.fields
        swept = [
            Measure(name=swept_name(weight), figure="ratio", unit="per reference word", use="sweep")
            for weight in WEIGHTS
        ]
        return (
            Measure(name="wer_before", figure="ratio", unit="per reference word"),
            Measure(name="wer_after", figure="ratio", unit="per reference word", headline=True, per_row=True),
            Measure(name="wer_model_alone", figure="ratio", unit="per reference word"),
            Measure(name="wer_oracle", figure="ratio", unit="per reference word"),
            *(swept if has_scores else ()),
        )

    def values(self, row: Stored) -> RowValues:
        """Word errors of the chosen hypotheses over the reference's words."""
        numbers = [item["numbers"] for item in row["items"]]
        words = numbers[0]["reference_words"]
        has_scores = "scores" in self.fields
        model = [item["log_likelihood"] for item in row["items"]]
        first = [one["first_pass"] if has_scores else 0.0 for one in numbers]
        wrong = [one["word_errors"] for one in numbers]

        def errors(weight: float) -> tuple[float, float]:
            scores = [a + weight * b if weight else a for a, b in zip(first, model, strict=True)]
            return wrong[scores.index(max(scores))], words

        found = {
            "wer_before": errors(0.0),
            "wer_after": errors(self.lm_weight if has_scores else 1.0),
            "wer_model_alone": (wrong[model.index(max(model))], words),
            "wer_oracle": (min(wrong), words),
        }
        return {**found, **{swept_name(w): errors(w) for w in WEIGHTS}} if has_scores else found


def _numbers(value: Any) -> Any:
    """A list, with the texts in it that are numbers as numbers: cells of a table are texts."""
    if not isinstance(value, list):
        return value
    try:
        return [float_of(one) if isinstance(one, str) else one for one in value]
    except ValueError:
        return value


def _is_finite(value: Any) -> bool:
    """Whether the value is a number that a float64 holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def swept_name(weight: float) -> str:
    """The name of the measure of one weight of the sweep."""
    return f"wer_at_{weight:.2f}"


def word_errors(reference: str, hypothesis: str) -> int:
    """Substitutions + deletions + insertions between words; both are split at white space and compared as they are."""
    import jiwer

    if not hypothesis.split():
        return len(reference.split())
    found = jiwer.process_words(" ".join(reference.split()), " ".join(hypothesis.split()))
    return int(found.substitutions + found.deletions + found.insertions)
