"""Rows of scores into a file or to standard output, in any format; the signature stands once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, cast, get_args

from seqscore.errors import OptionError
from seqscore.evaluate.scored.scored_rows import FieldKind, OutputRecord, ScoredItem, ScoredRow
from seqscore.output.destination import Output
from seqscore.output.formats import FORMATS, Format, is_gzipped
from seqscore.output.layout import LIST_FIELDS, ROW_FIELDS, TOKEN_FIELDS, json_record, text_record, token_records
from seqscore.output.naming import Names, Notify
from seqscore.output.spool import RecordWriter, Replay, SpooledWriter
from seqscore.scores.reductions import Unit, in_unit

SignaturePlace: TypeAlias = Literal["once", "rows", "none"]
"""Where the signature stands. ``once``: in the metadata of Parquet, in ``NAME.meta.json`` beside another file, behind
a table of a page or a paper, on standard error where the rows go to standard output; ``rows``: in every row."""

SIDECAR = ".meta.json"
_BESIDE = ("jsonl", "csv", "tsv")  # formats that have no place for it
_RESERVED = ("signature", "tokens", "token_index")  # which tell a reader what kind of file it has


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterOptions:
    """How rows are written.

    ``unit``: of all logarithms. ``tokens``: every token too. ``signature``: where it stands. ``quote_formulas``: an
    apostrophe before text of CSV and TSV that a spreadsheet would compute. ``columns``: of the input, where their names
    are known beforehand. ``notify``: is told what is to be said to people.
    """

    unit: Unit = "nats"
    tokens: bool = False
    signature: SignaturePlace = "once"
    quote_formulas: bool = False
    columns: tuple[str, ...] | None = None
    notify: Notify = field(default=lambda message: None)

    def __post_init__(self) -> None:
        in_unit(0.0, self.unit)
        if self.signature not in get_args(SignaturePlace):
            raise OptionError(
                f"signature={self.signature!r} is unknown; expected {', '.join(get_args(SignaturePlace))}"
            )


class Writer(Protocol):
    """Writes rows in one format."""

    def write(self, row: ScoredItem) -> None:
        """Write one row."""


@contextmanager
def open_writer(output_format: str, target: Path | None, **options: Any) -> Iterator[Writer]:
    """A writer of rows in ``output_format`` into ``target`` (None: standard output), as a context manager.

    A file appears at the end of the block, whole, or not at all where the block raises; so does its sidecar.

    Args:
        output_format: one of ``FORMATS``.
        target: the file, or None for standard output (not for parquet).
        options: those of ``WriterOptions``.

    Raises:
        OptionError: unknown format or option, or the target cannot be written.
    """
    chosen = WriterOptions(**options)
    if output_format == "table":
        from seqscore.output.tables import TableWriter

        with Output(target) as output:
            table = TableWriter(output, unit=chosen.unit, tokens=chosen.tokens, signature=chosen.signature != "none")
            yield table
            table.finish()
        return
    in_lists = output_format in ("jsonl", "parquet")
    fields = ROW_FIELDS if not chosen.tokens else LIST_FIELDS if in_lists else TOKEN_FIELDS
    with open_records(output_format, target, fields, chosen) as records:
        yield _RowWriter(records, cast(Format, output_format), chosen)


class _RowWriter:
    """Rows as the records that the format has."""

    def __init__(self, records: Records, output_format: Format, options: WriterOptions) -> None:
        self._records, self._format = records, output_format
        self._unit, self._tokens = options.unit, options.tokens

    def write(self, row: ScoredItem) -> None:
        """Write the row, or its tokens."""
        signature = row.score.signature if isinstance(row, ScoredRow) else None
        for record in self._records_of(row):
            self._records.write(record, signature)

    def _records_of(self, row: ScoredItem) -> Iterator[OutputRecord]:
        if self._format == "jsonl":
            yield json_record(row, unit=self._unit, tokens=self._tokens)
        elif self._tokens and self._format != "parquet":
            yield from token_records(row, unit=self._unit)
        else:
            yield text_record(row, unit=self._unit, tokens=self._tokens)


class Records:
    """Writes records, whose columns of the input get the names that they have here, and the signature in its place."""

    def __init__(self, writer: RecordWriter, names: Names, options: WriterOptions) -> None:
        self._writer, self._names, self._in_rows = writer, names, options.signature == "rows"
        self._once = options.signature == "once"
        self.signature: str | None = None
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
            self.signature = signature
        fields = {**record.fields, "signature": signature} if self._in_rows else record.fields
        self._writer.write(OutputRecord(fields, self._names.of(record.columns)))

    @property
    def about(self) -> dict[str, str]:
        """What belongs to all rows."""
        return {"signature": self.signature} if self._once and self.signature is not None else {}


@contextmanager
def open_records(
    output_format: str, target: Path | None, fields: Mapping[str, FieldKind], options: WriterOptions
) -> Iterator[Records]:
    """A writer of records that have these ``fields``; see ``open_writer``."""
    if output_format in ("md", "tex") and options.signature == "rows":
        options = replace(options, signature="once")  # a table for people has no room for it in every row
    if output_format not in FORMATS or output_format == "table":
        raise OptionError(f"format {output_format!r} is unknown; expected one of {', '.join(FORMATS)}")
    shown: Mapping[str, FieldKind] = {**fields, "signature": "text"} if options.signature == "rows" else fields
    with ExitStack() as stack:
        compresses = target is not None and is_gzipped(target)
        output = stack.enter_context(Output(target, gzip=compresses))
        if output_format == "parquet" and output.target is None:
            raise OptionError("format 'parquet' cannot go to standard output; name a file with -o FILE")
        # The sidecar is opened now, so that what keeps it from being written shows at once, and completed first.
        has_sidecar = output.is_file and output_format in _BESIDE
        beside = output.target.with_name(output.target.name + SIDECAR) if has_sidecar and output.target else None
        side = None
        if beside is not None and options.signature == "once":
            _refuse_stranger(beside)
            side = stack.enter_context(Output(beside))
        names = Names({*shown, *_RESERVED}, options.notify)
        writer = _record_writer(output_format, output, shown, names, options)
        records = Records(writer, names, options)
        try:
            yield records
            writer.finish(records.about)
        except BaseException:
            writer.discard()
            raise
        if side is not None:
            side.write(_sidecar_bytes(records, names, options))
        elif not output.is_file and output_format in _BESIDE and "signature" in records.about:
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


def _record_writer(
    output_format: str, output: Output, fields: Mapping[str, FieldKind], names: Names, options: WriterOptions
) -> RecordWriter:
    """The writer of a format. Where all columns of the input must be known, records wait in a temporary file."""
    if output_format == "jsonl":
        from seqscore.output.jsonl import JsonlWriter

        return JsonlWriter(output)
    if output_format == "parquet":
        from seqscore.output.parquet import ParquetWriter

        if options.columns == ():
            return ParquetWriter(output, fields)
        return SpooledWriter(output, lambda columns, replay: _typed(output, fields, columns, replay))
    if output_format in ("md", "tex"):
        return _document(output_format, output, names, options)
    from seqscore.output.csv_writer import SeparatedWriter

    def separated(columns: Sequence[str] | None) -> RecordWriter:
        return SeparatedWriter(
            output,
            fields,
            columns=columns,
            delimiter="\t" if output_format == "tsv" else ",",
            quote_formulas=options.quote_formulas,
            notify=options.notify,
        )

    if options.columns == () or not output.is_file:
        known = options.columns
        return separated(None if known is None else [names.name(column) for column in known])
    return SpooledWriter(output, lambda columns, _: separated(columns))


def _typed(output: Output, fields: Mapping[str, FieldKind], columns: Sequence[str], replay: Replay) -> RecordWriter:
    from seqscore.output.arrow_types import column_types
    from seqscore.output.parquet import ParquetWriter

    return ParquetWriter(output, fields, column_types(columns, replay))


def _document(output_format: str, output: Output, names: Names, options: WriterOptions) -> RecordWriter:
    from seqscore.output.documents import DocumentWriter, Latex, Markdown

    def document(columns: Sequence[str]) -> RecordWriter:
        markup = Markdown() if output_format == "md" else Latex()
        return DocumentWriter(output, markup, columns=columns, unit=options.unit, tokens=options.tokens)

    if options.columns == ():
        return document(())
    return SpooledWriter(output, lambda columns, _: document(columns))
