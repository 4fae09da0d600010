"""A scored row of input, or the error that stands in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from seqscore.scores.sequence import SequenceScore


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A row of input and its score.

    ``number`` counts rows from 0 over the whole input, where ids may repeat; ``columns`` are the row's other columns.
    """

    id: int | str
    score: SequenceScore
    number: int = field(default=0, compare=False)
    columns: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """A row that could not be scored: the short name of the error, and its message for people."""

    id: int | str
    code: str
    message: str
    number: int = field(default=0, compare=False)
    columns: Mapping[str, Any] = field(default_factory=dict, compare=False)


Row: TypeAlias = ScoredRow | ErrorRow
