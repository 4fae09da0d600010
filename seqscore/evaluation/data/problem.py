"""A row, or what is wrong with it, in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from seqscore.errors import SeqscoreError
from seqscore.evaluation.data.kept_columns import NO_COLUMNS


@dataclass(frozen=True, slots=True)
class Problem:
    """Stands in the place of a row that cannot be read or scored; the rows behind it can. ``number``: its place among
    the rows, from 0; ``columns``: those columns of the input that travel with it."""

    id: int | str
    error: SeqscoreError
    number: int = field(default=0, compare=False)
    columns: Mapping[str, Any] = field(default_factory=lambda: NO_COLUMNS, compare=False)


T = TypeVar("T")

Row: TypeAlias = T | Problem
"""A row of some kind, or the problem in its place."""
