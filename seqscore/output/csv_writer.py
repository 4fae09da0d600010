"""Records as CSV or TSV: a header and a line each."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from seqscore.evaluation.scored.scored_rows import FieldKind, OutputRecord
from seqscore.output.destination import Output
from seqscore.output.escape import csv_text, terminal_text
from seqscore.output.naming import Notify
from seqscore.output.record_writer import RecordWriter, Sheet
from seqscore.output.spool import SpooledWriter
from seqscore.typed_json import cell, without_lone_surrogates

_MAX_WAITING = 1_000


def csv_writer(sheet: Sheet) -> RecordWriter:
    """The writer of values between commas."""
    return _separated(sheet, ",")


def tsv_writer(sheet: Sheet) -> RecordWriter:
    """The writer of values between tabs."""
    return _separated(sheet, "\t")


def _separated(sheet: Sheet, delimiter: str) -> RecordWriter:
    """Of a file all columns must be known before the header: records wait in a temporary file."""

    def separated(columns: Sequence[str] | None) -> RecordWriter:
        return SeparatedWriter(
            sheet.output,
            sheet.fields,
            columns=columns,
            delimiter=delimiter,
            quote_formulas=sheet.options.quote_formulas,
            notify=sheet.options.notify,
        )

    known = sheet.options.columns
    if known == () or not sheet.output.is_file:
        return separated(None if known is None else [sheet.names.name(column) for column in known])
    return SpooledWriter(sheet.output, lambda columns, _: separated(columns))


class SeparatedWriter:
    """A header and one line a record, in UTF-8 with line feeds; handed on at once.

    Cells are the data as they are: text unchanged, numbers in full precision, infinities as ``Infinity`` and
    ``-Infinity``, flags as ``true`` and ``false``, nothing for what is not defined, lists and objects as JSON. With
    ``quote_formulas`` text that a spreadsheet would take for a formula gets an apostrophe in front (see ``csv_text``).
    On a terminal, and only there, control characters are shown as escapes.

    The columns of the input are those of ``columns``, and where that is None those of the first record; a later
    record's others are told at the end.
    """

    def __init__(
        self,
        output: Output,
        fields: Mapping[str, FieldKind],
        *,
        columns: Sequence[str] | None,
        delimiter: str,
        quote_formulas: bool,
        notify: Notify,
    ) -> None:
        self._output, self._fields, self._columns = output, fields, columns
        self._quotes, self._notify = quote_formulas, notify
        self._on_terminal = output.stream.isatty()
        self._as_they_are = not (quote_formulas or self._on_terminal)
        self._line = io.StringIO(newline="")
        # With this line end, cells that hold either of its two characters are put between quotes.
        self._rows = csv.writer(self._line, delimiter=delimiter, lineterminator="\r\n")
        self._has_header = False
        self._waiting: list[OutputRecord] = []
        self._left_out: dict[str, None] = {}

    def write(self, record: OutputRecord) -> None:
        """Write one line."""
        if (
            self._columns is None
            and "error" in record.fields
            and not record.columns
            and len(self._waiting) < _MAX_WAITING
        ):
            self._waiting.append(record)  # a row that could not be read does not say which columns there are
            return
        self._write_header(record)
        for one in (*self._waiting, record):
            self._write_record(one, self._columns or ())
        self._waiting = []

    def _write_record(self, record: OutputRecord, columns: Sequence[str]) -> None:
        cells = [self._cell(record.fields.get(name), kind) for name, kind in self._fields.items()]
        cells += [self._cell(record.columns.get(name), "text") for name in columns]
        self._left_out.update(dict.fromkeys(name for name in record.columns if name not in columns))
        self._write_cells(cells)

    def _cell(self, value: Any, kind: FieldKind) -> str:
        if value is None:
            return ""
        if type(value) is str and self._as_they_are and value.isascii():  # most text, and not looked at further
            return value
        text = cell(without_lone_surrogates(value))
        if kind not in ("text", "top") or not text or isinstance(value, bool | int | float):
            return text
        text = csv_text(text) if self._quotes else text
        return terminal_text(text) if self._on_terminal else text

    def _write_header(self, record: OutputRecord | None) -> None:
        # Not before there is something to write: a run that fails at once leaves standard output empty.
        if not self._has_header:
            self._has_header = True
            if self._columns is None:
                self._columns = list(record.columns) if record is not None else []
            self._write_cells([*self._fields, *(self._cell(name, "text") for name in self._columns)])

    def _write_cells(self, cells: list[str]) -> None:
        self._line.seek(0)
        self._line.truncate()
        self._rows.writerow(cells)
        self._output.write(self._line.getvalue().removesuffix("\r\n").encode("utf-8") + b"\n")

    def finish(self, about: Mapping[str, str]) -> None:
        """A file without rows still has its header."""
        self._write_header(None)
        for one in self._waiting:
            self._write_record(one, ())
        if self._left_out:
            self._notify(
                f"left out: the columns {', '.join(map(repr, self._left_out))}, which the first row does not have; "
                f"write to a file with -o, or as jsonl"
            )

    def discard(self) -> None:
        """Nothing is held."""
