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
from seqscore.evaluate.data.lines import text_lines
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
        return _view(record, number, None, (_item(record, where),))
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
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


def _item(record: Mapping[str, Any], where: str) -> ItemView:
    scale = math.log(2) if record["unit"] == "bits" else 1.0
    context, whole = record["context"] or "", record["text"] or ""
    tokens = [one for one in record["tokens"] if one["logprob"] is not None] if "tokens" in record else None
    total, num_scored = float(record["log_likelihood"]) * scale, record["num_scored"]
    if not total <= 0.0 or not isinstance(num_scored, int) or not 0 <= num_scored <= _MAX_LINE:
        raise ValueError(f"a log-likelihood of {total} over {num_scored!r} tokens")
    if tokens is not None and len(tokens) != num_scored:
        raise ValueError(f"num_scored is {num_scored}, yet {len(tokens)} tokens have a log-probability")
    return ItemView(
        role="text",
        context=context if whole.startswith(context) else "",
        text=whole.removeprefix(context),
        log_likelihood=total,
        num_scored=num_scored,
        num_bytes_scored=sum(one["end"] - one["start"] for one in tokens or ()),
        tokens=None if tokens is None else _tokens(tokens, scale, where, record["text"]),
    )


def _tokens(tokens: Sequence[Mapping[str, Any]], scale: float, where: str, text: str | None) -> Tokens:
    def whole(name: str) -> list[Any]:
        return [one[name] for one in tokens]

    def real(name: str) -> list[float]:
        return [float(one[name]) * scale for one in tokens]

    has_ranks = not tokens or tokens[0]["rank"] is not None
    has_entropies = not tokens or tokens[0]["entropy"] is not None
    return Tokens.checked(
        whole("id"),
        whole("start"),
        whole("end"),
        real("logprob"),
        ranks=whole("rank") if has_ranks else None,
        entropies=real("entropy") if has_entropies else None,
        where=where,
        size=None if text is None else len(text.encode("utf-8", "surrogatepass")),
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
    finite = bool(np.isfinite(values).any())
    figure = perplexity(log_likelihood(sums.totals), int(sum(counts)))
    interval = bootstrap_interval(sums, "perplexity")
    return RunCharts(
        perplexities=ValueChart("perplexity", "per token", values, figure, interval) if finite else None,
        margins=None,
        groups=None,
        calibration=None,
        frequencies=rank_frequency(ids) if ids else None,
    )
