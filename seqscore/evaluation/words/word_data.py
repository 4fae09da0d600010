"""Rows of a dataset as texts with words: a text a row, a list of words a row, or a word a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, TypeAlias, get_args

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.column_names import CONTEXT, SPACE, TEXT, WORD, WORDS
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.dataset import DataItem, DataRow, Dataset
from seqscore.evaluation.data.fields import Fields, Form, fields_for, ranked
from seqscore.evaluation.data.json_text import parsed
from seqscore.evaluation.data.kept_columns import kept_columns
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.data.records import has_column, kind_of_value, no_column
from seqscore.evaluation.words.passages import in_passages
from seqscore.evaluation.words.word_groups import Grouping, grouped
from seqscore.evaluation.words.word_regions import words_in_regions
from seqscore.evaluation.words.word_texts import WordItem, WordText, check_word, gap_of, joined
from seqscore.text.items import check_delimiter
from seqscore.text.joins import DELIMITER_AUTO

ContextFrom: TypeAlias = Literal["sentence", "passage"]
"""What a word is scored given: the earlier words of its ``sentence`` (a row of the data, or a group of rows), or those
of its ``passage``, with all earlier sentences of it."""

_TEXT_FORM = Form(required={"text": (TEXT,)}, optional={"context": ranked(*CONTEXT)})
_WORDS_FORM = Form(required={"words": (WORDS,)}, optional={**_TEXT_FORM.optional, "text": (TEXT,)})
_WORD_FORM = Form(required={"word": ranked(*WORD)}, optional={"space": ranked(*SPACE)})
_WORD_KEYS, _SPACE_KEYS = (*WORD, "text"), SPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTextOptions:
    """Where texts and their words stand.

    Args:
        fields: role -> column: ``text``, ``words`` (a list), ``context``; of rows of one word ``word``, ``space``.
        group: columns that are the same in all rows of a text, where a row is a word; none: a row is a text.
        delimiter: between a context and a text, see ``Pair``.
        regions: columns that together make a text, each of them a region of it; none: texts are in one column.
        joiner: what stands between words, or regions, that have no text: white space, nothing, or ``auto`` (a space
            where two would touch, none in scripts that write none).
        context_from: see ``ContextFrom``.
        passage: columns that are the same in all texts of a passage; of CoNLL-U its documents by default.

    Raises:
        OptionError: a value that an option cannot have, or options that do not go together.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    delimiter: str = DELIMITER_AUTO
    group: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    joiner: str = " "
    context_from: ContextFrom = "sentence"
    passage: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)
        check_delimiter(self.joiner)
        if self.context_from not in get_args(ContextFrom):
            raise OptionError(
                f"context_from={self.context_from!r} is unknown; expected one of {', '.join(get_args(ContextFrom))}"
            )
        for name in ("group", "passage", "regions"):
            names = getattr(self, name)
            if isinstance(names, str) or not all(isinstance(one, str) and one for one in names):
                raise OptionError(f"{name}={names!r:.60} must name columns, for instance ('item', 'condition')")
        if self.regions and (self.group or {"text", "words", "word"} & set(self.fields)):
            raise OptionError(
                "regions= are the columns that make a text; a column of texts or words, or group=, makes one too"
            )
        if self.passage and self.context_from == "sentence":
            raise OptionError("passage= names the passages whose earlier sentences are context: context_from='passage'")
        if self.context_from == "passage" and "context" in self.fields:
            raise OptionError("a column of contexts and context_from='passage' are two contexts; choose one")


def word_texts(dataset: Dataset, options: WordTextOptions = WordTextOptions()) -> Iterator[WordItem]:
    """The texts of a dataset in order, each with what is known of its words; a Problem in the place of a bad one.

    A row is a text (whose words are found later, by a rule), or has a list of words: texts, or objects with a ``word``
    and further values, which are columns of the word; with a text beside them the words stand in it, else they are
    joined. With ``group`` a row is a word. What is guessed of the columns is told to ``dataset.options.notify``.

    Raises:
        OptionError: no column looks like a text or words, or one that is named is not there.
        InputError: from the iterator: groups or passages come apart.
    """
    dataset, passage = _with_ids(dataset), _passage_columns(dataset, options)
    for name in (*options.group, *passage, *options.regions):
        if not has_column(dataset.columns, name):
            raise no_column(dataset.name, name, dataset.columns)
    make = _in_regions if options.regions else _texts
    found = _groups(dataset, options, passage) if options.group else make(dataset, options)
    return in_passages(found, passage) if passage else found


def _with_ids(dataset: Dataset) -> Dataset:
    """Sentences of CoNLL-U have ids of their own."""
    if dataset.options.id_column is None and {"sent_id", "words"} <= set(dataset.columns):
        return replace(dataset, options=replace(dataset.options, id_column="sent_id"))
    return dataset


def _passage_columns(dataset: Dataset, options: WordTextOptions) -> tuple[str, ...]:
    if options.context_from == "sentence" or options.passage:
        return options.passage
    if {"newdoc", "words"} <= set(dataset.columns):
        first = next(dataset.look(1), None)
        if first is not None and first.values.get("newdoc") is None:
            raise OptionError(
                f"{dataset.name} has no '# newdoc' before its first sentence, so it is not known where passages begin; "
                f"name a column that tells them apart: --passage COLUMN"
            )
        return ("newdoc",)
    raise OptionError("context_from='passage' needs the column that tells passages apart: --passage COLUMN")


def _groups(dataset: Dataset, options: WordTextOptions, passage: Sequence[str]) -> Iterator[WordItem]:
    fields = _fields(dataset, (_WORD_FORM,), options)
    how = Grouping(
        names=options.group,
        word=fields["word"],
        space=fields.columns.get("space"),
        joiner=options.joiner,
        shared=tuple(name for name in passage if name not in options.group),
        id_column=dataset.options.id_column,
    )
    # A limit counts texts: it must not cut the last one.
    every = replace(dataset, options=replace(dataset.options, limit=None))
    return islice(grouped(every.rows(), how), dataset.options.limit)


def _texts(dataset: Dataset, options: WordTextOptions) -> Iterator[WordItem]:
    fields = _fields(dataset, _forms(dataset, options), options)
    return (_word_text(row, fields, options, dataset.options) for row in dataset.rows())


def _in_regions(dataset: Dataset, options: WordTextOptions) -> Iterator[WordItem]:
    context = options.fields.get("context")
    if context is not None and not has_column(dataset.columns, context):
        raise no_column(dataset.name, context, dataset.columns)
    used = {*options.regions, *((context,) if context else ()), *filter(None, [dataset.options.id_column])}
    for row in dataset.rows():
        if isinstance(row, Problem):
            yield row
            continue
        columns = kept_columns(row.values, "all", used)
        try:
            found = words_in_regions(row, options.regions, options.joiner)
            yield WordText(
                id=row.id,
                number=row.number,
                where=row.where,
                text=found.text,
                words=found.words,
                context=None if context is None else row.context(context),
                delimiter="" if context is None else options.delimiter,
                columns=columns,
                own=found.own,
            )
        except InputError as error:
            yield Problem(row.id, error, row.number, columns)


def _forms(dataset: Dataset, options: WordTextOptions) -> Sequence[Form]:
    """Lists of words before texts, unless the text was named; what only has the name of a list is none."""
    if "text" in options.fields and "words" not in options.fields:
        return (_TEXT_FORM,)
    first = next(dataset.look(1), None)
    lists = first is not None and any(_is_list(first.values.get(name)) for name in WORDS)
    return (_WORDS_FORM, _TEXT_FORM) if lists or "words" in options.fields else (_TEXT_FORM,)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, str) and value.lstrip().startswith("["))


def _fields(dataset: Dataset, forms: Sequence[Form], options: WordTextOptions) -> Fields:
    try:
        fields = fields_for(forms, dataset.columns, options.fields, task="words")
    except OptionError as error:
        alone = not options.group and any(name in dataset.columns for name in WORD)
        hint = "; where a row is a word, name the columns that tell texts apart: --group COLUMNS" if alone else ""
        raise OptionError(f"{error.message}{hint}") from error
    if any(fields[role] != role for role in fields.guessed):
        dataset.options.notify(f"words: {fields.describe()}")
    return fields


def _word_text(row: DataItem, fields: Fields, options: WordTextOptions, data: DataOptions) -> WordItem:
    if isinstance(row, Problem):
        return row
    used = {one for one in (*fields.columns.values(), data.id_column) if isinstance(one, str)}
    columns = kept_columns(row.values, "all", used)
    try:
        return _read(row, fields, options, columns)
    except InputError as error:
        return Problem(row.id, error, row.number, columns)


def _read(row: DataRow, fields: Fields, options: WordTextOptions, columns: Mapping[str, Any]) -> WordText:
    words = _given_words(row, fields["words"]) if "words" in fields else None
    if "text" in fields and not (words and row.record.is_missing(row.at(fields["text"]))):
        text = row.text(fields["text"])
    else:
        assert words is not None
        text = words.text(options.joiner)
    return WordText(
        id=row.id,
        number=row.number,
        where=row.where,
        text=text,
        words=words.words if words is not None else None,
        context=row.context(fields["context"]) if "context" in fields else None,
        delimiter=options.delimiter if "context" in fields else "",
        after=words.gaps[-1] if words is not None and words.gaps else None,
        columns=columns,
        own=words.own if words is not None else (),
    )


@dataclass(frozen=True, slots=True)
class _Words:
    words: tuple[str, ...]
    own: tuple[Mapping[str, Any], ...]
    gaps: tuple[str, ...]

    def text(self, joiner: str) -> str:
        return joined(self.words, self.gaps or joiner)


def _given_words(row: DataRow, column: Any) -> _Words:
    """The words of a list, with what else its objects hold.

    Raises:
        InputError: it is no list, or one of them is no word.
    """
    value = row.at(column)
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _json_list(value, f"{row.where}: column {column!r}")
    if not isinstance(value, list | tuple) or not value:
        shown = "an empty list" if isinstance(value, list | tuple) else kind_of_value(value)
        raise InputError(f'{row.where}: column {column!r} is {shown}; expected a list of words, as ["The", "keys"]')
    found = [_word_of(one, place, row.where) for place, one in enumerate(value, start=1)]
    own = tuple(columns for _, columns, _ in found)
    gaps = tuple(gap for _, _, gap in found if gap is not None)
    if gaps and len(gaps) < len(found):
        raise InputError(f"{row.where}: some words say whether a space follows, and some do not")
    return _Words(tuple(word for word, _, _ in found), own if any(own) else (), gaps)


def _word_of(value: Any, place: int, where: str) -> tuple[str, Mapping[str, Any], str | None]:
    where = f"{where}, word {place}"
    if isinstance(value, Mapping):
        name = next((one for one in _WORD_KEYS if one in value), None)
        if name is None:
            raise InputError(f"{where} is an object without one of {', '.join(_WORD_KEYS)}")
        space = next((one for one in _SPACE_KEYS if one in value), None)
        own = {key: one for key, one in value.items() if key not in (name, space)}
        word, gap = value[name], None if space is None else gap_of(value[space], f"{where}: {space!r}")
    else:
        word, own, gap = value, {}, None
    if not isinstance(word, str):
        raise InputError(f"{where} is {kind_of_value(word)}; expected text")
    check_word(word, where)
    return word, own, gap


def _json_list(text: str, what: str) -> Any:
    try:
        return parsed(text)
    except ValueError as error:
        hint = "; it looks like a list as Python prints it: write it with json.dumps" if "'" in text[:3] else ""
        raise InputError(f"{what} is no list in JSON: {error}{hint}") from error
