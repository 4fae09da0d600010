"""The rows of a report as data for its page: JSON, with the numbers of all tokens in packed arrays.

A page with ten thousand rows has some hundred thousand tokens. Their log-probabilities travel as float64 in base64, so
that every digit arrives and no text of numbers has to be parsed.
"""

from __future__ import annotations

import base64
import json
import math
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from seqscore.files import plain

if TYPE_CHECKING:
    from seqscore.evaluation.read.reports import Column, Report
    from seqscore.evaluation.read.views import ItemView, RowView

_MAX_BYTES = 64 * 2**20
_TOKEN_BYTES = 32  # what a token takes on the page, about, with rank and entropy


@dataclass
class _Tokens:
    """What is known of every token and every piece on the page, one after the other."""

    lengths: array[int] = field(
        default_factory=lambda: array("q")
    )  # of each piece, in UTF-16 units, as JavaScript counts
    counts: array[int] = field(default_factory=lambda: array("q"))  # tokens of each piece
    ids: array[int] = field(default_factory=lambda: array("q"))
    logprobs: array[float] = field(default_factory=lambda: array("d"))
    ranks: array[int] = field(default_factory=lambda: array("q"))
    entropies: array[float] = field(default_factory=lambda: array("d"))

    def add(self, item: ItemView) -> list[int] | None:
        """[first piece, pieces, first token, begin in the text] of an item; None where its tokens cannot be shown."""
        pieces = list(item.pieces())
        if not pieces or item.tokens is None:
            return None
        data = (item.context + item.text).encode("utf-8")
        begin = _utf16(data[: int(item.tokens.starts[0])].decode("utf-8", "replace"))
        place = [len(self.lengths), len(pieces), len(self.ids), begin]
        size = len(item.tokens.ids)
        self.lengths.extend(_utf16(piece.text) for piece in pieces)
        self.counts.extend(piece.last - piece.first for piece in pieces)
        self.ids.extend(item.tokens.ids.tolist())
        self.logprobs.extend(item.tokens.logprobs.tolist())
        self.ranks.extend([0] * size if item.tokens.ranks is None else item.tokens.ranks.tolist())
        self.entropies.extend([math.nan] * size if item.tokens.entropies is None else item.tokens.entropies.tolist())
        return place

    def packed(self) -> dict[str, Any]:
        """The arrays; ranks and entropies only where there are any."""
        found: dict[str, Any] = {
            "lengths": _whole(self.lengths),
            "counts": _whole(self.counts),
            "ids": _whole(self.ids),
            "logprobs": _real(self.logprobs),
        }
        if any(self.ranks):
            found["ranks"] = _whole(self.ranks)
        if not np.isnan(np.array(self.entropies)).all():
            found["entropies"] = _real(self.entropies)
        return found


def _utf16(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _whole(values: array[int]) -> dict[str, str]:
    """Whole numbers of the smallest unsigned kind that holds them, little-endian."""
    found = np.array(values, np.uint64)
    kind = next(one for one in ("u1", "u2", "u4") if found.max(initial=0) <= np.iinfo(one).max)
    return {"kind": kind, "data": _base64(found.astype(f"<{kind}"))}


def _real(values: array[float]) -> dict[str, str]:
    return {"kind": "f8", "data": _base64(np.array(values, "<f8"))}


def _base64(values: Any) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def payload_of(report: Report) -> dict[str, Any]:
    """What the page's script reads.

    A row is [id, group, heading, error, values, items, items of the other run], with the heading of its ``RowView``; an
    item is [label, context, text, log-likelihood, tokens scored, chosen, right, place of parting, note, tokens], and
    those alone that are texts of the data. Contexts stand once, in a list. Rows end where the page has about 64 MB, so
    that a browser can hold it.
    """
    tokens, contexts = _Tokens(), _Contexts()
    rows: list[list[Any]] = []
    numbers, size = [], 0
    for row, other in report.rows():
        items = [_item(one, tokens, contexts) for one in row.items if one.shown]
        others = [] if other is None else [_item(one, tokens, contexts) for one in other.items if one.shown]
        values = [_value(column, row, other) for column in report.columns]
        error = row.error if row.error is not None else None if other is None else other.error
        numbers.append(row.number)
        rows.append([row.id, row.group, row.heading, error, values, items, others])
        size += sum(len(one.text) for one in (*row.items, *(() if other is None else other.items)))
        if size + contexts.size + _TOKEN_BYTES * len(tokens.ids) > _MAX_BYTES:
            break
    _number_repeated(rows, numbers)
    return {
        "task": report.task,
        "runs": [run.name for run in report.runs],
        "columns": [
            {name: getattr(one, name) for name in ("title", "unit", "kind", "key", "headline", "run")}
            for one in report.columns
        ],
        "rows": rows,
        "contexts": contexts.texts,
        "tokens": tokens.packed(),
    }


def _number_repeated(rows: list[list[Any]], numbers: list[int]) -> None:
    """Where several rows have one id, the number of each stands behind it."""
    counts = Counter(row[0] for row in rows)
    for row, number in zip(rows, numbers, strict=True):
        if counts[row[0]] > 1:
            row[0] = f"{row[0]} (row {number})"


class _Contexts:
    """Every context once: the choices of a question share theirs."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.size = 0
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append(text)
            self.size += len(text)
        return self._places[text]


def _item(item: ItemView, tokens: _Tokens, contexts: _Contexts) -> list[Any]:
    return [
        item.label,
        contexts.place(item.context),
        item.text,
        item.log_likelihood,
        item.num_scored,
        item.chosen,
        item.right,
        item.parts_at,
        item.note,
        tokens.add(item),
    ]


def _value(column: Column, row: RowView, other: RowView | None) -> float | None:
    if column.run == "a":
        return _own(column.key, row)
    theirs = None if other is None else _own(column.key, other)
    if column.run == "b":
        return theirs
    ours = _own(column.key, row)
    return None if ours is None or theirs is None else theirs - ours


def _own(key: str, row: RowView) -> float | None:
    if key in ("log_likelihood", "num_scored"):
        return float(getattr(row.items[0], key)) if row.items else None
    return row.values.get(key)


def script_json(value: Any) -> str:
    """JSON that can stand in a script element: nothing in it can end the element or begin another.

    HTML looks for ``</script`` and ``<!--`` in a script's text and for nothing else, so ``<``, ``>`` and ``&`` are
    written as escapes; so are the two line separators, and lone surrogates, which UTF-8 has no bytes for.
    """
    text = json.dumps(plain(value, nan="null"), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace").decode("utf-8")
