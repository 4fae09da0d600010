"""A scored row of input, or the error that stands in its place; flat records of rows for files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from seqscore.evaluation.data.kept_columns import NO_COLUMNS
from seqscore.evaluation.data.problem import Row
from seqscore.scores.sequence_score import SequenceScore


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A row of input and its score. ``number``: its place among the rows, from 0, which is its id where the input has
    no ids. ``columns``: those columns of the input that travel with it."""

    id: int | str
    score: SequenceScore
    number: int | None = field(default=None, compare=False)
    columns: Mapping[str, Any] = field(default_factory=lambda: NO_COLUMNS, compare=False)


ScoredItem: TypeAlias = Row[ScoredRow]

FieldKind: TypeAlias = Literal["text", "whole", "real", "flag", "tokens", "tokens and top", "top"]
"""What a field of a record holds: text, an int, a float (infinities as text, as in JSON), a bool, a list of tokens,
which may have the most probable ones at the place of each, or the list of those at one place."""


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One line of a file: its ``fields``, by name, of which those that are not defined may be left out, and the
    ``columns`` of the input that it carries. ``conditioning``: what a scored token was given, see ``Signature``."""

    fields: Mapping[str, Any]
    columns: Mapping[str, Any] = field(default_factory=lambda: NO_COLUMNS)
    conditioning: str = "left"
