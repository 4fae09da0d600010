"""Predictors of reading times beside a word's own scores: its length, its log-frequency, and the words before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.records import EMPTY_CELLS, FAULTS_OF_CELLS, float_of
from seqscore.evaluation.words.frequencies import COLUMN, Frequencies, LogBase, log_frequency
from seqscore.evaluation.words.word_records import WORD_FIELDS
from seqscore.policies import check_choice, whole_number

MOST_BEFORE = 20
_NOTHING = EMPTY_CELLS - FAULTS_OF_CELLS
SPILLED = ("surprisal", "surprisal_corrected", "length")
"""What of the words before is given always; a log-frequency where there is one, and the columns that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictors:
    """What is added to the row of a word.

    Args:
        spillover: of how many words before it. They are those of the same text, or passage where its earlier sentences
            are context; where there are fewer, their columns are null.
        spillover_of: columns of the data that are given of the words before, too.
        frequencies: a list; None for no log-frequency, or that of ``frequency_column``.
        frequency_column: a column of the data with a count, or a frequency per million, of each word.
        log_base: of log-frequencies.

    Raises:
        OptionError: a value that an option cannot have, two sources of frequencies, or a column of the data that has
            the name of a score.
    """

    spillover: int = 0
    spillover_of: tuple[str, ...] = ()
    frequencies: Frequencies | None = None
    frequency_column: str | None = None
    log_base: LogBase = "natural"

    def __post_init__(self) -> None:
        if whole_number("spillover", self.spillover, least=0) > MOST_BEFORE:
            raise OptionError(f"spillover={self.spillover} must be at most {MOST_BEFORE} words")
        check_choice("log_base", self.log_base, tuple(COLUMN))
        if self.frequencies is not None and self.frequency_column is not None:
            raise OptionError("a list of frequencies and a column of them were both given; choose one")
        if self.spillover_of and not self.spillover:
            raise OptionError("spillover_of= names columns of the words before; say of how many with spillover=N")
        for name in self.spillover_of:
            if name in WORD_FIELDS or name in ("length", *COLUMN.values()):
                raise OptionError(
                    f"spillover_of={name!r} is a name of the scores' own columns ({', '.join(SPILLED)} and the "
                    f"log-frequency are given of the words before in any case); rename the column of the data"
                )

    @property
    def frequency_name(self) -> str | None:
        """The name of the log-frequency, where there is one."""
        base = self.log_base if self.frequencies is None else self.frequencies.base
        return COLUMN[base] if self.frequencies is not None or self.frequency_column is not None else None

    @property
    def spilled(self) -> tuple[str, ...]:
        """The columns that are given of the words before."""
        named = (self.frequency_name,) if self.frequency_name is not None else ()
        return (*SPILLED, *named, *self.spillover_of)

    @property
    def names(self) -> tuple[str, ...]:
        """All that is added, in order."""
        own = ("length", self.frequency_name) if self.frequency_name is not None else ("length",)
        return (*own, *self.names_before)

    @property
    def data_names(self) -> tuple[str, ...]:
        """Those of them that hold what the data hold."""
        return tuple(f"{name}_prev{back}" for back in range(1, self.spillover + 1) for name in self.spillover_of)

    @property
    def names_before(self) -> tuple[str, ...]:
        """``surprisal_prev1``, ...: names that R takes as they are."""
        return tuple(f"{name}_prev{back}" for back in range(1, self.spillover + 1) for name in self.spilled)


class WordsBefore:
    """Adds predictors to the words of text after text, in order; holds the last few words."""

    def __init__(self, how: Predictors) -> None:
        self._how = how
        self._before: deque[Mapping[str, Any] | None] = deque(maxlen=max(1, how.spillover))
        self._passage: object = None

    def begin(self, passage: object = None) -> None:
        """A text begins; ``passage``: of the same passage as the text before where it is equal, and not None."""
        if passage is None or passage != self._passage:
            self.forget()
        self._passage = passage

    def forget(self) -> None:
        """What comes next stands behind nothing that is known."""
        self._before.clear()

    def added(self, word: str, fields: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
        """``Predictors.names`` of the next word, whose scores are ``fields`` and whose columns of the data ``columns``.

        ``length``: characters as R's ``nchar`` counts them (code points), punctuation too.
        """
        how = self._how
        found: dict[str, Any] = {"length": len(word)}
        if how.frequency_name is not None:
            found[how.frequency_name] = self._log_frequency(word, columns)
        known = {**columns, **fields, **found}
        own = {name: known.get(name) for name in how.spilled}
        for back in range(1, how.spillover + 1):
            before = self._before[-back] if back <= len(self._before) else None
            found.update({f"{name}_prev{back}": None if before is None else before[name] for name in how.spilled})
        self._before.append(own)
        return found

    def _log_frequency(self, word: str, columns: Mapping[str, Any]) -> float | None:
        how = self._how
        if how.frequencies is not None:
            return how.frequencies.log(word)
        value = columns.get(how.frequency_column or "")
        return log_frequency(_number(value, how.frequency_column or "", word), how.log_base)


def _number(value: Any, column: str, word: str) -> float:
    """A frequency; nothing, as an empty cell, is none."""
    if value is None or value != value or (isinstance(value, str) and value in _NOTHING):
        return 0.0
    try:
        found = float_of(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        found = -1.0
    if found < 0 or found == float("inf"):
        raise InputError(f"column {column!r} is {value!r:.40} at the word {word!r:.40}; expected a number, 0 or more")
    return found


def check_columns(how: Predictors, columns: Sequence[str]) -> None:
    """Make sure that the columns of the data that are asked for are among ``columns``.

    Raises:
        OptionError: one is not.
    """
    for name in (*how.spillover_of, *([how.frequency_column] if how.frequency_column is not None else [])):
        if name not in columns:
            raise OptionError(f"there is no column {name!r}; the columns of the words are {', '.join(columns[:20])}")
