"""A part of a run onto the disk: a few rows at a time, whole or not at all, its checksum first."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seqscore.evaluation.run.parts import DIGEST, ROWS, checksum_path, write_checksum
from seqscore.evaluation.run.row_blocks import RowBlock, StoredRows
from seqscore.files import NewFile, writing

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS, _GROUP_TOKENS = 1_000, 100_000
"""The most of one row group."""


def write_part(final: Path, rows: Iterable[StoredRows], *, schema: pa.Schema, digest: Callable[[], str]) -> int:
    """Write ``rows`` to the part ``final`` and return how many there were; without a row there is no part.

    ``digest`` is asked once all rows were taken. Whatever ``rows`` raises is passed on, and nothing is left behind.

    Raises:
        OptionError: the part cannot be written (a full disk, a folder without permission).
    """
    beside = final.with_name(f".{final.name}.tmp")
    with writing(final):
        new = NewFile(final, beside=beside)
    with new:
        hashed = Hashed(new.stream)
        count = _write_groups(hashed, final, rows, schema, digest)
        if count:
            _put_in_place(new, final, hashed.digest)
    return count


def _put_in_place(new: NewFile, final: Path, checksum: str) -> None:
    """The checksum first, so that a part that is there has one; without the part there is none."""
    try:
        write_checksum(final, checksum)
        with writing(final):
            new.complete()
    except BaseException:
        with suppress(OSError):
            if not final.exists():
                checksum_path(final).unlink(missing_ok=True)
        raise


def _write_groups(
    stream: Hashed, path: Path, rows: Iterable[StoredRows], schema: pa.Schema, digest: Callable[[], str]
) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    writer = pq.ParquetWriter(stream, schema, compression="zstd", version="2.6")
    try:
        for group in _groups(rows):
            table = group.table if isinstance(group, RowBlock) else pa.Table.from_pylist(group, schema=schema)
            with writing(path):
                writer.write_table(table)
            count += len(group)
        writer.add_key_value_metadata({DIGEST: digest().encode(), ROWS: str(count).encode()})
    finally:
        with writing(path):
            writer.close()
    return count


def _groups(rows: Iterable[StoredRows]) -> Iterator[list[Mapping[str, Any]] | RowBlock]:
    """Rows of one row group: cut by rows and tokens alone, so that the file is the same however it came about. A block
    of rows is a whole group."""
    group: list[Mapping[str, Any]] = []
    tokens = 0
    for row in rows:
        if isinstance(row, RowBlock):
            assert not group and len(row) <= GROUP_ROWS, "blocks begin where groups begin"
            yield row
            continue
        group.append(row)
        tokens += sum(len(item["token_ids"] or ()) for item in row.get("items") or ())
        if len(group) >= GROUP_ROWS or tokens >= _GROUP_TOKENS:
            yield group
            group, tokens = [], 0
    if group:
        yield group


class Hashed(io.RawIOBase):
    """A stream that is written to from beginning to end, and the XXH128 of what was written."""

    def __init__(self, stream: BinaryIO) -> None:
        import xxhash

        self._stream = stream
        self._hash = xxhash.xxh3_128()

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes so far."""
        return self._stream.tell()

    def write(self, data: Any) -> int:
        """Write to the stream below, and take the bytes into the checksum."""
        count = self._stream.write(data)
        self._hash.update(data)
        return count

    def flush(self) -> None:
        """Of the stream below."""
        if not self._stream.closed:
            self._stream.flush()

    @property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        return str(self._hash.hexdigest())
