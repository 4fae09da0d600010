"""How a run is made."""

from __future__ import annotations

from dataclasses import dataclass

from seqscore.errors import OptionError
from seqscore.evaluation.data.kept_columns import KeepColumns
from seqscore.evaluation.run.row_schema import KEEP, Keep
from seqscore.policies import PolicyKeywords, whole_number
from seqscore.scores.statistics.intervals import check_resampling

DEFAULT_PART_ROWS, MAX_PART_ROWS = 500, 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is made.

    ``policies``: the keywords of ``Scorer.stream``. ``keep``: what is stored of every item. ``keep_columns``: which of
    the input's columns are stored with a row (all: those that are not stored anyway). ``part_rows``: rows of a part,
    the most that is lost when a run is killed. ``level``, ``resamples``, ``seed``: of the intervals.
    """

    policies: PolicyKeywords
    keep: Keep = "tokens"
    keep_columns: KeepColumns = "all"
    part_rows: int = DEFAULT_PART_ROWS
    level: float = 0.95
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.keep not in KEEP:
            raise OptionError(f"keep={self.keep!r} is unknown; expected one of {', '.join(KEEP)}")
        for name in ("part_rows", "resamples", "seed"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        if not 1 <= self.part_rows <= MAX_PART_ROWS:
            raise OptionError(f"part_rows={self.part_rows} must be 1 to {MAX_PART_ROWS:,}")
        # Now, not after all was scored.
        check_resampling(level=self.level, resamples=self.resamples, seed=self.seed)
        object.__setattr__(self, "level", float(self.level))
