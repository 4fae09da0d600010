"""Tables of words from Python: a row a word of texts, of data of any kind, or of a data frame."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seqscore.api import Data, check_scorer, dataset_of
from seqscore.errors import InputError, OptionError
from seqscore.extras import naming_extras
from seqscore.policies import Policies, check_choice

if TYPE_CHECKING:
    import pandas as pd

    from seqscore.evaluation.data.problem import Problem
    from seqscore.evaluation.scored.scored_rows import FieldKind
    from seqscore.evaluation.words.word_job import WordJob
    from seqscore.scorer import Scorer

_LISTS = ("group", "passage", "regions", "spillover_of", "by", "reader")


@dataclass(eq=False)
class WordTable:
    """A row a word, made as it is asked for: an iterable of dictionaries. Every iteration scores the data again.

    ``signature``: of the numbers, once there is one: all that they depend on, in one line.
    """

    scorer: Scorer = field(repr=False)
    data: Data = field(repr=False)
    options: Mapping[str, Any]
    errors: Literal["raise", "record"] = "raise"
    signature: str | None = None

    def __post_init__(self) -> None:
        check_scorer(self.scorer)
        check_choice("errors", self.errors, ("raise", "record"))
        with naming_extras():
            self._open(_Options.of(self.options))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with naming_extras(), self._job() as job:
            from seqscore.output.naming import Names

            names = Names({*job.fields, "signature"}, job.notify)
            shown = [name for name in job.fields if name != "error" or self.errors == "record"]
            self._numbers = {name: _TYPES[kind] for name, kind in job.fields.items() if kind in _TYPES}
            for _, records in self._rows(job):
                for record in records:
                    values = {name: _number(record.fields.get(name), job.fields[name]) for name in shown}
                    yield {**values, **names.of(record.columns)}

    def to_pandas(self) -> pd.DataFrame:
        """All rows as a table.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        with naming_extras():
            import pandas as pd
        table = pd.DataFrame(list(self))
        empty = [name for name in self._numbers if name in table and table[name].dtype == object]  # null in all rows
        return table.astype(dict.fromkeys(empty, "float64"))

    def number_types(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, type]:
        """Of the columns of ``rows``, made before, those of numbers, also where all are null."""
        return {name: kind for name, kind in self._numbers.items() if rows and name in rows[0]}

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the rows to a file, in the format that its name's end says, with the signature in its place.

        Raises:
            OptionError: there is no such format, or the file cannot be written.
        """
        with naming_extras(), self._job() as job:
            from seqscore.output.formats import format_of, machine_formats
            from seqscore.output.record_writer import WriterOptions
            from seqscore.output.writers import open_records

            target = Path(path)
            options = WriterOptions(unit=job.table.unit, notify=job.notify)
            with open_records(format_of(target, made=machine_formats()), target, job.fields, options) as file:
                for _, records in self._rows(job):
                    for record in records:
                        file.write(record, job.signature)
        return target

    def _open(self, options: _Options) -> None:
        """The data and the tables beside them, which may be iterables that give their rows once."""
        from seqscore.evaluation.words.word_data import WordTextOptions
        from seqscore.evaluation.words.word_job import TableOptions

        self._texts, self._scoring = WordTextOptions(**options.texts), options.scoring
        self._dataset = dataset_of(self.data, options.data)
        others = {name: dataset_of(options.table[name], {}) for name in _TABLES if options.table.get(name) is not None}
        self._table = TableOptions(**{**options.table, **others})

    @contextmanager
    def _job(self) -> Iterator[WordJob]:
        from seqscore.evaluation.words.word_job import word_job

        with word_job(self._dataset, self._texts, self._table) as job:
            yield job

    def _rows(self, job: WordJob) -> Iterator[Any]:
        from seqscore.evaluation.data.problem import Problem

        for found in job.rows(self.scorer, **self._scoring):
            if isinstance(found.text, Problem) and self.errors == "raise":
                raise type(found.text.error)(_with_place(found.text))
            self.signature = job.signature
            yield found


_TABLES = ("frequencies", "join")
_TYPES: Mapping[FieldKind, type] = {"whole": int, "real": float}


@dataclass(frozen=True, slots=True)
class _Options:
    """Keywords of ``words`` by what they belong to."""

    texts: Mapping[str, Any]
    table: Mapping[str, Any]
    scoring: Mapping[str, Any]
    data: Mapping[str, Any]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> _Options:
        from seqscore.evaluation.data.data_options import DataOptions
        from seqscore.evaluation.words.word_data import WordTextOptions
        from seqscore.evaluation.words.word_job import TableOptions

        known = {
            "texts": [one.name for one in fields(WordTextOptions)],
            "table": [one.name for one in fields(TableOptions)],
            "scoring": ["words", "correction", *(one.name for one in fields(Policies))],
            "data": [one.name for one in fields(DataOptions)],
        }
        for name in given:
            if not any(name in names for names in known.values()):
                listed = "; ".join(", ".join(names) for names in known.values())
                raise OptionError(f"there is no option {name!r}: there are {listed}")
        plain = {name: _plain(name, value) for name, value in given.items()}
        return cls(**{kind: {one: plain[one] for one in names if one in plain} for kind, names in known.items()})


def _plain(name: str, value: Any) -> Any:
    """A list of columns as a tuple, one column too; columns that go along as they are chosen."""
    if name == "keep_columns":
        from seqscore.evaluation.data.kept_columns import keep_columns

        return keep_columns([value] if isinstance(value, str) else list(value))
    if name not in _LISTS:
        return value
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Sequence):
        raise OptionError(f"{name}={value!r:.60} must name columns, for instance ['item', 'condition']")
    return tuple(value)


def _with_place(problem: Problem) -> str:
    """What is wrong with a text, and where it stands, which a message about data says itself."""
    place = f"row {problem.number}"
    message = problem.error.message
    return message if message.startswith(place) else f"{place}: {message}"


def _number(value: Any, kind: FieldKind) -> Any:
    """An infinity as a number, where records have it as in JSON."""
    return float(value) if kind == "real" and isinstance(value, str) else value


def words(scorer: Scorer, data: Data, *, errors: Literal["raise", "record"] = "raise", **options: Any) -> WordTable:
    """The words of data with their surprisals, a row a word beside the data's own columns, as ``seqscore words`` does.

    Args:
        scorer: see ``Scorer.from_pretrained``.
        data: a path or a name on the hub, several of them, a DataFrame of pandas or polars, an Arrow table, a
            ``Dataset`` of the datasets library, or an iterable of mappings from column to value. A row is a text, has
            a list of words, or (with ``group``) is one word; .conllu files have sentences.
        errors: a text that cannot be scored raises, or is a row with its ``error``.
        options: of texts (``fields``, ``group``, ``regions``, ``joiner``, ``delimiter``, ``context_from``,
            ``passage``), of what stands beside the scores (``unit``, ``keep_columns``, ``spillover``,
            ``spillover_of``, ``frequencies``, ``frequency_fields``, ``frequency_column``, ``log_base``), of a table
            that is joined (``join``, ``by``, ``reader``, ``join_word``, ``match``), of ``Scorer.words`` (``words``,
            ``correction``, ``bos``, ...) and of the data (``limit``, ``id_column``, ...). ``frequencies`` and ``join``
            may be whatever ``data`` may be.

    Returns:
        Rows that are made as they are asked for: iterate over it, or call ``to_pandas()`` or ``write(path)``.

    Raises:
        OptionError: there is no such option, or it has no such value.
        InputError: the data cannot be read, or reading times do not belong to the words.

    Example:
        >>> from seqscore import Scorer, words
        >>> rows = [{"item": 1, "word": "It", "rt": 310}, {"item": 1, "word": "rained.", "rt": 402}]
        >>> for row in words(Scorer.from_pretrained(), rows, group="item", spillover=1):
        ...     print(row["word"], round(row["surprisal"], 2), row["length_prev1"], row["rt"])
        It 12.17 None 310
        rained. 21.39 2 402
    """
    return WordTable(scorer, data, options, errors)


def words_frame(df: Any, scorer: Scorer, **options: Any) -> Any:
    """The words of a data frame, as a frame of the same library with a row a word and the columns of ``df``.

    Args:
        df: a DataFrame of pandas or polars; a row is a text, has a list of words, or (with ``group``) is one word.
        scorer: see ``Scorer.from_pretrained``.
        options: see ``words``.

    Returns:
        A new frame; ``row`` is the number of the text, from 0. ``df`` is left as it is.

    Raises:
        InputError: it is no frame, or a text cannot be scored.
        OptionError: see ``words``.

    Example:
        >>> import pandas as pd
        >>> from seqscore import Scorer, words_frame
        >>> df = pd.DataFrame({"sentence": ["It rained.", "Nobody came."], "condition": ["a", "b"]})
        >>> scorer = Scorer.from_pretrained()
        >>> found = df.pipe(words_frame, scorer, fields={"text": "sentence"})
        >>> found[["condition", "position", "word"]].values.tolist()
        [['a', 1, 'It'], ['a', 2, 'rained.'], ['b', 1, 'Nobody'], ['b', 2, 'came.']]
    """
    library = type(df).__module__.partition(".")[0]
    if library == "pandas" and hasattr(df, "itertuples"):
        return words(scorer, df, **options).to_pandas()
    if library == "polars" and hasattr(df, "iter_rows"):
        table = words(scorer, df, **options)
        rows = list(table)
        return type(df)(rows, infer_schema_length=None, schema_overrides=table.number_types(rows))
    raise InputError(
        f"words_frame takes a DataFrame of pandas or polars, got a {type(df).__name__}; seqscore.words takes other data"
    )
