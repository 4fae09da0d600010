"""Columns that together make a sentence: its words, each with the region that it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqscore.errors import InputError
from seqscore.evaluation.data.dataset import DataRow
from seqscore.evaluation.tasks.regions import sentence_of

REGION_COLUMN = "region"


@dataclass(frozen=True, slots=True)
class RegionWords:
    """A sentence in regions, joined as ``eval criteria`` joins them. ``own``: of each word the name of its region."""

    text: str
    words: tuple[str, ...]
    own: tuple[Mapping[str, Any], ...]


def words_in_regions(row: DataRow, columns: Sequence[str], joiner: str) -> RegionWords:
    """The sentence that ``columns`` of a row make, and its words: the runs without white space of each region, so that
    no word is of two regions. An empty cell is a region without words.

    Raises:
        InputError: a cell is no text, or all are empty.
    """
    parts = [(name, row.context(name) or "") for name in columns]
    text, _ = sentence_of(parts, joiner)
    words = [(word, name) for name, content in parts for word in content.split()]
    if not words:
        raise InputError(f"{row.where}: the regions {', '.join(columns)} are all empty; expected text in one at least")
    return RegionWords(text, tuple(word for word, _ in words), tuple({REGION_COLUMN: name} for _, name in words))
