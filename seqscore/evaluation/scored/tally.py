"""What a stream of scored rows comes to besides its scores: how many failed, why, and what was not read."""

from __future__ import annotations

from typing import Protocol

from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.scored.reasons import Reasons
from seqscore.scores.sequence_score import SequenceScore


class Scored(Protocol):
    """What was scored."""

    @property
    def score(self) -> SequenceScore:
        """Of a text."""
        ...


class Tally:
    """Counts rows as they come by; memory is bounded."""

    def __init__(self) -> None:
        self.rows = self.unread_rows = self.unread_tokens = 0
        self.reasons = Reasons()

    @property
    def failed(self) -> int:
        """Rows without a score."""
        return self.reasons.total

    def count(self, row: Row[object]) -> None:
        """One more row, whatever it holds."""
        self.rows += 1
        if isinstance(row, Problem):
            self.reasons.add(row.error.code, row.error.message, row=str(row.id))

    def add(self, row: Row[Scored]) -> None:
        """One more row, with what of its context was not read."""
        self.count(row)
        if not isinstance(row, Problem):
            self.unread_tokens += row.score.num_unread
            self.unread_rows += row.score.num_unread > 0
