"""A row of a run as it is stored: one schema for every task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from seqscore.errors import SeqscoreError
from seqscore.evaluation.data.kept_columns import KeepColumns, kept_columns
from seqscore.evaluation.tasks.rows import Entry, TaskItem, TaskRow
from seqscore.scores.sequence_score import SequenceScore
from seqscore.typed_json import encoded

if TYPE_CHECKING:
    import pyarrow as pa

Keep: TypeAlias = Literal["tokens", "scores", "all"]
"""What is stored of an item: its sums alone (``scores``), also every scored token (``tokens``), also the rank of every
scored token and the entropy at its place (``all``)."""

KEEP: tuple[Keep, ...] = get_args(Keep)

TOKEN_LISTS = ("token_ids", "starts", "ends", "logprobs", "ranks", "entropies")
"""What is stored of every scored token, where tokens are kept."""


def run_schema() -> pa.Schema:
    """Columns of a part. Lists of tokens hold the scored tokens of an item, in order; they are null where not kept.
    ``numbers``: what the task stores of an item, by its own names; whole numbers up to 2^53 are there exactly.
    ``columns``: the other columns of the input row, as the JSON of ``typed_json``; null where there are none.
    ``tokens_hash``: by which items of one row are compared; null where a row has but one."""
    import pyarrow as pa

    text, whole = pa.string(), pa.int64()
    return pa.schema(
        [
            ("id", text),
            ("number", whole),
            ("group", text),
            ("gold", whole),
            ("columns", text),
            ("error_code", text),
            ("error_message", text),
            ("items", pa.list_(pa.struct(_item_fields()))),
        ]
    )


def _item_fields() -> list[tuple[str, pa.DataType]]:
    import pyarrow as pa

    text, whole, real, flag = pa.string(), pa.int64(), pa.float64(), pa.bool_()
    return [
        ("role", text),
        ("context", text),
        ("text", text),
        ("log_likelihood", real),
        ("num_scored", whole),
        ("num_tokens", whole),
        ("num_cut", whole),
        ("num_unread", whole),
        ("num_unknown", whole),
        ("boundary", text),
        ("delimiter", text),
        ("tokens_hash", whole),
        ("num_windows", whole),
        ("num_bytes_scored", whole),
        ("numbers", pa.map_(text, real)),
        ("is_greedy", flag),
        ("start_token", whole),
        ("token_ids", pa.list_(pa.int64())),
        ("starts", pa.list_(pa.int64())),
        ("ends", pa.list_(pa.int64())),
        ("logprobs", pa.list_(real)),
        ("ranks", pa.list_(pa.int64())),
        ("entropies", pa.list_(real)),
    ]


def error_record(entry: Entry, error: SeqscoreError, columns: KeepColumns = "all") -> dict[str, Any]:
    """A row that could not be scored, and why."""
    record = head_of(entry, columns)
    if isinstance(entry.row, TaskRow):
        record["group"] = unicode_text(entry.row.group)
    return {**record, "error_code": error.code, "error_message": unicode_text(error.message)}


def score_record(
    entry: Entry, row: TaskRow, scores: Sequence[SequenceScore], keep: Keep, columns: KeepColumns = "all"
) -> dict[str, Any]:
    """A row with the scores of its items."""
    return {
        **head_of(entry, columns),
        "group": unicode_text(row.group),
        "gold": row.gold,
        "items": [
            _item(item, score, keep, side_by_side=len(scores) > 1)
            for item, score in zip(row.items, scores, strict=True)
        ],
    }


def head_of(entry: Entry, columns: KeepColumns) -> dict[str, Any]:
    """What every stored row has, scored or not."""
    kept = kept_columns(entry.source, columns, entry.used) if isinstance(entry.source, Mapping) else {}
    return {"id": unicode_text(entry.id), "number": entry.number, "columns": encoded(kept) if kept else None}


def unicode_text(text: str | None) -> str | None:
    """Text that Parquet can hold: a lone surrogate from the data as its escape, ``\\ud800`` (as JSON has it too)."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _item(item: TaskItem, score: SequenceScore, keep: Keep, *, side_by_side: bool) -> dict[str, Any]:
    return {
        "role": item.role,
        "context": score.context if isinstance(score.text, str) else None,
        "text": score.continuation,
        "log_likelihood": score.log_likelihood,
        "num_scored": score.num_scored,
        "num_tokens": score.num_tokens,
        "num_cut": score.num_cut,
        "num_unread": score.num_unread,
        "num_unknown": score.num_unknown,
        "boundary": score.boundary,
        "delimiter": score.delimiter if score.context or score.delimiter else None,
        "tokens_hash": tokens_hash(score) if side_by_side else None,
        "num_windows": score.num_windows,
        "num_bytes_scored": score.num_bytes_scored,
        "numbers": dict(item.numbers),
        "is_greedy": score.is_greedy,
        "start_token": score.start_token,
        **_tokens(score, keep),
    }


def tokens_hash(score: SequenceScore) -> int:
    """XXH64 of the scored token ids, as a signed number: whether two items score the same tokens, also where those
    themselves are not kept."""
    import xxhash

    digest = xxhash.xxh3_64_digest(score.token_ids[score.scored].astype("<i8").tobytes())
    return int.from_bytes(digest, signed=True)


def _tokens(score: SequenceScore, keep: Keep) -> Mapping[str, Any]:
    if keep == "scores":
        return dict.fromkeys(TOKEN_LISTS)
    arrays: list[Any] = [score.token_ids, score.starts, score.ends, score.logprobs]
    arrays += [score.ranks, score.entropies] if keep == "all" else [None, None]
    return {
        name: None if array is None else np.asarray(array)[score.scored].tolist()
        for name, array in zip(TOKEN_LISTS, arrays, strict=True)
    }
