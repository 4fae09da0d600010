"""A part of a run onto the disk: a few rows at a time, whole or not at all, its checksum first."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seqscore.evaluate.run.manifest import sync_folder, writing
from seqscore.evaluate.run.parts import DIGEST, ROWS, checksum_path, write_checksum

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_ROWS, _GROUP_TOKENS = 1_000, 100_000


def write_part(final: Path, rows: Iterable[Mapping[str, Any]], *, schema: pa.Schema, digest: Callable[[], str]) -> int:
    """Write ``rows`` to the part ``final`` and return how many there were; without a row there is no part.

    ``digest`` is asked once all rows were taken. Whatever ``rows`` raises is passed on, and nothing is left behind.

    Raises:
        OptionError: the part cannot be written (a full disk, a folder without permission).
    """
    temporary = final.with_name(f".{final.name}.tmp")
    try:
        count, checksum = _write(temporary, rows, schema, digest)
        if not count:
            with writing(final):
                temporary.unlink()
            return 0
        write_checksum(final, checksum)
        with writing(final):
            temporary.replace(final)
            sync_folder(final.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
            if not final.exists():
                checksum_path(final).unlink(missing_ok=True)
        raise
    return count


def _write(
    path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema, digest: Callable[[], str]
) -> tuple[int, str]:
    """The number of rows that were written, and the checksum of the file."""
    with writing(path):
        stream = path.open("wb")
    try:
        hashed = Hashed(stream)
        count = _write_groups(hashed, path, rows, schema, digest)
        with writing(path):
            stream.flush()
            os.fsync(stream.fileno())
        return count, hashed.digest
    finally:
        with suppress(OSError):  # of a disk that is full, which was told by then
            stream.close()


def _write_groups(
    stream: Hashed, path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema, digest: Callable[[], str]
) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    writer = pq.ParquetWriter(stream, schema, compression="zstd", version="2.6")
    try:
        for group in _groups(rows):
            table = pa.Table.from_pylist(group, schema=schema)
            with writing(path):
                writer.write_table(table)
            count += len(group)
        writer.add_key_value_metadata({DIGEST: digest().encode(), ROWS: str(count).encode()})
    finally:
        with writing(path):
            writer.close()
    return count


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Rows of one row group: cut by rows and tokens alone, so that the file is the same however it came about."""
    group: list[Mapping[str, Any]] = []
    tokens = 0
    for row in rows:
        group.append(row)
        tokens += sum(len(item["token_ids"] or ()) for item in row.get("items") or ())
        if len(group) >= _GROUP_ROWS or tokens >= _GROUP_TOKENS:
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
