"""Rows of one word each, gathered to texts by what stands in some of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seqscore.errors import InputError, SeqscoreError
from seqscore.evaluation.data.dataset import DataItem, DataRow
from seqscore.evaluation.data.kept_columns import kept_columns
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.data.records import Column
from seqscore.evaluation.words.word_texts import Adjacent, WordItem, WordText, check_word, gap_of, joined, key_of

MOST_WORDS = 100_000
"""Of a group, which is held as a whole: a column that is the same everywhere tells no texts apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """How rows of one word each become texts.

    ``names``: the columns that are the same in all rows of a text, and in no others. ``shared``: further columns of
    the text rather than of a word. ``word``, ``space``: where the word stands, and what follows it in the text (white
    space itself, or a flag for a space). ``joiner``: what stands between words where no column says it.
    """

    names: tuple[str, ...]
    word: Column
    space: Column | None = None
    joiner: str = " "
    shared: tuple[str, ...] = ()
    id_column: str | None = None


def grouped(rows: Iterable[DataItem], how: Grouping) -> Iterator[WordItem]:
    """The texts, in the order of their first rows; a group is held, and no more.

    A group with a row that cannot be read, or that has no word, is an error in its place. Where such a row is the last
    before another group begins, it may have been the first of that one, which fails too.

    Raises:
        InputError: a group comes apart, or has more than 100,000 rows.
    """
    groups, group, number = Adjacent("group", how.names), None, 0
    stray: SeqscoreError | None = None
    for row in rows:
        key = _key(row, how)
        if isinstance(key, SeqscoreError):
            stray = key
            if group is not None:
                group.fault = group.fault or stray
            continue
        assert isinstance(row, DataRow)
        if group is None or key != group.key:
            if group is not None:
                yield group.text(number)
                number += 1
            groups.enter(key, row.where)
            group = _Group(how, key, row, fault=stray)
        stray = None
        group.add(row)
    if group is not None:
        yield group.text(number)
    elif stray is not None:
        yield Problem(0, stray)


def _key(row: DataItem, how: Grouping) -> tuple[str, ...] | SeqscoreError:
    if isinstance(row, Problem):
        return row.error
    try:
        return key_of(row.values, how.names, row.where)
    except InputError as error:
        return error


@dataclass(slots=True)
class _Group:
    """The rows of a text as they come by."""

    how: Grouping
    key: tuple[str, ...]
    first: DataRow
    words: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    own: list[Mapping[str, Any]] = field(default_factory=list)
    fault: SeqscoreError | None = None

    def add(self, row: DataRow) -> None:
        """One more word."""
        if len(self.own) == MOST_WORDS:
            raise InputError(
                f"{row.where}: the group that begins at {self.first.where} has more than {MOST_WORDS:,} rows; --group "
                f"names columns that tell texts apart"
            )
        used = (self.how.word, self.how.space, *self.how.names, *self.how.shared)
        self.own.append(kept_columns(row.values, "all", {one for one in used if isinstance(one, str)}))
        try:
            for name in self.how.shared:
                _check_shared(name, row, self.first)
            word = row.text(self.how.word)
            check_word(word, row.where)
            self.words.append(word)
            if self.how.space is not None:
                self.gaps.append(gap_of(row.at(self.how.space), f"{row.where}: column {self.how.space!r}"))
        except InputError as error:
            self.fault = self.fault or error

    def text(self, number: int) -> WordItem:
        """All of them, or what is wrong with one."""
        values = self.first.values
        columns = {name: values[name] for name in (*self.how.names, *self.how.shared) if name in values}
        row_id: int | str = "/".join(self.key) if self.how.id_column is None else self.first.id
        if self.fault is not None:
            return Problem(row_id, self.fault, number, columns)
        between = self.how.joiner if self.how.space is None else self.gaps
        return WordText(
            id=row_id,
            number=number,
            where=self.first.where,
            text=joined(self.words, between),
            words=tuple(self.words),
            after=None if self.how.space is None else self.gaps[-1],
            columns=columns,
            own=tuple(self.own),
        )


def _check_shared(name: str, row: DataRow, first: DataRow) -> None:
    if row.at(name) != first.at(name):
        raise InputError(
            f"{row.where}: column {name!r} is {row.at(name)!r:.60}, and {first.at(name)!r:.60} at the first row of its "
            f"group ({first.where}); it must be the same in all rows of a text"
        )
