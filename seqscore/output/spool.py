"""Records kept in a temporary file until all of them are there, for formats that must know every column beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from tempfile import TemporaryFile

from seqscore.evaluation.scored.scored_rows import OutputRecord
from seqscore.output.destination import Output
from seqscore.output.record_writer import RecordWriter
from seqscore.typed_json import decoded, encoded

Replay = Callable[[], Iterator[OutputRecord]]


class SpooledWriter:
    """Makes the real writer at the end, from the columns of all records, in the order in which they first came.

    ``make`` gets them, and what reads the records again. The temporary file lies beside the output and has no name.
    """

    def __init__(self, output: Output, make: Callable[[Sequence[str], Replay], RecordWriter]) -> None:
        self._output, self._make = output, make
        folder = output.target.resolve().parent if output.is_file and output.target is not None else None
        with output.errors():
            self._file = TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder)  # noqa: SIM115 - closed below
        self._columns: dict[str, None] = {}
        self._conditioning = "left"

    def write(self, record: OutputRecord) -> None:
        """Take one record."""
        self._columns.update(dict.fromkeys(record.columns))
        self._conditioning = record.conditioning
        with self._output.errors():
            self._file.write(f"{json.dumps(record.fields)}\n{encoded(record.columns)}\n")

    def finish(self, about: Mapping[str, str]) -> None:
        """Write all records."""
        with closing(self._file):
            writer = self._make(list(self._columns), self._replay)
            try:
                for record in self._replay():
                    writer.write(record)
                writer.finish(about)
            except BaseException:
                writer.discard()
                raise

    def _replay(self) -> Iterator[OutputRecord]:
        with self._output.errors():
            self._file.seek(0)
        while line := self._file.readline():
            columns = decoded(self._file.readline(), where="a temporary file")
            yield OutputRecord(json.loads(line), columns, self._conditioning)

    def discard(self) -> None:
        """Let go of the temporary file."""
        self._file.close()
