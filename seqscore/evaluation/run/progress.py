"""What is counted, and what is digested, of rows while they go by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from seqscore.evaluation.run.row_blocks import RowBlock, StoredRows
from seqscore.evaluation.tasks.rows import Entry
from seqscore.typed_json import encoded


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: rows on the disk or scored, of them found finished at the start; since then tokens scored,
    rows with an error, tokens of contexts that the model could not look back to. ``row``: the id of the last one."""

    rows: int
    resumed: int
    tokens: int
    errors: int
    unread: int = 0
    row: str | None = None


Report: TypeAlias = Callable[[Progress], None]


class RowCounter:
    """Counts rows and tokens as they come by."""

    def __init__(self, resumed: int, report: Report) -> None:
        self._rows = self._resumed = resumed
        self._tokens = self._errors = self._unread = 0
        self._report = report

    def watch(self, records: Iterable[StoredRows]) -> Iterator[StoredRows]:
        """The records, each reported."""
        for record in records:
            yield record
            if isinstance(record, RowBlock):
                self._rows += len(record)
                self._tokens += record.num_scored
                self._report(self._progress(record.last))
                continue
            self._rows += 1
            self._errors += record.get("error_code") is not None
            for item in record.get("items") or ():
                self._tokens += item["num_scored"]
                self._unread += item["num_unread"]
            self._report(self._progress(record["id"]))

    def _progress(self, row: str) -> Progress:
        return Progress(self._rows, self._resumed, self._tokens, self._errors, self._unread, row)


class InputDigest:
    """The XXH128 of entries: of what each was made from."""

    def __init__(self) -> None:
        import xxhash

        self._hash = xxhash.xxh3_128()

    def add(self, entry: Entry) -> None:
        """The next entry."""
        source = entry.source if isinstance(entry.source, Mapping) else {"": entry.source}
        self._hash.update(f"{encoded({'id': entry.id})}{encoded(source)}".encode())

    def value(self) -> str:
        """Of all entries so far."""
        return f"xxh128:{self._hash.hexdigest()}"
