"""Rows that are there already: an iterable of mappings, a table of pandas, polars or Arrow, a loaded dataset.

The libraries are told apart by what their objects offer, without importing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.dataset import Dataset
from seqscore.evaluation.data.records import Record, check_distinct, has_column, no_column
from seqscore.evaluation.data.suites import is_suite, suite_rows
from seqscore.typed_json import encoded

ROWS_LIKE = '[{"text": ...}]'
"""For messages: how rows look."""


@dataclass(frozen=True, slots=True)
class MemoryRecords:
    """Records of rows that can be iterated over again and again."""

    rows: Iterable[object]

    def read(self) -> Iterator[Record | InputError]:
        """From the first one on; what is no row is an error in its place."""
        for number, row in enumerate(self.rows):
            if isinstance(row, Mapping):
                yield Record(f"row {number}", {str(name): _present(value) for name, value in row.items()})
            else:
                yield InputError(f"row {number} is a {type(row).__name__}; expected a mapping of columns to values")


def dataset_in_memory(data: object, *, options: DataOptions) -> Dataset:
    """Rows as a dataset. It is gone through twice: once for the digest of its content, which is its identity.

    Args:
        data: an iterable of mappings (collected unless it is a list or tuple), a DataFrame of pandas or polars, an
            Arrow table, a ``Dataset`` or ``IterableDataset`` of the datasets library, or a test suite as JSON has it.
        options: ``id_column``, ``limit`` and ``notify``; the others say how files are read.

    Returns:
        Its ``description`` holds the number of rows and the XXH128 of their content.

    Raises:
        InputError: it is nothing of the kind, there is no row, or no column of the id's name.
        OptionError: an option is not for rows in memory.
    """
    _check_options(options)
    records = MemoryRecords(_rows_of(data, options.limit))
    count, digest, columns = _looked_through(records, options.limit)
    if not columns:
        raise InputError(
            f"the data hold no row with columns, so there is nothing to evaluate; rows are mappings, {ROWS_LIKE}"
        )
    if options.id_column is not None and not has_column(columns, options.id_column):
        raise no_column("the data", options.id_column, columns)
    return Dataset(
        name="rows in memory",
        columns=columns,
        description={"rows": str(count), "content": digest},
        num_rows=count,
        options=options,
        parts=(records,),
    )


_OPTIONS = ("id_column", "limit", "notify")


def _check_options(options: DataOptions) -> None:
    for one in fields(options):
        value = getattr(options, one.name)
        if one.name not in _OPTIONS and value != one.default:
            raise OptionError(
                f"{one.name}={value!r} says how files or datasets are read, and these rows are in memory already; "
                f"for them there are id_column and limit"
            )


def _looked_through(records: MemoryRecords, limit: int | None) -> tuple[int, str, tuple[str, ...]]:
    """How many rows there are, the digest of their content, and the columns of the first."""
    import xxhash

    content, count = xxhash.xxh3_128(), 0
    columns: tuple[str, ...] = ()
    for record in islice(records.read(), limit):
        count += 1
        if isinstance(record, Record):
            columns = columns or tuple(record.values)
            content.update(encoded(record.values).encode())
        content.update(b"\n")
    return count, f"xxh128:{content.hexdigest()}", columns


def _rows_of(data: Any, limit: int | None) -> Iterable[object]:
    if isinstance(data, Mapping) and is_suite(data):
        return list(suite_rows(data))
    if hasattr(data, "itertuples") and hasattr(data, "iloc"):  # pandas
        columns = _named(data.columns)
        return [dict(zip(columns, row, strict=True)) for row in data.itertuples(index=False, name=None)]
    if hasattr(data, "iter_rows") and hasattr(data, "columns"):  # polars
        return list(data.iter_rows(named=True))
    if hasattr(data, "to_pylist") and hasattr(data, "column_names"):  # Arrow
        _named(data.column_names)
        rows: list[object] = data.to_pylist()
        return rows
    if isinstance(data, Mapping) and _is_of_datasets(data):
        raise InputError(
            f"the data hold the splits {', '.join(map(str, data))}; choose one: data[{next(iter(data), '')!r}]"
        )
    if hasattr(type(data), "collect") and not isinstance(data, Iterable):  # polars, before it is computed
        raise InputError(f"the data are a {type(data).__name__}, whose rows are not there yet; give data.collect()")
    if isinstance(data, Mapping | str | bytes) or not isinstance(data, Iterable):
        raise InputError(
            f"data must be the name of a file or dataset, an iterable of mappings, or a table, got {_kind(data)}; "
            f"of one row give a list that holds it"
        )
    # Nothing says of another iterable that it gives the same rows, or any, a second time.
    return data if isinstance(data, list | tuple) or _is_of_datasets(data) else list(islice(data, limit))


def _is_of_datasets(data: object) -> bool:
    return any(one.__module__.partition(".")[0] == "datasets" for one in type(data).__mro__)


def _named(columns: Iterable[object]) -> list[str]:
    names = [str(column) for column in columns]
    check_distinct("the table", names)
    return names


def _present(value: Any) -> Any:
    """The value, what NumPy holds of it as Python has it; None for the marks of missing values that pandas has besides
    None and NaN."""
    return None if type(value).__name__ in ("NAType", "NaTType") else _without_numpy(value, _MAX_DEPTH)


_MAX_DEPTH = 16  # no row that a task reads is nested so deeply; a list may hold itself


def _without_numpy(value: Any, depth: int) -> Any:
    """Numbers, flags and arrays of NumPy, also within lists and mappings, as Python's; times stay."""
    if not depth:
        return value
    if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        return value if value.dtype.kind in "Mm" else _without_numpy(value.tolist(), depth - 1)
    if type(value) in (list, tuple):
        return type(value)(_without_numpy(one, depth - 1) for one in value)
    if type(value) is dict:
        return {name: _without_numpy(one, depth - 1) for name, one in value.items()}
    return value


def _kind(value: object) -> str:
    return "a single mapping" if isinstance(value, Mapping) else f"a value of type {type(value).__name__}"
