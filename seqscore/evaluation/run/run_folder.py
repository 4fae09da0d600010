"""The folder of a run: numbered parts that appear whole or not at all, so that a run can be killed and goes on.

manifest.json              what the run depends on (its fingerprint), the layout, and "running" or "complete"
parts/part-000000.parquet  rows 0 to part_rows - 1, and so on; the last part may be shorter; each beside its checksum
summary.json               the figures, once it is complete
.lock                      held by the one process that writes

Everything that is read is compared with a checksum: of a part beside it, of the JSON files within them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.run.manifest import (
    Json,
    differences,
    read_sealed,
    sealed,
    storable,
    write_atomically,
)
from seqscore.evaluation.run.part_writer import write_part
from seqscore.evaluation.run.parts import (
    PARTS,
    PartFiles,
    part_numbers,
    part_path,
)
from seqscore.evaluation.run.row_blocks import StoredRows
from seqscore.evaluation.run.stored import checked_manifest, checked_summary
from seqscore.files import writing

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 3
"""Version of the layout; another one is refused. Layout 1 had no checksums, layout 2 a column for every task's own
numbers."""

Status = Literal["running", "complete"]

_MANIFEST, _SUMMARY, _LOCK = "manifest.json", "summary.json", ".lock"
_SHOWN = 8  # differences in a message
_LEFTOVER = re.compile(
    r"\.(manifest\.json|summary\.json|part-\d{6,}\.parquet(\.xxh128)?"
    r"|(kept|dropped|head|middle|tail|unscored|input(-\d+)?)\.[a-z0-9.]+)\.tmp",
    re.ASCII,
)
_INPUT = re.compile(r"input(-\d+)?\.[a-z]+", re.ASCII)  # what came through a pipe, kept


class RunFolder:
    """A run that is being written; made by ``open_run``, which holds its lock."""

    def __init__(self, path: Path, manifest: Mapping[str, Json], schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self._manifest = dict(manifest)
        self._files = PartFiles(path)
        self.num_parts = _checked_parts(path, self._files, self.part_rows, schema)

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
        return self._files.facts(part).input_digest

    def num_rows(self, part: int) -> int:
        """How many rows a finished part holds."""
        return self._files.facts(part).num_rows

    def write_part(self, rows: Iterable[StoredRows], *, digest: Callable[[], str]) -> int:
        """Write the next part and return how many rows it has; ``digest`` is asked once all ``rows`` were taken.

        Rows go to the disk a few at a time, under a temporary name; the part appears when it is whole. No row: no
        part. Whatever ``rows`` raises is passed on, and nothing is left behind.

        Raises:
            OptionError: the part cannot be written (a full disk, a folder without permission).
        """
        count = write_part(part_path(self.path, self.num_parts), rows, schema=self.schema, digest=digest)
        self.num_parts += count > 0
        return count

    def finish(self, summary: Mapping[str, Json]) -> None:
        """Write the summary, then say that the run is complete."""
        write_atomically(self.path / _SUMMARY, sealed(summary))
        self._manifest |= {"status": "complete", "parts": self.num_parts}
        write_atomically(self.path / _MANIFEST, sealed(self._manifest))


@contextmanager
def open_run(path: Path, *, fingerprint: Mapping[str, Json], schema: pa.Schema, part_rows: int) -> Iterator[RunFolder]:
    """The folder of a run, new or begun before, held by this process alone for as long as the block runs.

    Raises:
        OptionError: another process has the run, it is a run of something else (the message says what differs), the
            folder holds other things, or cannot be written.
        InputError: a part is damaged or missing.
    """
    refuse_strangers(path)
    if (path / PARTS).is_symlink():
        raise OptionError(f"{str(path / PARTS)!r} is a link; a run keeps its parts within its own folder")
    with writing(path):
        (path / PARTS).mkdir(parents=True, exist_ok=True)
    with held(path):
        wanted = {"format": FORMAT, "part_rows": part_rows, "fingerprint": storable(fingerprint)}
        if (path / _MANIFEST).exists():
            manifest = _manifest_of(path)
            _refuse_another(path, manifest, wanted)
            if _lost(path, manifest):
                manifest = {"seqscore_run": FORMAT, "status": "running", **wanted}
                write_atomically(path / _MANIFEST, sealed(manifest))
        else:
            if part_numbers(path):
                raise InputError(f"{str(path)!r} holds parts but no {_MANIFEST}; restore it, or name another folder")
            manifest = {"seqscore_run": FORMAT, "status": "running", **wanted}
            write_atomically(path / _MANIFEST, sealed(manifest))
        yield RunFolder(path, manifest, schema)


def refuse_strangers(path: Path) -> None:
    """Make sure that a folder, where it is there, is that of a run or empty.

    Raises:
        OptionError: it holds something else, which is not written into.
    """
    if path.is_file() or (path.exists() and not path.is_dir()):
        raise OptionError(f"{str(path)!r} is a file; a run (out, --out) is a folder")
    if not path.is_dir() or (path / _MANIFEST).exists():
        return
    with writing(path):
        names = sorted(one.name for one in path.iterdir())
    ours = (_INPUT.fullmatch, _LEFTOVER.fullmatch, (_LOCK, PARTS).__contains__)
    others = [name for name in names if not any(is_ours(name) for is_ours in ours)]
    if others:
        raise OptionError(f"{str(path)!r} is not empty and no run ({others[0]!r} is in it); name another folder")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, without what a dead process left half written in it. The kernel gives the lock
    back when a process ends, however it ends. It cannot be held twice, neither by this process.

    Raises:
        OptionError: another process has it, or it cannot be written.
    """
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
        _remove_leftovers(path)
        yield
    finally:
        lock.release()


def _remove_leftovers(path: Path) -> None:
    """Temporary files of a process that is dead: this one holds the lock. Others' files are left alone."""
    with writing(path):
        for one in [*path.glob(".*.tmp"), *(path / PARTS).glob(".*.tmp")]:
            if _LEFTOVER.fullmatch(one.name):
                one.unlink()


def _refuse_another(path: Path, manifest: Mapping[str, Json], wanted: Mapping[str, Json]) -> None:
    layout = ("format", "part_rows")
    found = differences({name: manifest.get(name) for name in layout}, {name: wanted[name] for name in layout})
    found += differences(manifest.get("fingerprint") or {}, wanted["fingerprint"])
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise OptionError(
            f"{str(path)!r} is a run of something else: {'; '.join(found[:_SHOWN])}{more}. Name another folder (out, "
            f"--out), or go on with what it was begun with"
        )


def _checked_parts(path: Path, files: PartFiles, part_rows: int, schema: pa.Schema) -> int:
    """How many parts there are: all readable, as they were written, of this schema, and full but for the last."""
    numbers = _numbers(path)
    for number in numbers:
        file, facts = str(part_path(path, number)), files.facts(number)
        if facts.num_rows > part_rows or (facts.num_rows < part_rows and number != numbers[-1]):
            raise InputError(f"{file!r} has {facts.num_rows} rows, expected {part_rows}; remove it and all later parts")
        if not facts.schema.equals(schema):
            raise InputError(f"{file!r} has other columns than this run; remove it and all later parts")
    return len(numbers)


def _numbers(path: Path) -> list[int]:
    """The numbers of the parts, of which none before the last is missing."""
    numbers = part_numbers(path)
    for expected, number in enumerate(numbers):
        if number != expected:
            raise InputError(
                f"{str(path)!r} lacks part {expected}, yet part {number} is there; restore it, or remove the parts "
                f"from {expected} on to have them scored again"
            )
    return numbers


def _lost(path: Path, manifest: Mapping[str, Json]) -> bool:
    """Whether a complete run lacks its last parts or its summary: they are made anew, and are the same bytes."""
    whole = (path / _SUMMARY).exists() and len(part_numbers(path)) >= manifest.get("parts", 0)
    return manifest["status"] == "complete" and not whole


def _manifest_of(path: Path) -> dict[str, Json]:
    """The manifest, of this layout and as it was written."""
    return checked_manifest(read_sealed(path / _MANIFEST, layout=FORMAT), repr(str(path / _MANIFEST)))


def _summary_of(path: Path) -> dict[str, Json]:
    return checked_summary(read_sealed(path / _SUMMARY), repr(str(path / _SUMMARY)))


@dataclass(frozen=True, slots=True)
class Run:
    """A run to be read. ``summary`` is None as long as the run is under way."""

    path: Path
    manifest: Mapping[str, Json]
    summary: Mapping[str, Json] | None
    num_parts: int
    files: PartFiles

    @property
    def fingerprint(self) -> Mapping[str, Json]:
        """What the run depends on."""
        found: Mapping[str, Json] = self.manifest["fingerprint"]
        return found

    @property
    def num_rows(self) -> int:
        """Rows of the parts there are."""
        return sum(self.files.facts(part).num_rows for part in range(self.num_parts))

    def batches(
        self, columns: Iterable[str] | None = None, *, rows: int = 1_000, schema: pa.Schema | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The stored rows in order, at most ``rows`` at once, with some of the columns (dotted names go inside).

        Raises:
            InputError: a part is damaged or missing, or has other columns than ``schema``.
        """
        chosen = None if columns is None else list(columns)
        for part in range(self.num_parts):
            with self.files.opened(part) as opened:
                if schema is not None and not opened.schema_arrow.remove_metadata().equals(schema):
                    raise InputError(f"{str(part_path(self.path, part))!r} has other columns than a run has")
                yield from opened.iter_batches(batch_size=rows, columns=chosen)


def read_run(path: Path) -> Run:
    """A run as it stands, also while another process writes it.

    Raises:
        InputError: there is no such run, or its files are damaged.
    """
    if not (path / _MANIFEST).is_file():
        raise InputError(f"{str(path)!r} is no run: it has no {_MANIFEST}; give the folder that was its out (--out)")
    manifest = _manifest_of(path)
    numbers, complete = _numbers(path), manifest["status"] == "complete"
    if complete and len(numbers) != manifest["parts"]:
        raise InputError(
            f"{str(path)!r} is complete with {manifest['parts']} parts, yet {len(numbers)} are there; restore them, or "
            f"run its eval again, which scores what is lacking"
        )
    return Run(path, manifest, _summary_of(path) if complete else None, len(numbers), PartFiles(path))
