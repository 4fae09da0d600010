"""A text whose words are scored, with the columns of the data that it carries and those of each of its words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

from seqscore.errors import InputError, SeqscoreError
from seqscore.evaluation.data.kept_columns import NO_COLUMNS
from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.data.records import kind_of_value, no_column, value_at
from seqscore.text.given_words import GivenWords
from seqscore.text.items import Pair
from seqscore.text.joins import DELIMITER_AUTO, delimiter_between

_WHOLE = re.compile(r"(-?\d+)\.0+")


@dataclass(frozen=True, slots=True, kw_only=True)
class WordText:
    """One text to be scored word by word.

    ``words``: those that are given, in the order in which they stand in ``text``; None: to be found by a rule.
    ``context`` stands before the text and is not scored, with ``delimiter`` between them (see ``Pair``). ``after``:
    what the data say stands between this text and the next one of its passage; None: they do not say.
    ``passage``: what tells its passage apart, where its context is from there.
    ``columns`` are those of the text; ``own`` has those of each given word, or nothing.
    """

    id: int | str
    number: int
    where: str
    text: str
    words: tuple[str, ...] | None = None
    context: str | None = None
    delimiter: str = ""
    after: str | None = None
    passage: tuple[str, ...] | None = None
    columns: Mapping[str, Any] = field(default_factory=lambda: NO_COLUMNS)
    own: tuple[Mapping[str, Any], ...] = ()

    @property
    def item(self) -> str | Pair | GivenWords:
        """What is scored."""
        if self.words is not None:
            return GivenWords(self.words, text=self.text, context=self.context, delimiter=self.delimiter)
        return self.text if self.context is None else Pair(self.context, self.text, delimiter=self.delimiter)

    @property
    def own_names(self) -> frozenset[str]:
        """The names of the columns that words have of their own."""
        return frozenset(self._own_name(name) for one in self.own for name in one)

    def columns_at(self, place: int) -> Mapping[str, Any]:
        """The columns that the word at ``place``, from 0, carries; behind the last those of the text. One of its own
        that has the name of one of the text's is called ``word_NAME``."""
        if place >= len(self.own):
            return self.columns
        return {**self.columns, **{self._own_name(name): value for name, value in self.own[place].items()}}

    def _own_name(self, name: str) -> str:
        return f"word_{name}" if name in self.columns else name


WordItem: TypeAlias = Row[WordText]


def joined(words: Sequence[str], after: Iterable[str] | str) -> str:
    """The text that words make with something between them: one string for all, ``auto`` (a space where two would
    touch, none in scripts that write none), or one behind each."""
    if after == DELIMITER_AUTO:
        gaps = [delimiter_between(one, other) for one, other in pairwise(words)]
    else:
        gaps = [after] * (len(words) - 1) if isinstance(after, str) else list(after)[: len(words) - 1]
    return "".join(word + gap for word, gap in zip(words, [*gaps, ""], strict=True))


def check_word(word: str, where: str) -> None:
    """Refuse a word that would not be found again in a text of words with white space between them.

    Raises:
        InputError: it is empty, or white space stands around it.
    """
    if not word.strip():
        raise InputError(f"{where}: the word {word!r} is {'white space' if word else 'empty'}; leave its row out")
    if word != word.strip():
        raise InputError(f"{where}: the word {word!r} has white space around it; take it away")


_FLAGS = {"true": " ", "yes": " ", "1": " ", "t": " ", "false": "", "no": "", "0": "", "f": ""}


def gap_of(value: Any, what: str) -> str:
    """What follows a word in its text: white space as it stands there, or a space for a flag that says so.

    Raises:
        InputError: it is neither.
    """
    if isinstance(value, str) and not value.strip():
        return value
    found = _FLAGS.get(str(value).strip().casefold())
    if found is None:
        shown = repr(value) if isinstance(value, str) else kind_of_value(value)
        raise InputError(
            f"{what} is {shown:.60}, and tells whether a space follows the word; expected true or false (yes or no, 1 "
            f"or 0), or the white space itself"
        )
    return found


def key_of(columns: Mapping[str, Any], names: Sequence[str], where: str) -> tuple[str, ...]:
    """What the columns ``names`` hold, as texts that compare across files: 1, 1.0 and "1" are the same.

    Raises:
        InputError: one is not there, or holds nothing.
    """
    found = []
    for name in names:
        try:
            value = value_at(columns, name)
        except KeyError:
            raise no_column(where, name, list(columns)) from None
        text = _text_of(value)
        if not text:
            raise InputError(f"{where}: column {name!r} is empty, and tells which rows belong together")
        found.append(text)
    return tuple(found)


def _text_of(value: Any) -> str:
    if value is None or value != value:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def shown_key(names: Sequence[str], key: Sequence[str]) -> str:
    """A key for messages: ``item = '1', condition = 'a'``."""
    return ", ".join(f"{name} = {value!r}" for name, value in zip(names, key, strict=True))


@dataclass(slots=True)
class Adjacent:
    """Makes sure that rows which belong together stand together. Takes about 100 bytes a group."""

    what: str
    names: Sequence[str]
    _seen: set[int] = field(default_factory=set)

    def enter(self, key: Sequence[str], where: str) -> None:
        """A group begins.

        Raises:
            InputError: it was there before.
        """
        import xxhash

        digest = xxhash.xxh3_64_intdigest(json.dumps(list(key)).encode())
        if digest in self._seen:
            raise InputError(
                f"{where}: the {self.what} {shown_key(self.names, key)} begins again after rows of another; its rows "
                f"must stand together: sort the data, or name more columns that tell {self.what}s apart"
            )
        self._seen.add(digest)


def failed(text: WordText, error: SeqscoreError) -> Problem:
    """The error in the place of a text."""
    return Problem(text.id, error, text.number, text.columns)
