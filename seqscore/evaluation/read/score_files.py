"""Files that ``seqscore score -o`` wrote, as rows that are looked at."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from seqscore.errors import InputError
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.source_files import read_file
from seqscore.evaluation.data.streams import suffix_of
from seqscore.evaluation.read.charts import RunCharts, ValueChart
from seqscore.evaluation.read.views import ItemView, RowView, Tokens
from seqscore.scores.reductions import log_likelihood, perplexity
from seqscore.scores.statistics.frequency import rank_frequency
from seqscore.scores.statistics.intervals import Sums, bootstrap_interval

_MAX_LINE = 64 * 2**20
_MAX_TOKENS = 2**20  # of a text that is looked at
WRITTEN = DataOptions(quoting="standard", max_line_bytes=_MAX_LINE, notify=lambda message: None)
"""How files that seqscore wrote itself are read."""


def read_scores(path: Path) -> Iterator[RowView]:
    """The rows of a file that ``seqscore score -o`` wrote as JSONL, CSV, TSV or Parquet, lazily and in order; the
    tokens too where it was written with ``--tokens``.

    Raises:
        InputError: a row is no record of a score.
    """
    found = _json_records(path) if suffix_of(str(path)) not in _TABLES else _table_records(path)
    for number, (where, record) in enumerate(found):
        yield _row(record, number, where)


_TABLES = (".csv", ".tsv", ".parquet")
_TEXT_COUNTS = ("row", "num_tokens", "num_scored")
_TOKEN_COUNTS = ("row", "token_index", "token_id", "start", "end", "rank")
_Placed: TypeAlias = tuple[str, Mapping[str, Any]]


def _json_records(path: Path) -> Iterator[_Placed]:
    """Objects, a line each, whatever the end of the file's name is."""
    for record in read_file(str(path), replace(WRITTEN, read_as="jsonl")):
        if isinstance(record, InputError):
            raise record
        yield record.where, record.values


def _table_records(path: Path) -> Iterator[_Placed]:
    """The rows of a table; of a table of tokens those of each text together."""
    rows = _typed_rows(path)
    first = next(rows, None)
    if first is None:
        return
    rows = chain([first], rows)
    if "token_index" not in first[1]:
        yield from rows
        return
    for _, tokens in groupby(rows, key=lambda row: (row[1].get("row"), row[1].get("id"))):
        held = list(islice(tokens, _MAX_TOKENS + 1))
        if len(held) > _MAX_TOKENS:
            raise InputError(f"{held[0][0]} begins a text of more than {_MAX_TOKENS:,} tokens, the limit for one text")
        yield _text_of_tokens(held)


def _typed_rows(path: Path) -> Iterator[_Placed]:
    """Rows whose numbers are numbers; what is empty in a text format is None."""
    for record in read_file(str(path), WRITTEN):
        if isinstance(record, InputError):
            raise record
        try:
            values: dict[str, Any] = {
                name: None if value == "" and name != "text" else value for name, value in record.values.items()
            }
            counts = _TOKEN_COUNTS if "token_index" in values else _TEXT_COUNTS
            whole = {name: int(values[name]) for name in counts if values.get(name) is not None}
        except (ValueError, TypeError, OverflowError) as error:
            raise _no_record(record.where, error) from error
        yield record.where, {**values, **whole}


def _text_of_tokens(rows: Sequence[_Placed]) -> _Placed:
    """The record of a text from those of its tokens."""
    where, first = rows[0]
    if first.get("error"):
        return where, first
    try:
        tokens = [{**row, "id": row["token_id"]} for _, row in rows if row["token_id"] is not None]
        pieces = [_bytes_of(str(row["token"] or ""), row["end"] - row["start"]) for row in tokens]
        text = b"".join(pieces).decode()
        scored = [float(row["logprob"]) for row in tokens if row["logprob"] is not None]
        total = math.fsum(scored)
        scale = math.log(2) if first["unit"] == "bits" else 1.0
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _no_record(where, error) from error
    return where, {
        **{name: first.get(name) for name in ("id", "row", "unit")},
        "text": text,
        "context": None,
        "log_likelihood": total,
        "num_scored": len(scored),
        "perplexity": perplexity(total * scale, len(scored)),
        "bits_per_byte": None,
        "tokens": tokens,
    }


_BYTE = re.compile(rb"\\x([0-9a-f]{2})")


def _bytes_of(token: str, size: int) -> bytes:
    """The bytes of a token; those that are no character of their own stand as ``\\xe4`` in its text. An end token is
    called by its name, and stands for none."""
    data = token.encode() if size else b""
    if len(data) != size:
        data = _BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), data)
    if len(data) != size:
        raise ValueError(f"the token {token!r} has {len(data)} bytes, not {size}")
    return data


def _no_record(where: str, error: Exception) -> InputError:
    return InputError(f"{where} is no record of seqscore score ({type(error).__name__}: {error})")


def _row(record: Mapping[str, Any], number: int, where: str) -> RowView:
    try:
        error = record.get("error")
        if error is not None:
            message = error if isinstance(error, str) else f"{error['code']}: {error['message']}"
            return _view(record, number, message, ())
        return _view(record, number, None, (_item(record, where),))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _no_record(where, error) from error


def _view(record: Mapping[str, Any], number: int, error: str | None, items: tuple[ItemView, ...]) -> RowView:
    values = {
        name: float(record[name])
        for name in ("perplexity", "bits_per_byte")
        if error is None and record[name] is not None
    }
    number = number if record.get("row") is None else int(record["row"])
    return RowView(id=str(record["id"]), number=number, group=None, gold=None, error=error, items=items, values=values)


def _item(record: Mapping[str, Any], where: str) -> ItemView:
    scale = math.log(2) if record["unit"] == "bits" else 1.0
    context, whole = record["context"] or "", record["text"] or ""
    listed = record.get("tokens")
    tokens = None if listed is None else [one for one in listed if one["logprob"] is not None]
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
        return {}
    sums = Sums.of(totals, counts)
    with np.errstate(over="ignore"):
        values = np.exp(-sums.totals / sums.counts)
    finite = bool(np.isfinite(values).any())
    figure = perplexity(log_likelihood(sums.totals), int(sum(counts)))
    interval = bootstrap_interval(sums, "perplexity")
    charts: dict[str, Any] = {}
    if finite:
        charts["perplexities"] = ValueChart("perplexity", "per token", values, figure, interval)
    if ids:
        charts["frequencies"] = rank_frequency(ids)
    return charts
