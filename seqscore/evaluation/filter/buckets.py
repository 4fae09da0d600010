"""Rows of a filter run sorted out by their perplexity, each as it was read, into one file a bucket."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Self

from seqscore.errors import InputError
from seqscore.evaluation.data.dataset import Dataset
from seqscore.evaluation.data.source_files import FileRecords
from seqscore.evaluation.filter.copied import Rows
from seqscore.evaluation.filter.copies import check_copyable, copied_suffix, copy_file, copy_rows_of_library
from seqscore.evaluation.run.run_folder import Run, held
from seqscore.evaluation.run.stored_rows import stored_batches
from seqscore.evaluation.tasks.bucket_limits import By, Rule, Thresholds, bucket_value
from seqscore.files import sync, writing

if TYPE_CHECKING:
    import pyarrow as pa


class _Buckets(Protocol):
    def __call__(self, value: float) -> str: ...


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the rows of a bucket are, a file or a folder of files, and how many there are."""

    path: Path
    num_rows: int


def split_run(run: Run, rule: Rule, *, by: By, dataset: Dataset) -> dict[str, Bucket]:
    """Copy every row of ``dataset``, of which ``run`` is, to the file of its bucket beside the run's parts.

    Rows are copied as they were read, in the format of their file and in its order: see ``copies``. Of one file there
    is ``kept.csv`` and so on, of several a folder with a file each: ``kept/a.csv``. Those that could not be read or
    scored, or of which nothing is scored, go to ``unscored``, and why to ``unscored.errors.jsonl``. Percentiles keep 8
    bytes a row in memory. The run's folder is held by this process meanwhile. Buckets of another rule that are there
    stay, which is said.

    Raises:
        OptionError: a file cannot be written, or another process works on the folder.
        InputError: the data can be read only once, or are not those of the run.
    """
    with held(run.path):
        found = _split(run, rule, by, dataset)
    others = sorted(str(path) for path in run.path.iterdir() if path.name.partition(".")[0] in _OTHER - found.keys())
    if others:
        dataset.options.notify(f"of another rule, and left as they are: {', '.join(others)}")
    return found


_OTHER = frozenset({"kept", "dropped", "head", "middle", "tail"})


def check_sortable(dataset: Dataset) -> None:
    """Make sure, before anything is scored, that ``split_run`` can copy the rows of a dataset.

    Raises:
        InputError: they can be read only once, or a column of theirs comes to too many bytes to be copied.
    """
    for part in dataset.parts:
        _part(part, dataset)
        if isinstance(part, FileRecords):
            check_copyable(part.sources[0], dataset.options)


def _split(run: Run, rule: Rule, by: By, dataset: Dataset) -> dict[str, Bucket]:
    chosen, names = _chooser(run, rule, by)
    names = (*names, "unscored")
    counts = dict.fromkeys(names, 0)
    why = run.path / "unscored.errors.jsonl"
    parts = [_part(part, dataset) for part in dataset.parts]
    places = _places(parts, names, run.path)
    with _Files(run.path) as files:
        with files.new("unscored", why) as errors:
            rows = Rows(_buckets(run, chosen, by, counts, errors))
            for part, finals in zip(parts, places, strict=True):
                part.copy({name: files.temporary(name, final) for name, final in finals.items()}, rows)
        if rows.peek() is not None:
            raise InputError(
                f"{str(run.path)!r} has more rows than {dataset.name}: row {rows.count} is not there; was it changed?"
            )
        files.complete()
    several = len(parts) > 1
    return {name: Bucket(run.path / name if several else places[0][name], counts[name]) for name in names}


@dataclass(frozen=True, slots=True)
class _Part:
    """A file, or a dataset of the library, and how its rows are copied."""

    name: str
    suffix: str
    copy: Callable[[Mapping[str, Path], Rows], None]


def _part(records: Any, dataset: Dataset) -> _Part:
    if isinstance(records, FileRecords):
        (source,) = records.sources
        options = dataset.options
        copy = partial(copy_file, source, options)
        return _Part(Path(source).name, copied_suffix(source, options), copy)
    found = getattr(records, "found", None)
    if found is None:
        raise InputError(
            f"{dataset.name} can be read only once, so that its rows cannot be sorted out; put them into a file"
        )
    return _Part("dataset.parquet", ".parquet", partial(copy_rows_of_library, found.rows))


def _places(parts: Sequence[_Part], names: Sequence[str], folder: Path) -> list[dict[str, Path]]:
    """Of each part the files of its buckets."""
    if len(parts) == 1:
        return [{name: folder / f"{name}{parts[0].suffix}" for name in names}]
    taken: set[str] = set()
    found = []
    for number, part in enumerate(parts):
        file = part.name
        while file.casefold() in taken:
            file = f"{number}-{file}"
        taken.add(file.casefold())  # file systems that know no case take A.csv for a.csv
        found.append({name: folder / name / file for name in names})
    return found


class _Files:
    """Files that appear together once all are written, under temporary names until then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[Path, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for temporary in self._made.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def temporary(self, bucket: str, final: Path) -> Path:
        """The name under which ``final`` is written."""
        assert final not in self._made, f"{final} is written already"
        self._made[final] = self._folder / f".{bucket}.{len(self._made)}.tmp"
        return self._made[final]

    @contextmanager
    def new(self, bucket: str, final: Path) -> Iterator[BinaryIO]:
        """A file that is written to."""
        with writing(final):
            stream = self.temporary(bucket, final).open("wb")
        with stream:
            yield stream

    def complete(self) -> None:
        """Give all files their names."""
        for final, temporary in self._made.items():
            with writing(final):
                final.parent.mkdir(exist_ok=True)
                temporary.replace(final)
        sync(self._folder)


_WHY = ("id", "number", "error_code", "error_message")
_COLUMNS = [
    *_WHY,
    *(f"items.list.element.{name}" for name in ("log_likelihood", "num_scored", "numbers", "num_bytes_scored")),
]


def _buckets(run: Run, chosen: _Buckets, by: By, counts: dict[str, int], errors: BinaryIO) -> Iterator[str]:
    """The bucket of every row, counted; why a row is in none of the rule's goes to ``errors``."""
    for batch in stored_batches(run, _COLUMNS):
        for place, value in enumerate(_bucket_values(batch, by)):
            name = "unscored" if value is None else chosen(value)
            if value is None:
                row = {one: batch.column(one)[place].as_py() for one in _WHY}
                with writing(run.path / "unscored.errors.jsonl"):
                    errors.write(_why(row))
            counts[name] += 1
            yield name


def _why(row: Mapping[str, Any]) -> bytes:
    """Why a row is in no bucket of the rule, as a line."""
    message = row["error_message"] or "nothing of the text is scored"
    error = {"code": row["error_code"] or "nothing_scored", "message": message}
    line = json.dumps({"id": row["id"], "row": row["number"], "error": error}, ensure_ascii=False)
    return line.encode("utf-8") + b"\n"


def _chooser(run: Run, rule: Rule, by: By) -> tuple[_Buckets, tuple[str, ...]]:
    if isinstance(rule, Thresholds):
        return rule.bucket, rule.names
    values = array("d", _values(run, by))
    if not values:
        raise InputError(f"{str(run.path)!r} has no scored row, so there are no percentiles")
    low, high = rule.thresholds(values)
    return lambda value: "head" if value <= low else "middle" if value <= high else "tail", ("head", "middle", "tail")


def _values(run: Run, by: By) -> Iterator[float]:
    for batch in stored_batches(run, _COLUMNS):
        yield from (value for value in _bucket_values(batch, by) if value is not None)


def _bucket_values(batch: pa.RecordBatch, by: By) -> list[float | None]:
    """What each row of a batch is sorted out by; None where it has no score."""
    structs = batch.column("items").flatten()
    fields = {field.name: column for field, column in zip(structs.type, structs.flatten(), strict=True)}
    names = ("log_likelihood", "num_scored", "num_bytes_scored")
    columns = [fields[name].to_numpy().tolist() for name in names]
    numbers = [dict(one) for one in fields["numbers"].to_pylist()] if by == "word_perplexity" else repeat({})
    values = iter(
        [
            bucket_value(dict(zip((*names, "numbers"), (*item, own), strict=True)), by)
            for item, own in zip(zip(*columns, strict=True), numbers, strict=False)
        ]
    )
    return [next(values) if scored else None for scored in batch.column("error_code").is_null().to_pylist()]
