"""A scored row of input, or the error that stands in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from seqscore.scores.sequence import SequenceScore

__all__ = ["ErrorRow", "Row", "ScoredRow"]


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A row of input and its score."""

    id: int | str
    score: SequenceScore


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """A row that could not be scored: the short name of the error, and its message for people."""

    id: int | str
    code: str
    message: str


Row: TypeAlias = ScoredRow | ErrorRow
