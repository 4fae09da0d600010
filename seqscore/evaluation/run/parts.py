"""The parts of a run: Parquet files, each beside a file with its checksum, which whoever reads the part compares.

parts/part-000000.parquet          rows
parts/part-000000.parquet.xxh128   ``<32 hex digits>  part-000000.parquet``, a line that ``xxh128sum -c`` reads too

The checksum appears first, then the part: a part that is there has one, however its writer ended.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqscore.errors import InputError
from seqscore.evaluation.run.manifest import write_atomically

if TYPE_CHECKING:
    import pyarrow as pa

PARTS = "parts"
"""The folder of the parts, within that of the run."""

DIGEST, ROWS = b"seqscore.input_digest", b"seqscore.rows"
"""What a part says of itself in its metadata: the digest of the input rows it was made from, and their number."""

CHECKSUM_SUFFIX = ".xxh128"

_NAME = re.compile(r"part-(\d{6,})\.parquet", re.ASCII)
_CURE = "restore it, or remove it and all later parts to have them scored again"


def part_path(run: Path, part: int) -> Path:
    """The file of a part."""
    return run / PARTS / f"part-{part:06d}.parquet"


def checksum_path(part: Path) -> Path:
    """The file with the checksum of a part."""
    return part.with_name(part.name + CHECKSUM_SUFFIX)


def part_numbers(run: Path) -> list[int]:
    """The numbers of the parts that are there, rising."""
    found = (_NAME.fullmatch(one.name) for one in (run / PARTS).iterdir()) if (run / PARTS).is_dir() else ()
    return sorted(int(match.group(1)) for match in found if match)


def write_checksum(part: Path, digest: str) -> None:
    """Write the checksum of what is about to become ``part``."""
    write_atomically(checksum_path(part), _line(part, digest))


def _line(part: Path, digest: str) -> bytes:
    return f"{digest}  {part.name}\n".encode()


@dataclass(frozen=True, slots=True)
class PartFacts:
    """Of a part: its rows, the digest of the input rows that it was made from, its columns."""

    num_rows: int
    input_digest: str
    schema: pa.Schema


class PartFiles:
    """The finished parts of a run, for reading. Each is hashed before it is first read, and again once it changed."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._seen: dict[int, tuple[int, ...]] = {}

    @contextmanager
    def opened(self, part: int) -> Iterator[Any]:
        """The ``pyarrow.parquet.ParquetFile`` of a part whose bytes are those that were written.

        Raises:
            InputError: the part is missing, or damaged, or has no checksum.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = part_path(self._run, part)
        try:
            # Opened here: Arrow takes no file name that is not UTF-8.
            with file.open("rb") as stream:
                self._check(part, file, stream)
                with pq.ParquetFile(stream) as found:
                    yield found
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{str(file)!r} is damaged or missing ({error}); {_CURE}") from error

    def facts(self, part: int) -> PartFacts:
        """What a part says of itself.

        Raises:
            InputError: it is missing, damaged, or no part of a run.
        """
        file = part_path(self._run, part)
        with self.opened(part) as found:
            stored: dict[bytes, bytes] = found.metadata.metadata or {}
            rows = int(found.metadata.num_rows)
            if DIGEST not in stored or stored.get(ROWS) != str(rows).encode():
                raise InputError(f"{str(file)!r} is no whole part of a run; remove it and all later parts")
            digest = stored[DIGEST].decode("utf-8", "replace")
            return PartFacts(rows, digest, found.schema_arrow.remove_metadata())

    def _check(self, part: int, file: Path, stream: io.BufferedReader) -> None:
        import xxhash

        found = os.fstat(stream.fileno())
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if self._seen.get(part) == stamp:
            return
        try:
            stored = checksum_path(file).read_bytes()
        except OSError as error:
            lost = f"{checksum_path(file).name}: {error.strerror or error}"
            raise InputError(f"{str(file)!r} cannot be checked ({lost}); {_CURE}") from error
        digest = hashlib.file_digest(stream, xxhash.xxh3_128).hexdigest()
        stream.seek(0)
        if stored != _line(file, digest):
            raise InputError(f"{str(file)!r} is damaged: its bytes are not those of its checksum; {_CURE}")
        self._seen[part] = stamp
