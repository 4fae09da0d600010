"""Which fields the records of scores have, in order, and rows as such records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.scored.scored_rows import FieldKind, OutputRecord, ScoredItem, ScoredRow
from seqscore.scores.reductions import Unit

ROW_FIELDS: Mapping[str, FieldKind] = {
    "id": "text",
    "row": "whole",
    "text": "text",
    "context": "text",
    "delimiter": "text",
    "log_likelihood": "real",
    "unit": "text",
    "num_tokens": "whole",
    "num_scored": "whole",
    "perplexity": "real",
    "bits_per_byte": "real",
    "is_greedy": "flag",
    "start_token": "whole",
    "end_token": "whole",
    "boundary": "text",
    "exact_spans": "flag",
    "num_windows": "whole",
    "num_cut": "whole",
    "num_unread": "whole",
    "num_unknown": "whole",
    "error": "text",
}
"""A row of a table of texts."""

TOKEN_FIELDS: Mapping[str, FieldKind] = {
    "id": "text",
    "row": "whole",
    "token_index": "whole",
    "token_id": "whole",
    "token": "text",
    "start": "whole",
    "end": "whole",
    "logprob": "real",
    "unit": "text",
    "rank": "whole",
    "entropy": "real",
    "is_greedy": "flag",
    "error": "text",
}
"""A row of a table of tokens."""

LIST_FIELDS: Mapping[str, FieldKind] = {**ROW_FIELDS, "tokens": "tokens"}
"""A row of a table of texts whose tokens stand in a list."""


def with_top(fields: Mapping[str, FieldKind]) -> Mapping[str, FieldKind]:
    """The fields of a table with tokens, where the most probable ones stand beside each."""
    if "tokens" in fields:
        return {**fields, "tokens": "tokens and top"}
    return {**fields, "top": "top"}


def text_record(row: ScoredItem, *, unit: Unit, tokens: bool) -> OutputRecord:
    """A row as one record; with ``tokens`` it has a list of them. An error is text."""
    if isinstance(row, Problem):
        return OutputRecord({**_head(row), "error": f"{row.error.code}: {row.error.message}"}, row.columns)
    return OutputRecord({**_head(row), **_score(row, unit, tokens)}, row.columns)


def json_record(row: ScoredItem, *, unit: Unit, tokens: bool) -> OutputRecord:
    """The same, but an error is an object of its code and its message."""
    if isinstance(row, Problem):
        return OutputRecord(
            {**_head(row), "error": {"code": row.error.code, "message": row.error.message}}, row.columns
        )
    return text_record(row, unit=unit, tokens=tokens)


def token_records(row: ScoredItem, *, unit: Unit) -> Iterator[OutputRecord]:
    """A record for each token of a row, or one for its error, or for a text that has none."""
    if isinstance(row, Problem):
        yield text_record(row, unit=unit, tokens=False)
        return
    if not len(row.score):
        yield OutputRecord({**_head(row), "unit": unit}, row.columns)  # a text without tokens is a row too
    for index, token in enumerate(row.score.to_dict(unit=unit, tokens=True)["tokens"]):
        named = {**token, "token_id": token["id"], "token": token["text"], "token_index": index, "unit": unit}
        yield OutputRecord({**named, **_head(row)}, row.columns)


def _head(row: ScoredItem) -> dict[str, Any]:
    number = row.number if row.number is not None else row.id if isinstance(row.id, int) else None
    return {"id": row.id, "row": number}


def _score(row: ScoredRow, unit: Unit, tokens: bool) -> dict[str, Any]:
    found = row.score.to_dict(unit=unit, tokens=tokens)
    del found["signature"]  # which stands once, for all
    return found
