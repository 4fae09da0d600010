"""Words with their scores as flat records for files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.scored.scored_rows import FieldKind, OutputRecord
from seqscore.evaluation.words.word_rows import WordRow
from seqscore.scores.reductions import Unit
from seqscore.scores.word_scores import WORD_COLUMNS

WORD_FIELDS: Mapping[str, FieldKind] = MappingProxyType({"id": "text", "row": "whole", **WORD_COLUMNS, "error": "text"})
"""What a record of a word has; see ``WordScores.to_dicts``. ``row``: the number of its text, from 0."""


def word_records(row: Row[WordRow], *, unit: Unit = "bits") -> Iterator[OutputRecord]:
    """A record for each word of a text, in order; a text that could not be scored gives one with its error."""
    if isinstance(row, Problem):
        error = f"{row.error.code}: {row.error.message}"
        yield OutputRecord({"id": row.id, "row": row.number, "error": error}, row.columns)
        return
    source = row.source
    for place, fields in enumerate(row.words.to_dicts(unit)):
        yield OutputRecord({"id": source.id, "row": source.number, **fields}, source.columns_at(place))


def signature_of_row(row: Row[WordRow]) -> str | None:
    """The signature of a text's numbers; None where it has none."""
    return None if isinstance(row, Problem) else row.words.signature
