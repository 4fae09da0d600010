"""Rows of JSON Lines, and of JSON in the forms in which tables are written as one document."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from seqscore.errors import InputError
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.json_text import JsonText, parsed
from seqscore.evaluation.data.lines import decoded, read_lines
from seqscore.evaluation.data.records import Record, check_distinct, kind_of_value
from seqscore.evaluation.data.suites import is_suite, suite_rows


def read_json_lines(stream: BinaryIO, name: str, options: DataOptions) -> Iterator[Record | InputError]:
    """Objects, one a line, in order; an error stands for a bad line. Lines of white space alone are passed over."""
    limit, encoding = options.max_line_bytes, options.encoding
    for line in read_lines(stream, name, limit=limit, encoding=encoding):
        where = f"{name}, line {line.number}"
        if line.data is None:
            yield InputError(f"{where} is longer than {limit:,} bytes, the limit for a line")
        elif line.data.strip():
            text = decoded(line, name, encoding)
            yield text if isinstance(text, InputError) else _row(text, where)


def _row(text: str, where: str) -> Record | InputError:
    try:
        value = parsed(text)
    except ValueError as error:
        return InputError(f"{where} is not JSON: {error}")
    return _record(value, where)


def _record(value: object, where: str) -> Record | InputError:
    if isinstance(value, dict):
        return Record(where, value)
    return InputError(f'{where} must be a JSON object like {{"text": "..."}}, got {kind_of_value(value)}')


def read_json(
    stream: BinaryIO, name: str, options: DataOptions, known: Collection[str]
) -> Iterator[Record | InputError]:
    """The rows of a file of JSON, whichever way it holds them, in order; an error stands for a bad one.

    An array of objects or of texts is read row by row. So are objects one behind the other, a line each or laid out
    over several. One object is a row, or a table as pandas and polars write it: columns of lists or of
    ``{"0": ...}``, rows by their index, ``{"columns": [...], "data": [...]}``, or ``{"data": [{...}, ...]}``; or a
    test suite (``suites``). Such a document is held as a whole. ``known``: names that a column may have, by which
    columns of rows and rows of columns are told apart.

    Raises:
        InputError: it is no JSON, or of none of these forms.
    """
    text = JsonText(stream, name, options)
    begin = text.peek()
    if begin == "[":
        yield from array_rows(text)
        return
    if begin == "":
        return
    first = text.element(options.max_file_bytes)
    if text.peek() == "":
        yield from document_rows(first, name, options, known)
        return
    number = 0
    row: Any = first
    while True:
        yield row if isinstance(row, InputError) else _record(row, f"{name}, row {number}")
        if text.peek() == "":
            return
        number += 1
        row = text.element(options.max_line_bytes)


def array_rows(text: JsonText) -> Iterator[Record | InputError]:
    """The rows of an array, whose text is ``text.last`` as each is given."""
    text.take("[")
    number = 0
    while text.peek() != "]":
        value = text.element(text.options.max_line_bytes)
        where = f"{text.name}, row {number}"
        if value is None or isinstance(value, str):
            value = {"text": value}
        if isinstance(value, list) and number == 0:
            raise InputError(
                f"{text.name} holds lists of values without the names of their columns; write it as a list of objects "
                f"(pandas: orient='records')"
            )
        yield value if isinstance(value, InputError) else _record(value, where)
        number += 1
        if text.peek() == "]":
            break
        text.take(",")
    text.take("]")
    if text.peek():
        raise InputError(f"{text.name} goes on behind the end of its list, at character {text.position:,}")


def document_rows(value: Any, name: str, options: DataOptions, known: Collection[str]) -> Iterator[Record | InputError]:
    """The rows of one JSON value that is no array."""
    if isinstance(value, InputError):
        raise value
    if not isinstance(value, dict):
        raise InputError(f"{name} must hold JSON objects, got {kind_of_value(value)}")
    for number, row in enumerate(_rows(value, name, options, known)):
        yield _record(row, f"{name}, row {number}")


def _rows(table: Mapping[str, Any], name: str, options: DataOptions, known: Collection[str]) -> Iterator[Any]:
    """The rows of an object, by the form that it has; the object itself where it has none of a table."""
    if is_suite(table):
        return suite_rows(table)
    names, data = table.get("columns"), table.get("data")
    if isinstance(names, list) and isinstance(data, list) and all(isinstance(one, list) for one in data):
        return _of_split(names, data, name)
    if isinstance(names, list) and all(isinstance(one, dict) and {"name", "values"} <= set(one) for one in names):
        check_distinct(name, [str(one["name"]) for one in names])
        return _of_lists({str(one["name"]): one["values"] for one in names}, name)
    values = list(table.values())
    if values and all(isinstance(one, list) for one in values) and not _is_list_of_rows(values):
        return _of_lists(table, name)
    if values and all(isinstance(one, dict) for one in values) and len({frozenset(one) for one in values}) == 1:
        return _of_objects(table, name, frozenset(known))
    held = [key for key, one in table.items() if _is_list_of_rows([one])]
    if len(held) == 1 and not any(isinstance(one, str) for key, one in table.items() if key in known):
        options.notify(f"{name} is one object; its rows are those of the list {held[0]!r}")
        return iter(table[held[0]])
    return iter([table])


def _is_list_of_rows(values: Sequence[Any]) -> bool:
    return len(values) == 1 and bool(values[0]) and isinstance(values[0], list) and isinstance(values[0][0], dict)


def _of_split(names: Sequence[Any], data: Sequence[Sequence[Any]], name: str) -> Iterator[Any]:
    columns = [str(one) for one in names]
    check_distinct(name, columns)
    for number, row in enumerate(data):
        if len(row) != len(columns):
            raise InputError(
                f"{name}, row {number} has {len(row)} values, expected {len(columns)} as columns are named"
            )
    return (dict(zip(columns, row, strict=True)) for row in data)


def _of_lists(table: Mapping[str, Any], name: str) -> Iterator[Any]:
    lengths = {key: len(one) for key, one in table.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{name} holds lists of different lengths, so they are no columns: {lengths!r:.200}")
    return (dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True))


def _of_objects(table: Mapping[str, Any], name: str, known: frozenset[str]) -> Iterator[Any]:
    """Columns by name of rows by index, or the other way round, told by which of the two are numbers or known names."""
    outer, inner = list(table), list(next(iter(table.values())))
    if (_counts(inner) and not _counts(outer)) or (known & set(outer) and not known & set(inner)):
        return ({column: table[column][row] for column in outer} for row in inner)
    if (_counts(outer) and not _counts(inner)) or (known & set(inner) and not known & set(outer)):
        return iter(table.values())
    raise InputError(
        f"{name} is an object of objects, of which neither level is surely that of the columns; write it as a list of "
        f"objects (pandas: orient='records')"
    )


def _counts(names: Sequence[str]) -> bool:
    return all(name.isascii() and name.isdigit() for name in names)
