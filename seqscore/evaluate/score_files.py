"""Files that ``seqscore score --format jsonl`` wrote, as rows that are looked at."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqscore.errors import InputError
from seqscore.evaluate.charts import RunCharts, ValueChart
from seqscore.evaluate.lines import text_lines
from seqscore.evaluate.views import ItemView, RowView, Tokens
from seqscore.scores.frequency import rank_frequency
from seqscore.scores.intervals import Sums, bootstrap_interval
from seqscore.scores.reductions import log_likelihood, perplexity

__all__ = ["charts_of_scores", "read_scores"]

_MAX_LINE = 64 * 2**20


def read_scores(path: Path) -> Iterator[RowView]:
    """The records of a JSONL file of scores, lazily and in order.

    Raises:
        InputError: a line is no record of a score.
    """
    for number, (where, text) in enumerate(text_lines(str(path), limit=_MAX_LINE)):
        if isinstance(text, InputError):
            raise text
        if text.strip():
            yield _row(text, number, where)


def _row(text: str, number: int, where: str) -> RowView:
    try:
        record = json.loads(text)
        if "error" in record:
            error = f"{record['error']['code']}: {record['error']['message']}"
            return _view(record, number, error, ())
        return _view(record, number, None, (_item(record),))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{where} is no record of seqscore score --format jsonl ({type(error).__name__}: {error})"
        ) from error


def _view(record: Mapping[str, Any], number: int, error: str | None, items: tuple[ItemView, ...]) -> RowView:
    values = {
        name: float(record[name])
        for name in ("perplexity", "bits_per_byte")
        if error is None and record[name] is not None
    }
    return RowView(id=str(record["id"]), number=number, group=None, gold=None, error=error, items=items, values=values)


def _item(record: Mapping[str, Any]) -> ItemView:
    scale = math.log(2) if record["unit"] == "bits" else 1.0
    context = record["context"] or ""
    whole = record["text"] or ""
    tokens = [one for one in record["tokens"] if one["logprob"] is not None] if "tokens" in record else None
    return ItemView(
        role="text",
        context=context if whole.startswith(context) else "",
        text=whole.removeprefix(context),
        log_likelihood=float(record["log_likelihood"]) * scale,
        num_scored=record["num_scored"],
        num_bytes_scored=sum(one["end"] - one["start"] for one in tokens or ()),
        tokens=None if tokens is None else _tokens(tokens, scale),
    )


def _tokens(tokens: Sequence[Mapping[str, Any]], scale: float) -> Tokens:
    def whole(name: str) -> Any:
        return np.array([one[name] for one in tokens], np.int64)

    def real(name: str) -> Any:
        return np.array([float(one[name]) * scale for one in tokens], np.float64)

    first = tokens[0] if tokens else {"rank": None, "entropy": None}
    return Tokens(
        ids=whole("id"),
        starts=whole("start"),
        ends=whole("end"),
        logprobs=real("logprob"),
        ranks=None if first["rank"] is None else whole("rank"),
        entropies=None if first["entropy"] is None else real("entropy"),
    )


def charts_of_scores(rows: Iterator[RowView]) -> RunCharts:
    """What a file of scores has figures for: perplexities, with a bootstrap interval of the corpus's; frequencies."""
    totals, counts, ids = [], [], []
    for row in rows:
        for item in row.items:
            if item.num_scored:
                totals.append(item.log_likelihood)
                counts.append(float(item.num_scored))
                if item.tokens is not None:
                    ids.append(item.tokens.ids)
    if not totals:
        return RunCharts(perplexities=None, margins=None, groups=None, calibration=None, frequencies=None)
    sums = Sums.of(totals, counts)
    with np.errstate(over="ignore"):
        values = np.exp(-sums.totals / sums.counts)
    figure = perplexity(log_likelihood(sums.totals), int(sum(counts)))
    interval = bootstrap_interval(sums, "perplexity")
    return RunCharts(
        perplexities=ValueChart("perplexity", "per token", values, figure, interval),
        margins=None,
        groups=None,
        calibration=None,
        frequencies=rank_frequency(ids) if ids else None,
    )
