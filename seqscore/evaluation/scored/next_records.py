"""What a model expects behind a context, as a row and as flat records for files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from seqscore.evaluation.data.kept_columns import NO_COLUMNS
from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.scored.scored_rows import FieldKind, OutputRecord
from seqscore.scores.next_scores import NextTokens, NextWords
from seqscore.scores.reductions import Unit, in_unit

NEXT_FIELDS: Mapping[str, FieldKind] = MappingProxyType(
    {
        "id": "text",
        "row": "whole",
        "context": "text",
        "kind": "text",
        "rank": "whole",
        "token_id": "whole",
        "text": "text",
        "num_tokens": "whole",
        "logprob": "real",
        "probability": "real",
        "rank_corrected": "whole",
        "logprob_corrected": "real",
        "probability_corrected": "real",
        "entropy": "real",
        "unit": "text",
        "error": "text",
    }
)
"""A record of a token or a word (``kind``) behind a context; ``entropy``: of the next token."""


@dataclass(frozen=True, slots=True)
class NextRow:
    """A context and what is expected behind it; ``words`` None where none were asked for."""

    id: int | str
    tokens: NextTokens
    words: NextWords | None
    number: int | None = field(default=None, compare=False)
    columns: Mapping[str, Any] = field(default_factory=lambda: NO_COLUMNS, compare=False)


NextItem: TypeAlias = Row[NextRow]


def next_records(row: NextItem, *, unit: Unit) -> Iterator[OutputRecord]:
    """A record for each token and each word behind a context, or one for its error."""
    head: dict[str, Any] = {"id": row.id, "row": row.number}
    if isinstance(row, Problem):
        yield OutputRecord({**head, "error": f"{row.error.code}: {row.error.message}"}, row.columns)
        return
    head |= {"context": row.tokens.context, "entropy": in_unit(row.tokens.entropy, unit), "unit": unit}
    for token in row.tokens.to_dicts(unit):
        yield _record({**token, "kind": "token", "token_id": token["id"], "num_tokens": 1, **head}, row.columns)
    for word in () if row.words is None else row.words.to_dicts(unit):
        yield _record({**word, "kind": "word", **head}, row.columns)


def _record(fields: Mapping[str, Any], columns: Mapping[str, Any]) -> OutputRecord:
    """With all fields but that of an error, in their order."""
    return OutputRecord({name: fields.get(name) for name in NEXT_FIELDS if name != "error"}, columns)


def signature_of_next(row: NextItem) -> str | None:
    """The signature of its numbers: of the words where there are any, who name how they end; None where it has none."""
    if isinstance(row, Problem):
        return None
    return row.tokens.signature if row.words is None else row.words.signature
