"""Rows of words or regions as numbers by panel, line, text and place: what pictures by word are made from."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, OptionError

Placed: TypeAlias = tuple[str, Mapping[str, Any]]
"""Where a row stands, for messages, and its columns."""

Key: TypeAlias = tuple[str, ...]

MAX_LINES, MAX_PANELS, MAX_REGIONS, MAX_LABELS = 8, 60, 120, 3
"""The most lines that can be told apart in grey, panels, places that have names, and words that a place is named by."""

_POSITION = "position"
_NO_END = ("None", "", "nan", "<NA>")  # of a row that is no end token, in records, files and frames


@dataclass(frozen=True, slots=True, kw_only=True)
class WordChartOptions:
    """What a picture by word shows.

    Args:
        by: columns whose values make a line each (conditions).
        facet: columns whose values make a panel each (items).
        at: the column that lines are aligned by; ``region`` where there is one, otherwise ``position``.
        value: the column of numbers.
        interval: how the mean's interval is computed: Student's t, or a percentile bootstrap over texts.
        level: its confidence.

    Raises:
        OptionError: a value that the option cannot have.
    """

    by: tuple[str, ...] = ()
    facet: tuple[str, ...] = ()
    at: str | None = None
    value: str = "surprisal"
    interval: Literal["t", "bootstrap"] = "t"
    level: float = 0.95

    def __post_init__(self) -> None:
        for name in ("by", "facet"):
            given = getattr(self, name)
            columns = (given,) if isinstance(given, str) else tuple(given)
            object.__setattr__(self, name, columns)
        if self.interval not in ("t", "bootstrap"):
            raise OptionError(f"interval={self.interval!r} is unknown; expected t or bootstrap")
        if isinstance(self.level, bool) or not isinstance(self.level, int | float) or not 0 < self.level < 1:
            raise OptionError(f"level={self.level!r} must lie between 0 and 1, for instance 0.95")


@dataclass(slots=True, eq=False)
class WordCells:
    """The rows of words, each with the number of its panel, line, text, place and word, and its value.

    ``at``: the column of places. ``words``: up to four different ones of each panel and place. ``unit``: of logarithms.
    ``ends``, ``failed``, ``elsewhere``: rows that are no word, texts without a score, words without a place.
    """

    options: WordChartOptions
    at: str = _POSITION
    panels: dict[Key, int] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    texts: dict[Any, int] = field(default_factory=dict)
    places: dict[int | str, int] = field(default_factory=dict)
    words: dict[tuple[int, int], dict[str, None]] = field(default_factory=dict)
    unit: str | None = None
    ends: int = 0
    failed: int = 0
    elsewhere: int = 0
    _text_columns: tuple[str, ...] = ()
    _codes: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("q") for _ in range(5)))
    _values: array[float] = field(default_factory=lambda: array("d"))
    _follows: dict[tuple[int, int], None] = field(default_factory=dict)
    _last: tuple[int, int, int, int] | None = None

    @classmethod
    def of(cls, rows: Iterable[Placed], options: WordChartOptions) -> WordCells:
        """The cells of rows as ``seqscore words`` writes them, or ``export --per region``, in any order.

        Raises:
            InputError: a row is none of a word or region, or units differ.
            OptionError: a column is named that is not there, or has more values than a picture can show.
        """
        found = cls(options)
        for number, (where, row) in enumerate(rows):
            if number == 0:
                found._begin(where, row)
            found._add(number, where, row)
        return found

    def __len__(self) -> int:
        return len(self._values)

    @property
    def codes(self) -> tuple[NDArray[np.int64], ...]:
        """Of every row its panel, line, text, place, word. Shape: [rows] each."""
        return tuple(np.frombuffer(one, np.int64) if len(one) else np.zeros(0, np.int64) for one in self._codes)

    @property
    def values(self) -> NDArray[np.float64]:
        """The value of every row, NaN where it has none. Shape: [rows]."""
        return np.frombuffer(self._values, np.float64) if len(self._values) else np.zeros(0)

    def order(self) -> list[int]:
        """The places from left to right: numbers by size, names as they follow one another in the texts."""
        names = list(self.places)
        if all(isinstance(one, int) or one.isdecimal() for one in names):
            return [code for _, code in sorted((int(name), code) for name, code in self.places.items())]
        graph: dict[int, list[int]] = {code: [] for code in self.places.values()}
        for before, after in self._follows:
            graph[after].append(before)
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError:  # texts differ in the order of their regions
            return list(self.places.values())

    def _begin(self, where: str, row: Mapping[str, Any]) -> None:
        """Find the columns by the first row, and make sure that those which are named are there."""
        options = self.options
        self.at = options.at or ("region" if "region" in row else _POSITION)
        named = dict.fromkeys((options.value, self.at, *options.by, *options.facet))
        missing = next((one for one in named if one not in row), None)
        if missing is not None:
            raise OptionError(f"{where} has no column {missing!r}; its columns are {', '.join(list(row)[:40])}")
        identity = next((one for one in ("row", "id") if one in row), None)
        if identity is None:
            raise InputError(f"{where} has neither a column 'row' nor 'id', which tell texts apart")
        # Of a test suite a row is an item, and its conditions are texts.
        of_suite = "num_crossing" in row and "word" not in row and "condition" in row
        self._text_columns = (identity, "condition") if of_suite else (identity,)

    def _add(self, number: int, where: str, row: Mapping[str, Any]) -> None:
        if row.get("error"):
            self.failed += 1
            return
        if str(row.get("end_token")) not in _NO_END:
            self.ends += 1
            return
        place = self._place(where, row)
        if place is None:
            self.elsewhere += 1
            return
        self._check_unit(where, row)
        options = self.options
        panel = _numbered(self.panels, options.facet, row, MAX_PANELS, "panels of a picture (--facet)")
        line = _numbered(self.lines, options.by, row, MAX_LINES, "lines that can be told apart (--by; see --facet)")
        text = self.texts.setdefault(tuple(str(row[one]) for one in self._text_columns), len(self.texts))
        self._name(panel, place, row)
        self._follow(panel, line, text, place)
        word = _whole(where, _POSITION, row[_POSITION]) if row.get(_POSITION) not in (None, "") else -1 - number
        for codes, code in zip(self._codes, (panel, line, text, place, word), strict=True):
            codes.append(code)
        self._values.append(_number(where, options.value, row.get(options.value)))

    def _place(self, where: str, row: Mapping[str, Any]) -> int | None:
        """The number of a row's place; None where it has none."""
        given = row.get(self.at)
        if given is None or given == "":
            return None
        name = _whole(where, _POSITION, given) if self.at == _POSITION else str(given)
        found = self.places.setdefault(name, len(self.places))
        if self.at != _POSITION and found >= MAX_REGIONS:
            raise OptionError(
                f"column {self.at!r} has more than {MAX_REGIONS} values, the most that stand beside one another; "
                f"align by another one (--at, at=)"
            )
        return found

    def _check_unit(self, where: str, row: Mapping[str, Any]) -> None:
        unit = row.get("unit") or None
        if self.unit is None:
            self.unit = unit
        elif unit is not None and unit != self.unit:
            raise InputError(f"{where} is in {unit!s:.20}, the rows before it in {self.unit:.20}; draw them apart")

    def _name(self, panel: int, place: int, row: Mapping[str, Any]) -> None:
        word = row.get("word")
        if word is not None:
            words = self.words.setdefault((panel, place), {})
            if len(words) <= MAX_LABELS:
                words[str(word)] = None

    def _follow(self, panel: int, line: int, text: int, place: int) -> None:
        """Remember which place follows which, for the order of names."""
        here = (panel, line, text, place)
        if self.at != _POSITION and self._last is not None and self._last[:3] == here[:3] and self._last[3] != place:
            self._follows[self._last[3], place] = None
        self._last = here


def _numbered(known: dict[Key, int], columns: Key, row: Mapping[str, Any], most: int, what: str) -> int:
    key = tuple("" if row.get(one) is None else str(row.get(one)) for one in columns)
    found = known.setdefault(key, len(known))
    if found >= most:
        raise OptionError(f"{', '.join(map(repr, columns))} has more than {most} values, the most {what}")
    return found


def _whole(where: str, column: str, value: Any) -> int:
    try:
        number = float(value)
        if number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{where}: column {column!r} holds {value!r:.60}; expected a whole number")


def _number(where: str, column: str, value: Any) -> float:
    if value is None or value == "":
        return math.nan
    try:
        if not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{where}: column {column!r} holds {value!r:.60}; expected a number")
