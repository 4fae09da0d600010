"""What a caller names to be scored, as rows of text: arguments, and datasets of any kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.column_names import TEXT
from seqscore.evaluation.data.conversations import MESSAGES, is_conversation
from seqscore.evaluation.data.data_options import Counted, DataOptions, say_no_context
from seqscore.evaluation.data.dataset import DataItem, DataRow, Dataset, find_dataset
from seqscore.evaluation.data.fields import Fields, Form, fields_for
from seqscore.evaluation.data.kept_columns import KeepColumns, check_kept, kept_columns
from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.data.records import Column, column_hint, has_column, no_column
from seqscore.evaluation.data.streams import STANDARD_INPUT
from seqscore.text.items import Chat, check_delimiter


@dataclass(frozen=True, slots=True)
class InputRow:
    """A text to score, behind its context where there is one, or a conversation.

    ``id`` is its number from 0, or what its file says; ``number`` its number over all texts and files; ``columns`` are
    the row's other columns: all but those that are the text, the context and the id. ``delimiter``: see ``Pair``.
    """

    id: int | str
    text: str | Chat
    context: str | None = None
    number: int = field(default=0, compare=False)
    columns: Mapping[str, Any] = field(default_factory=dict, compare=False)
    delimiter: str = ""


InputItem: TypeAlias = Row[InputRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """Which columns of a dataset are scored, and how it is read.

    ``column`` holds the texts: "text" where it is not given, or else a column with another usual name, which is said.
    ``context_column`` holds what stands before each; ``context`` stands before every text. ``keep``: which columns go
    along with a row. ``delimiter`` parts context and text, see ``Pair``. ``data``: see there.
    """

    column: str | None = None
    context_column: str | None = None
    context: str | None = None
    delimiter: str = ""
    keep: KeepColumns = "all"
    data: DataOptions = field(default_factory=DataOptions)

    def __post_init__(self) -> None:
        if self.context is not None and self.context_column is not None:
            raise OptionError("a context for every text and a column of contexts were both given; choose one")
        check_delimiter(self.delimiter)
        if self.delimiter and self.context is None and self.context_column is None:
            raise OptionError(f"delimiter={self.delimiter!r} stands between a context and a text; no context was given")
        if self.data.whole_file and self.names_columns:
            raise OptionError("a whole file as one text has no columns; leave out one of the two options")

    @property
    def names_columns(self) -> bool:
        """Whether any column is named."""
        return any(name is not None for name in (self.column, self.data.id_column, self.context_column))


def open_inputs(
    texts: Sequence[str], files: Sequence[str] = (), *, options: InputOptions = InputOptions()
) -> Iterator[InputItem]:
    """The rows of ``texts`` and then of ``files`` (see ``open_dataset``), lazily and in order, numbered from 0
    throughout.

    ``-`` among either is standard input. Every file is looked at before the first row is given, so that a missing file
    or column shows at once. A row that cannot be read or has no text gives a Problem.

    Raises:
        OptionError: there is nothing to read, or columns are named where there can be none.
        InputError: a file cannot be read; from the iterator too, where reading fails later.
    """
    if not texts and not files:
        raise OptionError("nothing to score; give a text, a file, or - for standard input")
    named = options.names_columns or isinstance(options.keep, tuple)
    if named and not files and STANDARD_INPUT not in texts:
        raise OptionError("columns were named, but only files (--file) have columns")
    parts: list[str | _Opened] = [_opened([text], options) if text == STANDARD_INPUT else text for text in texts]
    if files:
        parts.append(_opened(files, options))
    return _rows(parts, options)


def only_texts(rows: Iterable[InputItem]) -> list[str]:
    """The texts of all rows.

    Raises:
        InputError: the first problem among them.
    """
    texts = []
    for row in rows:
        if isinstance(row, Problem):
            raise row.error
        if isinstance(row.text, Chat):
            raise InputError(f"row {row.number} is a conversation; expected a text")
        texts.append(row.text)
    return texts


@dataclass(frozen=True, slots=True)
class _Opened:
    """A dataset whose first row was read, to learn whether there is one; ``rows`` gives it too."""

    dataset: Dataset
    fields: Fields
    rows: Iterator[DataItem]


def _opened(sources: Sequence[str], options: InputOptions) -> _Opened:
    dataset = find_dataset(sources, options=options.data)
    rows = dataset.rows()
    first = next(rows, None)
    if first is None:
        _say_no_row(dataset)
        return _Opened(dataset, Fields({}, frozenset()), iter(()))
    check_kept(options.keep, dataset.columns)
    return _Opened(dataset, _fields(dataset, options), chain([first], rows))


def _say_no_row(dataset: Dataset) -> None:
    """Lines of text may be none, as a pipe that brings nothing; a table without a row is a mistake."""
    message = f"{dataset.name}: there is no row that can be read, so nothing to score"
    if not dataset.is_text:
        columns = f"; its columns are {', '.join(map(repr, dataset.columns)):.200}" if dataset.columns else ""
        raise InputError(message + columns)
    dataset.options.notify(message)


def _fields(dataset: Dataset, options: InputOptions) -> Fields:
    """Where the text stands, and the context."""
    named = {"text": options.column or "text", "context": options.context_column}
    found = {role: column for role, column in named.items() if column is not None}
    if not dataset.columns:
        return Fields(found, frozenset())  # no row can be read: the problems are given in their places
    for role, column in found.items():
        if not has_column(dataset.columns, column):
            if role == "text" and options.column is None:
                return _guessed(dataset, found)
            raise no_column(dataset.name, column, dataset.columns)
    return Fields(found, frozenset())


def _guessed(dataset: Dataset, found: dict[str, str]) -> Fields:
    """The column with another usual name of a text."""
    if has_column(dataset.columns, MESSAGES):
        dataset.options.notify(f"{dataset.name} has no column 'text'; the assistant's turns in {MESSAGES!r} are scored")
        return Fields({**found, "text": MESSAGES}, frozenset({"text"}))
    try:
        guess = fields_for((Form(required={"text": (TEXT,)}),), dataset.columns, task="score")
    except OptionError as error:
        fault = no_column(dataset.name, "text", dataset.columns)
        advice = "" if column_hint("text", dataset.columns) else "; name the column of the texts with --column"
        raise InputError(f"{fault.message}{advice}") from error
    dataset.options.notify(f"{dataset.name} has no column 'text'; {guess.describe()}")
    return Fields({**found, "text": guess["text"]}, frozenset({"text"}))


def _rows(parts: Sequence[str | _Opened], options: InputOptions) -> Iterator[InputItem]:
    number = 0
    for part in parts:
        if isinstance(part, str):
            yield InputRow(number, part, options.context, number, delimiter=options.delimiter)
            number += 1
            continue
        dataset, fields = part.dataset, part.fields
        first, alone = number, Counted()
        for row in part.rows:
            number = first + row.number
            found = _row(row, number, fields, options)
            if (
                "context" in fields
                and isinstance(row, DataRow)
                and isinstance(found, InputRow)
                and found.context is None
            ):
                alone.add(row.where)
            yield found
            number += 1
        say_no_context(alone, dataset.options.notify)


def _row(row: DataItem, number: int, fields: Fields, options: InputOptions) -> InputItem:
    row_id = number if row.id == row.number else row.id
    if isinstance(row, Problem):
        return Problem(row_id, row.error, number)
    used = {one for one in (*fields.columns.values(), options.data.id_column) if isinstance(one, str)}
    columns = kept_columns(row.values, options.keep, used)
    try:
        text, context = _text_or_chat(row, fields["text"]), _context(row, fields, options)
        if isinstance(text, Chat) and context is not None:
            raise InputError(f"{row.where} is a conversation, which takes no context: it holds its own")
        return InputRow(row_id, text, context, number, columns, options.delimiter)
    except InputError as error:
        return Problem(row_id, error, number, columns)


def _text_or_chat(row: DataRow, column: Column) -> str | Chat:
    value = row.at(column)
    return Chat(value) if is_conversation(value) else row.text(column)


def _context(row: DataRow, fields: Fields, options: InputOptions) -> str | None:
    if "context" not in fields:
        return options.context
    return row.context(fields["context"])
