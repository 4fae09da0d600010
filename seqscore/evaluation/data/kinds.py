"""Which kind a file is, by the end of its name and by how its bytes begin; what is no text is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from seqscore.errors import InputError
from seqscore.evaluation.data.charsets import UTF8, splits_lines
from seqscore.evaluation.data.data_options import DataOptions, FileKind
from seqscore.evaluation.data.lines import refuse_wide
from seqscore.evaluation.data.streams import STANDARD_INPUT, is_compressed, source_name, suffix_of

KINDS: Mapping[str, FileKind] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonlines": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".feather": "arrow",
    ".arrow": "arrow",
    ".conllu": "conllu",
    ".conllup": "conllu",
    ".txt": "text",
    ".text": "text",
}
"""What the end of a name says, each also before .gz, .bz2, .xz and .zst."""

ENDS = ", ".join(KINDS)

_OTHER = {
    "a workbook; save it as CSV (UTF-8)": ".xlsx .xls .xlsm .xlsb .ods .numbers",
    "a document; save it as plain text": ".docx .doc .odt .rtf .pdf .epub .pptx .ppt .odp .ps .djvu",
    "a file that may run code when it is read; write the data as JSON Lines or Parquet": ".pkl .pickle .joblib .dill",
    "an array file; write its texts as JSON Lines or Parquet": ".npy .npz .h5 .hdf5 .mat .pt .pth .ckpt .safetensors",
    "an archive; unpack it": ".zip .7z .rar .tar .tgz .tbz .tbz2 .txz .jar",
    "of a compression that is not read here (.gz, .bz2, .xz and .zst are)": ".lz4 .br .lzma .z .lzo .sz .snappy",
    "a database; export the table as CSV or Parquet": ".sqlite .sqlite3 .db .duckdb .mdb .accdb",
    "of a statistics program; export it as CSV": ".rds .rda .rdata .sav .zsav .por .dta .sas7bdat .xpt .jmp",
    "of another table format; write it as Parquet": ".orc .avro .msgpack .bson .tfrecord .xml .yaml .yml",
    "a page; extract its text": ".html .htm .xhtml .mhtml",
    "a notebook; extract its text": ".ipynb",
    "a picture, a sound or a film": ".png .jpg .jpeg .gif .webp .bmp .tif .tiff .svg .ico .mp3 .wav .flac .ogg .mp4",
    "a program or a model": ".exe .dll .so .dylib .bin .gguf .onnx .pyc .wasm .whl",
}
_REFUSED = {end: what for what, ends in _OTHER.items() for end in ends.split()}

_BINARY = (
    (rb"PK\x03\x04|PK\x05\x06", "a ZIP archive, a workbook or a document"),
    (rb"%PDF-\d\.\d\s*[\r\n]", "a PDF document"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1", "an old workbook or document"),
    (
        rb"\x89PNG|\xff\xd8\xff|GIF8[79]a[^\n]{0,6}[\x00-\x08]|BM.{4}\x00\x00\x00\x00|II\*\x00|MM\x00\*|RIFF.{3}[\x00-\x08]WEBP",
        "a picture",
    ),
    (rb"ID3[\x02-\x04]|OggS\x00|fLaC\x00|RIFF.{3}[\x00-\x08]WAVE|\x00.{3}ftyp", "a sound or a film"),
    (rb"\x80[\x02-\x05](?:[\x80-\xff]|[}\](c])", "a pickle, which may run code when it is read"),
    (rb"\x93NUMPY", "a NumPy array"),
    (rb"SQLite format 3\x00", "a database"),
    (rb"PAR1[\x00-\x08\x0b\x0c\x0e-\x1f]", "Parquet; give its name the end .parquet"),
    (rb"ARROW1\x00\x00|\xff\xff\xff\xff.{2}\x00\x00", "Arrow; give its name the end .arrow"),
    (rb"\x1f\x8b\x08", "compressed by gzip; give its name the end .gz"),
    (rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "compressed by bzip2; give its name the end .bz2"),
    (rb"\xfd7zXZ\x00", "compressed by xz; give its name the end .xz"),
    (rb"\x28\xb5\x2f\xfd", "compressed by Zstandard; give its name the end .zst"),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07", "an archive"),
    (rb"\x89HDF\r\n", "an HDF5 file"),
    (rb"RD[XA][23]\n[XAB]\n", "data of R; export it as CSV"),
    (rb"\x7fELF|GGUF[\x01-\x09]\x00\x00\x00|Obj\x01", "a program, a model or a container"),
)
_MAGIC = tuple((re.compile(pattern, re.DOTALL), what) for pattern, what in _BINARY)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!doctype html|<html[\s>]|<\?xml|\{\\rtf)", re.IGNORECASE)
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*\"|\[\s*[\[{\"])")
_NAME = re.compile(r"\"?[^\W\d][\w .-]{0,40}\"?")


def ends_of(kind: FileKind) -> tuple[str, ...]:
    """The ends of names that say this kind, the usual one first."""
    return tuple(end for end, one in KINDS.items() if one == kind)


def kind_of(source: str, options: DataOptions) -> FileKind:
    """How a file is read: as asked for, else by its name's end, and as lines of text where that says nothing.

    Raises:
        InputError: the end is of something that is neither text nor a table that is read here.
    """
    if options.read_as is not None:
        return options.read_as
    if source == STANDARD_INPUT:
        return "csv" if options.field_separator is not None else "text"
    suffix = suffix_of(source)
    what = _REFUSED.get(suffix) or _REFUSED.get(Path(source).suffix.lower())
    if what is not None:
        raise InputError(
            f"cannot read {source!r}: by its end {suffix} it is {what}. Read are {ENDS} and plain text; "
            f"read_as= (--read-as) names the kind where the end is wrong"
        )
    kind = KINDS.get(suffix, "text")
    return "csv" if kind == "text" and options.field_separator is not None else kind


def is_known(source: str) -> bool:
    """Whether the end of the name says how the file is read."""
    return suffix_of(source) in KINDS


def check_beginning(source: str, head: bytes, options: DataOptions) -> None:
    """Refuse bytes that are no text, whatever the name says, unless the caller says that they are (``read_as``).

    Raises:
        InputError: they begin as another format does, or hold zero bytes as no text does.
    """
    name = source_name(source)
    if options.encoding == UTF8:
        refuse_wide(head, name)
    for pattern, what in _MAGIC if options.read_as != "text" else ():
        if pattern.match(head):
            raise InputError(
                f"cannot read {name} as text: it is {what}; --read-as text (read_as=) where it is text all the same"
            )
    if not is_known(source) and options.read_as is None and _MARKUP.match(head):
        raise InputError(
            f"cannot read {name} as text: it is markup; extract its text, or say --read-as text (read_as=)"
        )
    known = is_known(source) or source == STANDARD_INPUT
    if splits_lines(options.encoding) and options.read_as is None and _is_binary(head, known=known):
        raise InputError(
            f"cannot read {name} as text: it holds zero bytes; where it is UTF-16 or UTF-32, say so with --encoding "
            f"utf-16, and where they belong to the text, say --read-as text (encoding=, read_as=)"
        )


def _is_binary(head: bytes, *, known: bool) -> bool:
    """Zero bytes: where the name says text, a lone one in a line is taken for the writer's own."""
    count = head.count(0)
    if count < 2 or not known:
        return count > 0 and not known
    try:
        head[: len(head) - 4].decode(UTF8)
    except UnicodeDecodeError:
        return True
    return count > len(head) // 20


def look_of(source: str, head: bytes, options: DataOptions) -> str | None:
    """What lines of text look like besides, as a sentence; None where they look like text, or were asked for."""
    if options.read_as is not None or options.whole_file:
        return None
    end = "end .jsonl or .json" if not is_compressed(source) else "end .jsonl.gz or the like"
    name = "" if source == STANDARD_INPUT else f"give its name the {end}, or "
    if _JSON.match(head):
        return (
            f"{source_name(source)} is read as lines of text but looks like JSON; {name}say --read-as jsonl (json for "
            f"a whole array; in Python read_as=)"
        )
    separator = _separator(head, options.encoding)
    if separator is None:
        return None
    called = {"\t": "tsv", ",": "csv"}.get(separator, f"csv --field-separator '{separator}'")
    return (
        f"{source_name(source)} is read as lines of text but looks like a table; say --read-as {called} if it is one "
        f"(in Python read_as=, field_separator=)"
    )


def _separator(head: bytes, encoding: str) -> str | None:
    """What parts the first lines into as many fields each, the first of them names."""
    lines = head.decode(encoding, "replace").removeprefix("\ufeff").splitlines()[:5]
    for separator in "\t;,":
        names = lines[0].split(separator) if lines else []
        below = lines[1:-1] or lines[1:]
        named = len(names) > 1 and all(_NAME.fullmatch(one) for one in names)
        if named and below and all(line.count(separator) == len(names) - 1 for line in below):
            return separator
    return None
