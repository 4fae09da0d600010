"""What a model expects behind contexts into a file or to standard output, in any format that has records or tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqscore.evaluation.scored.next_records import NEXT_FIELDS, NextItem, next_records, signature_of_next
from seqscore.output.destination import Output
from seqscore.output.next_tables import NextTables
from seqscore.output.record_writer import WriterOptions
from seqscore.output.writers import open_records


@contextmanager
def open_next_writer(output_format: str, target: Path | None, **options: Any) -> Iterator[Callable[[NextItem], None]]:
    """A function that writes one row, as a context manager; see ``open_writer``.

    Raises:
        OptionError: unknown format or option, or the target cannot be written.
    """
    how = WriterOptions(**options)
    if output_format == "table":
        with Output(target) as output:
            tables = NextTables(output, unit=how.unit, signature=how.signature != "none")

            yield tables.write
            tables.finish()
        return
    with open_records(output_format, target, NEXT_FIELDS, how) as records:

        def write(row: NextItem) -> None:
            for record in next_records(row, unit=how.unit):
                records.write(record, signature_of_next(row))

        yield write
