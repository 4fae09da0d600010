"""Rows of scores into a file or to standard output, in any format; the signature stands once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from seqscore.errors import OptionError
from seqscore.evaluation.scored.scored_rows import FieldKind, OutputRecord, ScoredItem, ScoredRow
from seqscore.output.destination import Output
from seqscore.output.formats import Format, format_named, is_gzipped
from seqscore.output.layout import (
    LIST_FIELDS,
    ROW_FIELDS,
    TOKEN_FIELDS,
    json_record,
    text_record,
    token_records,
    with_top,
)
from seqscore.output.naming import Names
from seqscore.output.record_writer import RecordWriter, Sheet, WriterOptions
from seqscore.scores.signature import Signature

SIDECAR = ".meta.json"
_RESERVED = ("signature", "tokens", "token_index")  # which tell a reader what kind of file it has


class Writer(Protocol):
    """Writes rows in one format."""

    def write(self, row: ScoredItem) -> None:
        """Write one row."""


@contextmanager
def open_writer(output_format: str, target: Path | None, **options: Any) -> Iterator[Writer]:
    """A writer of rows in ``output_format`` into ``target`` (None: standard output), as a context manager.

    A file appears at the end of the block, whole, or not at all where the block raises; so does its sidecar.

    Args:
        output_format: a name in ``formats.FORMATS``.
        target: the file, or None for standard output (not for parquet).
        options: those of ``WriterOptions``.

    Raises:
        OptionError: unknown format or option, or the target cannot be written.
    """
    chosen, how = format_named(output_format), WriterOptions(**options)
    fields = ROW_FIELDS if not how.tokens else TOKEN_FIELDS if chosen.records == "flat" else LIST_FIELDS
    if how.tokens and how.lists_top:
        fields = with_top(fields)
    if chosen.records == "rows":
        with Output(target) as output:
            writer = _writer_of(chosen, Sheet(output, fields, Names(_RESERVED, how.notify), how))
            yield writer
            writer.finish({})
        return
    with open_records(output_format, target, fields, how) as records:
        yield _RowWriter(records, chosen, how)


class _RowWriter:
    """Rows as the records that the format has."""

    def __init__(self, records: Records, chosen: Format, options: WriterOptions) -> None:
        self._records, self._layout = records, chosen.records
        self._unit, self._tokens = options.unit, options.tokens

    def write(self, row: ScoredItem) -> None:
        """Write the row, or its tokens."""
        signature = row.score.signature if isinstance(row, ScoredRow) else None
        for record in self._records_of(row):
            self._records.write(record, signature)

    def _records_of(self, row: ScoredItem) -> Iterator[OutputRecord]:
        if self._layout == "json":
            yield json_record(row, unit=self._unit, tokens=self._tokens)
        elif self._tokens and self._layout == "flat":
            yield from token_records(row, unit=self._unit)
        else:
            yield text_record(row, unit=self._unit, tokens=self._tokens)


class Records:
    """Writes records, whose columns of the input get the names that they have here, and the signature in its place."""

    def __init__(self, writer: RecordWriter, names: Names, options: WriterOptions) -> None:
        self._writer, self._names, self._in_rows = writer, names, options.signature == "rows"
        self._once = options.signature == "once"
        self.signature: str | None = None
        self._conditioning = "left"
        self.count = 0

    def write(self, record: OutputRecord, signature: str | None) -> None:
        """Write one record; ``signature``: of its numbers, None where it has none.

        Raises:
            OptionError: the signature is to stand once, and this one differs from those before.
        """
        self.count += 1
        if signature is not None and signature != self.signature:
            if self.signature is not None and self._once:
                raise OptionError("the rows have several signatures; write them with signature='rows'")
            self.signature, self._conditioning = signature, Signature.parse(signature).conditioning
        fields = {**record.fields, "signature": signature} if self._in_rows else record.fields
        self._writer.write(OutputRecord(fields, self._names.of(record.columns), self._conditioning))

    @property
    def about(self) -> dict[str, str]:
        """What belongs to all rows."""
        return {"signature": self.signature} if self._once and self.signature is not None else {}


@contextmanager
def open_records(
    output_format: str, target: Path | None, fields: Mapping[str, FieldKind], options: WriterOptions
) -> Iterator[Records]:
    """A writer of records that have these ``fields``; see ``open_writer``."""
    chosen = format_named(output_format)
    if chosen.records == "rows":
        raise OptionError(f"format {output_format!r} shows scored rows, not records; name another")
    if chosen.for_people and options.signature == "rows":
        options = replace(options, signature="once")  # a table for people has no room for it in every row
    shown: Mapping[str, FieldKind] = {**fields, "signature": "text"} if options.signature == "rows" else fields
    with ExitStack() as stack:
        compresses = target is not None and is_gzipped(target)
        output = stack.enter_context(Output(target, gzip=compresses))
        if not chosen.to_standard_output and output.target is None:
            raise OptionError(f"format {output_format!r} cannot go to standard output; name a file with -o FILE")
        # The sidecar is opened now, so that what keeps it from being written shows at once, and completed first.
        has_sidecar = output.is_file and chosen.sidecar
        beside = output.target.with_name(output.target.name + SIDECAR) if has_sidecar and output.target else None
        side = None
        if beside is not None and options.signature == "once":
            _refuse_stranger(beside)
            side = stack.enter_context(Output(beside))
        names = Names({*shown, *_RESERVED}, options.notify)
        writer = _writer_of(chosen, Sheet(output, shown, names, options))
        records = Records(writer, names, options)
        try:
            yield records
            writer.finish(records.about)
        except BaseException:
            writer.discard()
            raise
        if side is not None:
            side.write(_sidecar_bytes(records, names, options))
        elif not output.is_file and chosen.sidecar and "signature" in records.about:
            options.notify(f"signature: {records.signature}")
    if beside is not None and side is None and _is_sidecar(beside):
        beside.unlink()  # of an earlier file of this name


def _refuse_stranger(beside: Path) -> None:
    if beside.exists() and not _is_sidecar(beside):
        raise OptionError(
            f"the signature would go to {str(beside)!r}, which is there and holds something else; name another file "
            f"with -o, or ask for --signature rows or none"
        )


def _is_sidecar(path: Path) -> bool:
    """Whether there is a file and it is one of ours."""
    try:
        with path.open("rb") as stream:
            found = json.loads(stream.read(1 << 20))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("seqscore") == "scores"


def _sidecar_bytes(records: Records, names: Names, options: WriterOptions) -> bytes:
    about = {
        "seqscore": "scores",
        "signature": records.signature,
        "unit": options.unit,
        "records": records.count,
        "renamed_columns": names.renamed,
    }
    return (json.dumps(about, indent=2) + "\n").encode("ascii")


def _writer_of(chosen: Format, sheet: Sheet) -> RecordWriter:
    """The writer of a format, whose module is imported now."""
    module, _, name = chosen.writer.rpartition(".")
    return cast("RecordWriter", getattr(import_module(module), name)(sheet))
