"""Which format a file gets: by its name's end, or as asked."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from seqscore.errors import OptionError
from seqscore.output.destination import is_standard_output

Format: TypeAlias = Literal["table", "jsonl", "csv", "tsv", "parquet", "md", "tex"]
"""``table`` is for a terminal, ``md`` (Markdown) and ``tex`` (LaTeX) for a page or a paper, all three rounded for
people; the others hold every number in full precision."""

FORMATS: tuple[Format, ...] = get_args(Format)
MACHINE_FORMATS: tuple[Format, ...] = ("jsonl", "csv", "tsv", "parquet")

_ENDS: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonlines": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".md": "md",
    ".tex": "tex",
}
_KNOWN = ".jsonl (.ndjson), .csv, .tsv, each also with .gz, .parquet, .md, .tex"


def is_gzipped(target: Path) -> bool:
    """Whether a file of this name is compressed with gzip."""
    return target.suffix.lower() == ".gz"


def format_of(target: Path | None, asked: Format | None = None) -> Format:
    """The format of a file: what ``asked`` says, else what its name ends in; ``table`` for standard output and devices.

    Raises:
        OptionError: the end is not known and no format is asked for, says another format than is asked for, or
            compresses what is not compressed so.
    """
    if target is None or is_standard_output(target) or _is_device(target):
        return asked or "table"
    ending = Path(target.stem).suffix.lower() if is_gzipped(target) else target.suffix.lower()
    found = _ENDS.get(ending)
    if found is not None and asked not in (None, found):
        raise OptionError(f"-o {str(target)!r} ends as {found}, yet --format {asked} was asked for; leave out one")
    chosen = asked or found
    if chosen is None:
        raise OptionError(
            f"-o {str(target)!r}: the end {ending or 'of the name'!r} names no format; expected {_KNOWN}, or --format"
        )
    if is_gzipped(target) and chosen not in ("jsonl", "csv", "tsv"):
        why = "compresses by itself" if chosen == "parquet" else "is for reading"
        raise OptionError(f"-o {str(target)!r}: {chosen} {why}; leave out .gz")
    return chosen


def _is_device(target: Path) -> bool:
    """Whether there is something of this name that is neither a file nor a folder."""
    try:
        mode = target.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
