"""What can be read only once, kept in the folder of a run, so that its rows can be copied as they were read."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from seqscore.errors import OptionError
from seqscore.evaluation.data.data_options import DataOptions, FileKind
from seqscore.evaluation.data.kinds import kind_of
from seqscore.evaluation.data.source_files import begins_as_object
from seqscore.evaluation.data.streams import STANDARD_INPUT, beginning, is_stream, open_bytes, source_name
from seqscore.evaluation.run.run_folder import held, refuse_strangers
from seqscore.files import NewFile, writing

_SUFFIX: Mapping[FileKind, str] = {
    "text": ".txt",
    "json": ".json",
    "jsonl": ".jsonl",
    "csv": ".csv",
    "tsv": ".tsv",
    "parquet": ".parquet",
    "arrow": ".arrow",
    "conllu": ".conllu",
}


def keep_streams(sources: Sequence[str], folder: Path, options: DataOptions) -> list[str]:
    """The sources, each standard input and pipe among them as the file ``input.jsonl`` (and so on) in ``folder`` that
    now holds what it gave.

    Raises:
        OptionError: the folder holds other things, cannot be written, holds another input, or another process has it.
        InputError: a source cannot be read.
    """
    return [
        _kept(source, place, folder, options) if is_stream(source) else source for place, source in enumerate(sources)
    ]


def _kept(source: str, place: int, folder: Path, options: DataOptions) -> str:
    refuse_strangers(folder)
    with open_bytes(source) as stream:
        kind = kind_of(source, options)
        if source == STANDARD_INPUT and kind == "text" and options.read_as is None:
            kind = "jsonl" if begins_as_object(beginning(stream)) else kind
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with held(folder):  # two processes would write under one temporary name
            final = folder / f"input{f'-{place}' if place else ''}{_SUFFIX[kind]}"
            _copy(stream, source, folder / f".input.{place}.tmp", final)
    return str(final)


def _copy(stream: BinaryIO, source: str, temporary: Path, final: Path) -> None:
    """What ``stream`` gives, on the disk as ``final`` once it is whole."""
    with writing(temporary):
        new = NewFile(final, beside=temporary)
    with new:
        with writing(temporary):
            shutil.copyfileobj(stream, new.stream)
            new.stream.flush()
        if final.exists() and not _same(final, temporary):
            raise OptionError(
                f"{source_name(source)} is not what {str(final)!r} holds; name another folder, or give that file"
            )
        with writing(final):
            new.complete()


def _same(a: Path, b: Path) -> bool:
    if a.stat().st_size != b.stat().st_size:
        return False
    with a.open("rb") as one, b.open("rb") as other:
        while block := one.read(1 << 20):
            if block != other.read(1 << 20):
                return False
    return True
