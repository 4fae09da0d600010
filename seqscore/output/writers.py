"""One writer a format, all with the same small interface."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, cast, get_args

from seqscore.errors import OptionError
from seqscore.evaluate.rows import ErrorRow, Row, ScoredRow
from seqscore.output.escape import csv_text, json_text, terminal_text
from seqscore.output.files import Output
from seqscore.scores.reductions import Unit, in_unit

__all__ = [
    "CSV_COLUMNS",
    "CSV_TOKEN_COLUMNS",
    "FORMATS",
    "CsvWriter",
    "Format",
    "JsonlWriter",
    "Writer",
    "format_of",
    "open_writer",
]

Format: TypeAlias = Literal["table", "jsonl", "csv", "parquet"]
"""``table`` is for people; the others hold every number in full precision."""

FORMATS: tuple[Format, ...] = get_args(Format)

CSV_COLUMNS = (
    *("id", "text", "context", "log_likelihood", "unit", "num_tokens", "num_scored", "perplexity", "bits_per_byte"),
    *("is_greedy", "num_windows", "num_cut", "num_unread", "boundary", "error", "signature"),
)
CSV_TOKEN_COLUMNS = (
    *("id", "token_index", "token_id", "token", "start", "end", "logprob", "unit", "rank", "entropy", "is_greedy"),
    *("error", "signature"),
)
_NUMBERS = frozenset({"log_likelihood", "perplexity", "bits_per_byte", "logprob", "entropy"})


class Writer(Protocol):
    """Writes rows in one format."""

    def write(self, row: Row) -> None:
        """Write one row."""

    def finish(self) -> None:
        """Write what is still to be written once all rows are there."""

    def discard(self) -> None:
        """Let go of everything: the output will not be completed."""


def format_of(target: Path | None) -> Format:
    """The format that a file's name ends in (.jsonl, .csv, .parquet), ``table`` for any other and for none."""
    suffix = "" if target is None else target.suffix.lower().removeprefix(".")
    return suffix if suffix in FORMATS else "table"


@contextmanager
def open_writer(
    output_format: str, target: Path | None, *, unit: str = "nats", tokens: bool = False
) -> Iterator[Writer]:
    """A writer of ``output_format`` into ``target`` (None: standard output), as a context manager.

    A file appears at the end of the block, whole, or not at all where the block raises.

    Args:
        output_format: ``table``, ``jsonl``, ``csv`` or ``parquet``.
        target: the file, or None for standard output (not for parquet).
        unit: of all logarithms, ``nats`` or ``bits``.
        tokens: write every token too.

    Raises:
        OptionError: unknown format or unit, or the target cannot be written.
    """
    if output_format not in FORMATS:
        raise OptionError(f"format {output_format!r} is unknown; expected one of {', '.join(FORMATS)}")
    in_unit(0.0, cast(Unit, unit))
    if output_format == "parquet" and target is None:
        raise OptionError("format 'parquet' cannot go to standard output; name a file with -o FILE")
    with Output(target) as output:
        writer = _new_writer(output_format, output, unit=cast(Unit, unit), tokens=tokens)
        try:
            yield writer
            writer.finish()
        except BaseException:
            writer.discard()
            raise


def _new_writer(output_format: Format, output: Output, *, unit: Unit, tokens: bool) -> Writer:
    if output_format == "jsonl":
        return JsonlWriter(output, unit=unit, tokens=tokens)
    if output_format == "csv":
        return CsvWriter(output, unit=unit, tokens=tokens)
    if output_format == "parquet":
        from seqscore.output.parquet import ParquetWriter

        return ParquetWriter(output, unit=unit, tokens=tokens)
    from seqscore.output.tables import TableWriter

    return TableWriter(output, unit=unit, tokens=tokens)


class JsonlWriter:
    """One JSON object a line, in UTF-8, handed on at once; infinities are the strings "Infinity" and "-Infinity".

    A row that could not be scored is ``{"id": ..., "error": {"code": ..., "message": ...}}``. Control and
    bidirectional characters are escaped, other characters are written as they are.
    """

    def __init__(self, output: Output, *, unit: Unit, tokens: bool) -> None:
        self._output, self._unit, self._tokens = output, unit, tokens

    def write(self, row: Row) -> None:
        """Write one line."""
        record = {"id": row.id, **self._fields(row)}
        line = json_text(json.dumps(record, ensure_ascii=False, allow_nan=False))
        self._output.write(line.encode("utf-8") + b"\n")

    def _fields(self, row: Row) -> dict[str, Any]:
        if isinstance(row, ErrorRow):
            return {"error": {"code": row.code, "message": row.message}}
        return row.score.to_dict(unit=self._unit, tokens=self._tokens)

    def finish(self) -> None:
        """Nothing is left to be written."""

    def discard(self) -> None:
        """Nothing is held."""


class CsvWriter:
    """A header and one row a text, or with ``tokens`` one row a token, in UTF-8 with line feeds; handed on at once.

    Numbers have full precision, infinities are ``Infinity`` and ``-Infinity``, what is not defined is empty. Text
    that a spreadsheet would take for a formula gets an apostrophe in front (see ``csv_text``). On a terminal, and only
    there, control characters are shown as escapes.
    """

    def __init__(self, output: Output, *, unit: Unit, tokens: bool) -> None:
        self._output, self._unit, self._tokens = output, unit, tokens
        self._columns = CSV_TOKEN_COLUMNS if tokens else CSV_COLUMNS
        self._on_terminal = output.stream.isatty()
        self._has_header = False

    def write(self, row: Row) -> None:
        """Write the row, or its tokens."""
        self._write_header()
        for record in self._records(row):
            self._write_cells([self._cell(name, record.get(name)) for name in self._columns])

    def _records(self, row: Row) -> Iterator[dict[str, Any]]:
        if isinstance(row, ErrorRow):
            yield {"id": row.id, "error": f"{row.code}: {row.message}"}
        elif self._tokens:
            yield from self._token_records(row)
        else:
            yield {"id": row.id, **row.score.to_dict(unit=self._unit, tokens=False)}

    def _token_records(self, row: ScoredRow) -> Iterator[dict[str, Any]]:
        record = row.score.to_dict(unit=self._unit, tokens=True)
        shared = {"id": row.id, "unit": self._unit, "signature": record["signature"]}
        for index, token in enumerate(record["tokens"]):
            named = {**token, "token_id": token["id"], "token": token["text"], "token_index": index}
            yield {**named, **shared}

    def _cell(self, name: str, value: str | float | bool | None) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str):
            return repr(value)
        if name in _NUMBERS:  # an infinity
            return value
        return csv_text(terminal_text(value) if self._on_terminal else value)

    def _write_header(self) -> None:
        # Not before there is something to write: a run that fails at once leaves standard output empty.
        if not self._has_header:
            self._has_header = True
            self._write_cells(list(self._columns))

    def _write_cells(self, cells: list[str]) -> None:
        buffer = io.StringIO(newline="")
        # With this line end, cells that hold either of its two characters are put between quotes.
        csv.writer(buffer, lineterminator="\r\n").writerow(cells)
        self._output.write(buffer.getvalue().removesuffix("\r\n").encode("utf-8") + b"\n")

    def finish(self) -> None:
        """A file without rows still has its header."""
        self._write_header()

    def discard(self) -> None:
        """Nothing is held."""
