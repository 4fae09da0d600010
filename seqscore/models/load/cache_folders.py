"""Folders in the cache that are either whole or not there: a manifest of hashes, a lock, and one rename at the end."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from seqscore.errors import CacheError, one_line
from seqscore.files import sync, write_whole
from seqscore.models.load.identity import HashMemory

MANIFEST = "manifest.json"
WAYS_OUT = "free some space, allow writing there, or set SEQSCORE_CACHE to another folder"


def make_folder(folder: Path) -> None:
    """Create a folder of the cache with its parents.

    Raises:
        CacheError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CacheError(f"cannot create the cache folder {folder} ({one_line(error)}): {WAYS_OUT}") from error


def free_bytes(folder: Path) -> int:
    """Free space on the disk of an existing folder, in bytes."""
    return shutil.disk_usage(folder).free


def write_manifest(folder: Path, source: str) -> None:
    """Write size and SHA-256 of every file of ``folder`` into its manifest and flush all of it to disk.

    Raises:
        OSError: a file cannot be read or written.
    """
    memory = HashMemory(None)
    files = {}
    for path in sorted(folder.iterdir()):
        files[path.name] = {"size": path.stat().st_size, "sha256": memory.sha256(path)}
        sync(path)
    manifest = json.dumps({"source": source, "files": files}, indent=2) + "\n"
    write_whole(folder / MANIFEST, manifest.encode())


def find_damage(folder: Path, memory: HashMemory) -> str | None:
    """Why a folder is not what its manifest says, None where every file is present and has its size and SHA-256.

    Sizes are compared first. Hashes come from ``memory``, so that a file is read only if it changed since it was last
    read.
    """
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {name: (int(entry["size"]), str(entry["sha256"])) for name, entry in found["files"].items()}
    except FileNotFoundError:
        return "its manifest is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"its manifest cannot be read ({one_line(error, 80)})"
    try:
        present = {path.name for path in folder.iterdir() if not path.name.startswith(".")} - {MANIFEST}
        if present != files.keys():
            return f"it lacks or has too many files ({', '.join(sorted(present ^ files.keys())[:3])})"
        for name, (size, _) in files.items():
            if (folder / name).stat().st_size != size:
                return f"{name} has the wrong size"
        for name, (_, sha256) in files.items():
            if memory.sha256(folder / name) != sha256:
                return f"the content of {name} is not what was written"
    except OSError as error:
        return f"it cannot be read ({one_line(error, 80)})"
    return None


@contextmanager
def locked(folder: Path, notify: Callable[[str], None] | None) -> Iterator[None]:
    """Hold the lock that belongs to ``folder``, waiting for another process that holds it; a crash frees it.

    Raises:
        CacheError: the lock file cannot be made.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if notify:
                notify("another process is preparing the default model: waiting for it ...")
            lock.acquire(poll_interval=0.1)
    except (OSError, NotImplementedError) as error:
        raise CacheError(f"cannot lock the cache at {folder.parent} ({one_line(error)}): {WAYS_OUT}") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """A temporary sibling of ``beside``, gone at the end however the block is left; those of crashed runs go first.

    Only to be used under the lock of ``beside``.

    Raises:
        CacheError: it cannot be written to, or the disk is full.
    """
    for left_over in beside.parent.glob(f".{beside.name}.*.tmp"):
        shutil.rmtree(left_over, ignore_errors=True)
    folder = beside.with_name(f".{beside.name}.{uuid.uuid4().hex}.tmp")
    try:
        folder.mkdir()
        yield folder
    except OSError as error:
        raise CacheError(f"cannot write to the cache at {beside.parent} ({one_line(error)}): {WAYS_OUT}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(built: Path, target: Path) -> None:
    """Put a finished folder in its place with one rename; what stood there before is removed.

    Raises:
        OSError: it cannot be renamed.
    """
    if target.exists():
        target.rename(built.with_name("replaced"))
    built.rename(target)
    sync(target.parent)
