"""The formats of files: what each is for, and which one a file gets. A new format is one file and one line here."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from seqscore.errors import OptionError
from seqscore.evaluation.data.kinds import ends_of
from seqscore.output.destination import is_standard_output

Records: TypeAlias = Literal["flat", "lists", "json", "rows"]
"""What a writer gets for a scored text. ``flat``: a record, or with tokens one for each of them; ``lists``: a record,
its tokens in a list; ``json``: the same, an error an object; ``rows``: the scored row itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way to write scores.

    Args:
        writer: what makes its writer from a ``Sheet`` (see ``record_writer``), as module and name: it is imported when
            it is used.
        ends: of names of files that are written so.
        records: what the writer gets.
        for_people: rounded, for reading; the others hold every digit for programs.
        gzip: whether a file whose name also ends in .gz is compressed.
        sidecar: it has no place for the signature, which goes to ``NAME.meta.json`` beside it.
        to_standard_output: whether it can go there.
    """

    writer: str
    ends: tuple[str, ...] = ()
    records: Records = "flat"
    for_people: bool = False
    gzip: bool = False
    sidecar: bool = False
    to_standard_output: bool = True


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "table": Format(writer="seqscore.output.tables.table_writer", records="rows", for_people=True),
        "jsonl": Format(
            writer="seqscore.output.jsonl.jsonl_writer", ends=ends_of("jsonl"), records="json", gzip=True, sidecar=True
        ),
        "csv": Format(writer="seqscore.output.csv_writer.csv_writer", ends=ends_of("csv"), gzip=True, sidecar=True),
        "tsv": Format(writer="seqscore.output.csv_writer.tsv_writer", ends=ends_of("tsv"), gzip=True, sidecar=True),
        "parquet": Format(
            writer="seqscore.output.arrow_types.parquet_writer",
            ends=ends_of("parquet"),
            records="lists",
            to_standard_output=False,
        ),
        "md": Format(writer="seqscore.output.documents.markdown_writer", ends=(".md",), for_people=True),
        "tex": Format(writer="seqscore.output.documents.latex_writer", ends=(".tex",), for_people=True),
    }
)


def format_named(name: str) -> Format:
    """The format of this name.

    Raises:
        OptionError: there is none.
    """
    if name not in FORMATS:
        raise OptionError(f"format {name!r} is unknown; expected one of {', '.join(FORMATS)}")
    return FORMATS[name]


def machine_formats() -> tuple[str, ...]:
    """The names of those that hold every digit, for programs."""
    return tuple(name for name, one in FORMATS.items() if not one.for_people)


def shown_ends(names: Iterable[str]) -> str:
    """The usual ends of these formats' names, for help: those that may be compressed first."""
    chosen = [FORMATS[name] for name in names if FORMATS[name].ends]
    compressed = ", ".join(one.ends[0] for one in chosen if one.gzip) + " (these also with .gz)"
    *others, last = [compressed, *(one.ends[0] for one in chosen if not one.gzip)]
    return f"{', '.join(others)} or {last}"


def is_gzipped(target: Path) -> bool:
    """Whether a file of this name is compressed with gzip."""
    return target.suffix.lower() == ".gz"


def format_of(target: Path | None, asked: str | None = None, *, made: Sequence[str] | None = None) -> str:
    """The format of a file: what ``asked`` says, else what its name ends in; the first of ``made`` for standard output
    and devices. ``made``: the formats that there are here; None: all.

    Raises:
        OptionError: the end is not known and no format is asked for, says another format than is asked for, or
            compresses what is not compressed so; or there is no format that is called so, or not here.
    """
    names = tuple(FORMATS) if made is None else made
    if asked is not None:
        format_named(asked)
        _check_made(f"--format {asked!r}", asked, names)
    if target is None or is_standard_output(target) or _is_device(target):
        return asked or names[0]
    ending = Path(target.stem).suffix.lower() if is_gzipped(target) else target.suffix.lower()
    found = next((name for name, one in FORMATS.items() if ending in one.ends), None)
    if found is not None and asked not in (None, found):
        raise OptionError(f"-o {str(target)!r} ends as {found}, yet --format {asked} was asked for; leave out one")
    chosen = asked or found
    if chosen is None and Path(target).is_dir():
        raise OptionError(f"-o {str(target)!r} is a folder; expected the name of a file that ends as {_known(names)}")
    if chosen is None:
        raise OptionError(
            f"-o {str(target)!r}: the end {ending or 'of the name'!r} names no format; expected {_known(names)}, or "
            f"--format"
        )
    _check_made(f"-o {str(target)!r}: the format {chosen!r}", chosen, names)
    if is_gzipped(target) and not FORMATS[chosen].gzip:
        why = "is for reading" if FORMATS[chosen].for_people else "compresses by itself"
        raise OptionError(f"-o {str(target)!r}: {chosen} {why}; leave out .gz")
    return chosen


def _check_made(what: str, name: str, made: Sequence[str]) -> None:
    if name not in made:
        raise OptionError(f"{what} is not made here; expected one of {', '.join(made)}")


def _known(names: Sequence[str]) -> str:
    """All ends of names: those that may be compressed first."""
    chosen = [FORMATS[name] for name in names]
    compressed = [_ends(one) for one in chosen if one.ends and one.gzip]
    others = [_ends(one) for one in chosen if one.ends and not one.gzip]
    return ", ".join([*compressed, "each also with .gz", *others])


def _ends(one: Format) -> str:
    first, *more = one.ends
    return f"{first} ({', '.join(more)})" if more else first


def _is_device(target: Path) -> bool:
    """Whether there is something of this name that is neither a file nor a folder."""
    try:
        mode = target.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
