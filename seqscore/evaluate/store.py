"""The folder of a run: numbered parts that appear whole or not at all, so that a run can be killed and goes on.

manifest.json              what the run depends on (its fingerprint), the layout, and "running" or "complete"
parts/part-000000.parquet  rows 0 to part_rows - 1, and so on; the last part may be shorter
summary.json               the figures, once it is complete
.lock                      held by the one process that writes
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from seqscore.errors import InputError, OptionError
from seqscore.evaluate.manifest import (
    Json,
    differences,
    json_bytes,
    plain,
    read_json,
    sync_folder,
    write_atomically,
    writing,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMAT", "Run", "RunFolder", "open_run", "read_run"]

FORMAT = 1
"""Version of the layout; another one is refused."""

Status = Literal["running", "complete"]

_MANIFEST, _SUMMARY, _PARTS, _LOCK = "manifest.json", "summary.json", "parts", ".lock"
_PART_NAME = re.compile(r"part-(\d{6,})\.parquet")
_SHOWN = 8  # differences in a message
_DIGEST, _ROWS = b"seqscore.input_digest", b"seqscore.rows"


class RunFolder:
    """A run that is being written; made by ``open_run``, which holds its lock."""

    def __init__(self, path: Path, manifest: Mapping[str, Json], schema: pa.Schema, num_parts: int) -> None:
        self.path = path
        self.schema = schema
        self.num_parts = num_parts
        self._manifest = dict(manifest)

    @property
    def status(self) -> Status:
        """``complete`` once the summary stands."""
        return "complete" if self._manifest["status"] == "complete" else "running"

    @property
    def part_rows(self) -> int:
        """Rows of every part but the last."""
        return int(self._manifest["part_rows"])

    def input_digest(self, part: int) -> str:
        """The digest of the input rows that a finished part was made from."""
        return _metadata(_part_path(self.path, part))[_DIGEST].decode()

    def num_rows(self, part: int) -> int:
        """How many rows a finished part holds."""
        return int(_metadata(_part_path(self.path, part))[_ROWS])

    def write_part(self, rows: Iterable[Mapping[str, Any]], *, digest: Callable[[], str]) -> int:
        """Write the next part and return how many rows it has; ``digest`` is asked once all ``rows`` were taken.

        Rows go to the disk a few at a time, under a temporary name; the part appears when it is whole. No row: no
        part. Whatever ``rows`` raises is passed on, and nothing is left behind.

        Raises:
            OptionError: the part cannot be written (a full disk, a folder without permission).
        """
        final = _part_path(self.path, self.num_parts)
        temporary = final.with_name(f".{final.name}.tmp")
        try:
            count = self._write(temporary, rows, digest)
            with writing(final):
                if not count:
                    temporary.unlink()
                    return 0
                temporary.replace(final)
                sync_folder(final.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        self.num_parts += 1
        return count

    def _write(self, path: Path, rows: Iterable[Mapping[str, Any]], digest: Callable[[], str]) -> int:
        with writing(path):
            stream = path.open("wb")
        try:
            count = self._write_groups(stream, path, rows, digest)
            with writing(path):
                stream.flush()
                os.fsync(stream.fileno())
            return count
        finally:
            with suppress(OSError):  # of a disk that is full, which was told by then
                stream.close()

    def _write_groups(
        self, stream: BinaryIO, path: Path, rows: Iterable[Mapping[str, Any]], digest: Callable[[], str]
    ) -> int:
        import pyarrow as pa
        import pyarrow.parquet as pq

        count = 0
        writer = pq.ParquetWriter(stream, self.schema, compression="zstd", version="2.6")
        try:
            for group in _groups(rows):
                table = pa.Table.from_pylist(group, schema=self.schema)
                with writing(path):
                    writer.write_table(table)
                count += len(group)
            writer.add_key_value_metadata({_DIGEST: digest().encode(), _ROWS: str(count).encode()})
        finally:
            with writing(path):
                writer.close()
        return count

    def finish(self, summary: Mapping[str, Json]) -> None:
        """Write the summary, then say that the run is complete."""
        write_atomically(self.path / _SUMMARY, json_bytes(summary))
        self._manifest["status"] = "complete"
        write_atomically(self.path / _MANIFEST, json_bytes(self._manifest))


_GROUP_TOKENS = 100_000


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Rows of one row group: cut by rows and tokens alone, so that the file is the same however it came about."""
    group: list[Mapping[str, Any]] = []
    tokens = 0
    for row in rows:
        group.append(row)
        tokens += sum(len(item["token_ids"] or ()) for item in row.get("items") or ())
        if len(group) >= 1_000 or tokens >= _GROUP_TOKENS:
            yield group
            group, tokens = [], 0
    if group:
        yield group


@contextmanager
def open_run(path: Path, *, fingerprint: Mapping[str, Json], schema: pa.Schema, part_rows: int) -> Iterator[RunFolder]:
    """The folder of a run, new or begun before, held by this process alone for as long as the block runs.

    Raises:
        OptionError: another process has the run, it is a run of something else (the message says what differs), the
            folder holds other things, or cannot be written.
        InputError: a part is damaged or missing.
    """
    _refuse_strangers(path)
    with writing(path):
        (path / _PARTS).mkdir(parents=True, exist_ok=True)
    with _locked(path):
        _remove_leftovers(path)
        wanted = {"format": FORMAT, "part_rows": part_rows, "fingerprint": plain(fingerprint)}
        if (path / _MANIFEST).exists():
            manifest = read_json(path / _MANIFEST)
            _refuse_another(path, manifest, wanted)
        else:
            if _part_numbers(path):
                raise InputError(f"{str(path)!r} holds parts but no {_MANIFEST}; restore it, or name another folder")
            manifest = {"seqscore_run": FORMAT, "status": "running", **wanted}
            write_atomically(path / _MANIFEST, json_bytes(manifest))
        yield RunFolder(path, manifest, schema, _checked_parts(path, part_rows, schema))


def _refuse_strangers(path: Path) -> None:
    """A folder that holds something else is not written into."""
    if path.is_file() or (path.exists() and not path.is_dir()):
        raise OptionError(f"{str(path)!r} is a file; --out names a folder")
    if not path.is_dir() or (path / _MANIFEST).exists():
        return
    with writing(path):
        others = sorted(one.name for one in path.iterdir() if one.name not in (_LOCK, _PARTS, f".{_MANIFEST}.tmp"))
    if others:
        raise OptionError(f"{str(path)!r} is not empty and no run ({others[0]!r} is in it); name another folder")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the run's lock. The kernel gives it back when a process ends, however it ends."""
    from filelock import FileLock, Timeout

    with writing(path / _LOCK):
        lock = FileLock(path / _LOCK, blocking=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise OptionError(
                f"another process is working on {str(path)!r}; wait for it, or name another folder"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _remove_leftovers(path: Path) -> None:
    """Temporary files of a process that is dead: this one holds the lock."""
    with writing(path):
        for one in [*path.glob(".*.tmp"), *(path / _PARTS).glob(".*.tmp")]:
            one.unlink()


def _refuse_another(path: Path, manifest: Mapping[str, Json], wanted: Mapping[str, Json]) -> None:
    layout = ("format", "part_rows")
    found = differences({name: manifest.get(name) for name in layout}, {name: wanted[name] for name in layout})
    found += differences(manifest.get("fingerprint") or {}, wanted["fingerprint"])
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise OptionError(
            f"{str(path)!r} is a run of something else: {'; '.join(found[:_SHOWN])}{more}. Name another folder with "
            f"--out, or go on with what it was begun with"
        )


def _part_path(path: Path, part: int) -> Path:
    return path / _PARTS / f"part-{part:06d}.parquet"


def _part_numbers(path: Path) -> list[int]:
    found = (_PART_NAME.fullmatch(one.name) for one in (path / _PARTS).iterdir()) if (path / _PARTS).is_dir() else ()
    return sorted(int(match.group(1)) for match in found if match)


def _checked_parts(path: Path, part_rows: int, schema: pa.Schema) -> int:
    """How many parts there are; every one is there, readable, of this schema, and all but the last are full."""
    numbers = _part_numbers(path)
    for expected, number in enumerate(numbers):
        if number != expected:
            raise InputError(
                f"{str(path)!r} lacks part {expected}, yet part {number} is there; restore it, or remove the parts "
                f"from {expected} on to have them scored again"
            )
        file = _part_path(path, number)
        rows = int(_metadata(file)[_ROWS])
        if rows > part_rows or (rows < part_rows and number != numbers[-1]):
            raise InputError(f"{str(file)!r} has {rows} rows, expected {part_rows}; remove it and all later parts")
        if not _schema_of(file).equals(schema):
            raise InputError(f"{str(file)!r} has other columns than this run; remove it and all later parts")
    return len(numbers)


def _open(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{str(file)!r} is damaged or missing ({error}); restore it, or remove it and all later parts to have "
            f"them scored again"
        ) from error


def _metadata(file: Path) -> dict[bytes, bytes]:
    with _open(file) as opened:
        found: dict[bytes, bytes] = opened.metadata.metadata or {}
        if _DIGEST not in found or _ROWS not in found or int(found[_ROWS]) != opened.metadata.num_rows:
            raise InputError(f"{str(file)!r} is no whole part of a run; remove it and all later parts")
        return found


def _schema_of(file: Path) -> Any:
    with _open(file) as opened:
        return opened.schema_arrow.remove_metadata()


@dataclass(frozen=True, slots=True)
class Run:
    """A run to be read. ``summary`` is None as long as the run is under way."""

    path: Path
    manifest: Mapping[str, Json]
    summary: Mapping[str, Json] | None
    num_parts: int

    @property
    def fingerprint(self) -> Mapping[str, Json]:
        """What the run depends on."""
        found: Mapping[str, Json] = self.manifest["fingerprint"]
        return found

    @property
    def num_rows(self) -> int:
        """Rows of the parts there are."""
        return sum(int(_metadata(_part_path(self.path, part))[_ROWS]) for part in range(self.num_parts))

    def batches(self, columns: Iterable[str] | None = None, *, rows: int = 1_000) -> Iterator[pa.RecordBatch]:
        """The stored rows in order, at most ``rows`` at once, with some of the columns (dotted names go inside).

        Raises:
            InputError: a part is damaged or missing.
        """
        import pyarrow as pa

        chosen = None if columns is None else list(columns)
        for part in range(self.num_parts):
            file = _part_path(self.path, part)
            with _open(file) as opened:
                try:
                    yield from opened.iter_batches(batch_size=rows, columns=chosen)
                except (pa.ArrowException, OSError) as error:
                    raise InputError(f"{str(file)!r} is damaged ({error}); restore it, or score it again") from error


def read_run(path: Path) -> Run:
    """A run as it stands, also while another process writes it.

    Raises:
        InputError: there is no such run, or its files are damaged.
    """
    if not (path / _MANIFEST).is_file():
        raise InputError(f"{str(path)!r} is no run: it has no {_MANIFEST}; give the folder that --out named")
    manifest = read_json(path / _MANIFEST)
    if manifest.get("format") != FORMAT or not isinstance(manifest.get("fingerprint"), dict):
        raise InputError(f"{str(path)!r} has a layout of another version; read it with the seqscore that wrote it")
    complete = manifest.get("status") == "complete"
    numbers = _part_numbers(path)
    if numbers != list(range(len(numbers))):
        raise InputError(f"{str(path)!r} lacks a part: {len(numbers)} parts, the last one numbered {numbers[-1]}")
    return Run(path, manifest, read_json(path / _SUMMARY) if complete else None, len(numbers))
