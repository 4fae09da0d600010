"""Rows of another table, such as a reader's times at each word, joined to the words of texts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.column_names import WORD
from seqscore.evaluation.data.dataset import DataRow, Dataset
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.data.records import has_column, no_column
from seqscore.evaluation.scored.scored_rows import OutputRecord
from seqscore.evaluation.words.word_match import Match, difference, same_word
from seqscore.evaluation.words.word_texts import key_of, shown_key
from seqscore.policies import check_choice
from seqscore.typed_json import decoded, encoded

PREFIX = "join_"
_POSITION = "position"
_AROUND, _BLOCK, _SHOWN = 2, 1_000, 3
_TABLE = """
pragma journal_mode = off;
create table times (n integer primary key, key text, reader text, word text, cells text, place text, used integer);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinOptions:
    """How rows are joined to words.

    Args:
        by: columns that are the same on both sides, each ``item`` or ``item=STIMULUS`` where the other table calls it
            so. With ``position``, or a column of the word's own among them, a row belongs to the word that has the same
            values; without, the rows of a text belong to its words in their order.
        reader: columns of the other table that tell readers apart; a reader has a row at most for a word.
        word: column of the words, to be compared; None: ``word``, ``form`` or ``token`` where there is one.
        match: which words are the same, see ``Match``.

    Raises:
        OptionError: a value that an option cannot have.
    """

    by: tuple[str, ...]
    reader: tuple[str, ...] = ()
    word: str | None = None
    match: Match = "exact"

    def __post_init__(self) -> None:
        names: object = self.by
        if not self.by or isinstance(names, str) or not all(isinstance(one, str) and one for one in self.by):
            raise OptionError(f"by={self.by!r:.60} must name columns that both sides have, for instance item, position")
        check_choice("match", self.match, ("exact", "letters"))

    @property
    def ours(self) -> tuple[str, ...]:
        """The columns at the words."""
        return tuple(one.partition("=")[0] for one in self.by)

    @property
    def theirs(self) -> tuple[str, ...]:
        """The columns of the other table."""
        return tuple(one.partition("=")[2] or one for one in self.by)


@dataclass(frozen=True, slots=True)
class _Time:
    """A row of the other table."""

    n: int
    reader: str
    word: str | None
    cells: Mapping[str, Any]
    place: str
    used: bool


@dataclass(slots=True)
class JoinCounts:
    """What became of the rows of both sides."""

    rows: int = 0
    joined: int = 0
    words: int = 0
    words_without: int = 0
    first_without: str = ""


@dataclass(slots=True)
class ReadingTimes:
    """The rows of a table, in a temporary file until they are asked for; memory does not grow with them."""

    options: JoinOptions
    name: str
    columns: tuple[str, ...]
    word_column: str | None
    counts: JoinCounts
    _database: sqlite3.Connection
    _names: dict[str, str] = field(default_factory=dict)
    _own: Collection[str] = ()

    def join(self, records: Sequence[OutputRecord], own: Collection[str]) -> Iterator[OutputRecord]:
        """The words of a text, each as often as there are rows for it, with their columns; once where there is none.

        ``own``: the columns that are a word's rather than its text's.

        Raises:
            InputError: a word is not the one that the other table has there (both are shown with their neighbours), a
                text has another number of rows than of words, or a row belongs to two words.
        """
        if not records:
            return
        if not self._names:
            self._names = self._named({*records[0].columns, *records[0].fields})
        self._own = own
        keyed = any(name == _POSITION or name in own for name in self.options.ours)
        found = self._by_key(records) if keyed else self._by_order(records)
        for record, times in zip(records, found, strict=True):
            yield from self._rows(record, times)

    @property
    def names(self) -> Collection[str]:
        """What the columns are called at the words; known once words were joined."""
        return self._names.values()

    def _named(self, taken: Collection[str]) -> dict[str, str]:
        return {name: PREFIX + name if name in taken else name for name in self.columns}

    def _rows(self, record: OutputRecord, times: Sequence[_Time]) -> Iterator[OutputRecord]:
        self.counts.words += 1
        if not times:
            self.counts.words_without += 1
            self.counts.first_without = self.counts.first_without or self._shown(record)
            nothing = dict.fromkeys(self._names.values())
            yield OutputRecord(record.fields, {**record.columns, **nothing})
        for time in times:
            cells = {here: time.cells.get(there) for there, here in self._names.items()}
            yield OutputRecord(record.fields, {**record.columns, **cells})

    def _by_key(self, records: Sequence[OutputRecord]) -> list[list[_Time]]:
        found = [self._times(self._key(record)) for record in records]
        for place, times in enumerate(found):
            readers = [time.reader for time in times]
            twice = next((one for one in times if readers.count(one.reader) > 1), None) if self.options.reader else None
            if twice is not None:
                raise InputError(f"{twice.place}: its reader has more than one row at {self._shown(records[place])}")
            for time in times:
                self._check_word(records, place, time, partial(self._around, time))
        self._use(records, [time for times in found for time in times])
        return found

    def _by_order(self, records: Sequence[OutputRecord]) -> list[list[_Time]]:
        by_reader: dict[str, list[_Time]] = {}
        for time in self._times(self._key(records[0])):
            by_reader.setdefault(time.reader, []).append(time)
        for times in by_reader.values():
            for place, time in enumerate(times[: len(records)]):
                self._check_word(records, place, time, partial(list, times))
            if len(times) != len(records):
                raise InputError(self._count_message(records, times))
        self._use(records, [time for times in by_reader.values() for time in times])
        return [[times[place] for times in by_reader.values()] for place in range(len(records))]

    def _count_message(self, records: Sequence[OutputRecord], times: Sequence[_Time]) -> str:
        who = "of a reader " if self.options.reader else ""
        hint = "" if self.options.reader else "; where several readers read it, name the column that tells them apart"
        return (
            f"{self.name} has {len(times)} rows {who}(from {times[0].place}) and the text {len(records)} words at "
            f"{self._shown(records[0], with_word=False)}{hint}; with a position on both sides, join by it (--by)"
        )

    def _key(self, record: OutputRecord) -> tuple[str, ...]:
        return key_of(self._values(record), self.options.ours, "the words")

    def _values(self, record: OutputRecord) -> dict[str, Any]:
        """What a word can be joined by: a column of the data rather than one of ours that has the same name (which is
        in the output as ``data_NAME``), but for the position, where that is none of the words' own."""
        mine = {} if _POSITION in self._own else {_POSITION: record.fields[_POSITION]}
        return {**record.fields, **record.columns, **mine}

    def _times(self, key: Sequence[str]) -> list[_Time]:
        found = self._database.execute("select * from times where key = ? order by n", (_stored(key),))
        return [_time(one) for one in found]

    def _around(self, time: _Time) -> list[_Time]:
        ask = "select * from times where n between ? and ? and reader = ? order by n"
        return [_time(one) for one in self._database.execute(ask, (time.n - _AROUND, time.n + _AROUND, time.reader))]

    def _check_word(
        self, records: Sequence[OutputRecord], place: int, time: _Time, times: Callable[[], Sequence[_Time]]
    ) -> None:
        own = str(records[place].fields["word"])
        if time.word is None or same_word(own, time.word, self.options.match):
            return
        ours = [str(one.fields["word"]) for one in records]
        around = times()
        there = _near([str(one.word) for one in around], [one.n for one in around].index(time.n))
        hint = difference(own, time.word)
        way = "; --match letters takes them for the same" if same_word(own, time.word, "letters") else ""
        raise InputError(
            f"the words do not match at {self._shown(records[place])}: {time.place} has {time.word!r}"
            f"{hint and f' ({hint}{way})'}. The text: {_near(ours, place)}; there: {there}"
        )

    def _use(self, records: Sequence[OutputRecord], times: Sequence[_Time]) -> None:
        again = next((time for time in times if time.used), None)
        if again is not None:
            raise InputError(
                f"{again.place} belongs to two words, the second at {self._shown(records[0], with_word=False)}; name "
                f"more columns that tell texts apart (--by)"
            )
        self._database.executemany("update times set used = 1 where n = ?", [(time.n,) for time in times])
        self.counts.joined += len(times)

    def _shown(self, record: OutputRecord, *, with_word: bool = True) -> str:
        values = self._values(record)
        place = shown_key(self.options.ours, [str(values.get(name)) for name in self.options.ours])
        return f"{place}, word {record.fields['position']}, {record.fields['word']!r}" if with_word else place

    def left(self) -> tuple[int, str]:
        """How many rows belong to no word, and where the first ones are."""
        (count,) = self._database.execute("select count(*) from times where used = 0").fetchone()
        first = self._database.execute("select * from times where used = 0 order by n").fetchmany(_SHOWN)
        shown = [f"{one.place} ({shown_key(self.options.theirs, json.loads(key))})" for one, key in map(_keyed, first)]
        return int(count), "; ".join(shown)

    def check_all_used(self) -> None:
        """Refuse rows that belong to no word.

        Raises:
            InputError: there is one.
        """
        count, first = self.left()
        if count:
            raise InputError(f"{count:,} rows of {self.name} belong to no word: {first}{' ...' * (count > _SHOWN)}")


@contextmanager
def reading_times(dataset: Dataset, options: JoinOptions) -> Iterator[ReadingTimes]:
    """The rows of a table, ready to be joined to words, as a context manager.

    Raises:
        OptionError: a column of words is named that is not there.
        InputError: a row cannot be read, a column is not there, or holds nothing in a row.
    """
    for name in (*options.theirs, *options.reader, *([options.word] if options.word is not None else [])):
        if not has_column(dataset.columns, name):
            raise no_column(dataset.name, name, dataset.columns)
    word = options.word or next((one for one in WORD if one in dataset.columns), None)
    if word is None:
        dataset.options.notify(f"{dataset.name} has no column of words: they are joined without being compared")
    kept = tuple(
        one for one in dataset.columns if one not in options.theirs and (one != word or options.match == "letters")
    )
    # "" is a database in a temporary file without a name, of which some pages at most are in memory.
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        database.executescript(_TABLE)
        database.execute("begin")
        count, rows = 0, _stored_rows(dataset, options, word, kept)
        while block := list(islice(rows, _BLOCK)):
            database.executemany("insert into times values (?, ?, ?, ?, ?, ?, 0)", block)
            count += len(block)
        database.execute("create index by_key on times (key)")
        yield ReadingTimes(options, dataset.name, kept, word, JoinCounts(rows=count), database)


def _stored_rows(
    dataset: Dataset, options: JoinOptions, word: str | None, kept: Sequence[str]
) -> Iterator[tuple[int, str, str, str | None, str, str]]:
    for number, row in enumerate(dataset.rows()):
        if isinstance(row, Problem):
            raise row.error
        key = key_of(row.values, options.theirs, row.where)
        reader = key_of(row.values, options.reader, row.where)
        cells = encoded({name: row.values.get(name) for name in kept})
        found = None if word is None else _stored([_word(row, word)])
        yield number, _stored(key), _stored(reader), found, cells, _stored([row.where])


def _word(row: DataRow, column: str) -> str:
    """The cell as it stands: ``null`` is a word here."""
    value = row.at(column)
    if not isinstance(value, str) or not value:
        raise InputError(f"{row.where}: column {column!r} holds no word; --join-word names another column")
    return value


def _stored(values: Sequence[str]) -> str:
    """Texts as one text in ASCII, whatever characters they have."""
    return json.dumps(list(values))


def _time(row: tuple[int, str, str, str | None, str, str, int]) -> _Time:
    number, _, reader, word, cells, place, used = row
    (shown,) = json.loads(place)
    found = None if word is None else str(json.loads(word)[0])
    return _Time(number, reader, found, decoded(cells, where="a temporary file"), shown, bool(used))


def _keyed(row: tuple[int, str, str, str | None, str, str, int]) -> tuple[_Time, str]:
    return _time(row), row[1]


def _near(words: Sequence[str], place: int) -> str:
    """A word between brackets, with its neighbours: ``... the [keys] to the ...``."""
    first, last = max(0, place - _AROUND), place + _AROUND + 1
    before, behind = words[first:place], words[place + 1 : last]
    dots, more = ["..."] * (first > 0), ["..."] * (last < len(words))
    return " ".join([*dots, *before, f"[{words[place]}]", *behind, *more])
