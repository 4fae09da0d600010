"""Log-frequencies of words: from a list of words with their counts, or from a column of the data."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from seqscore.errors import InputError
from seqscore.evaluation.data.column_names import COUNT, LISTED_WORD
from seqscore.evaluation.data.dataset import Dataset
from seqscore.evaluation.data.fields import Form, fields_for, ranked
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.data.records import Record

LogBase: TypeAlias = Literal["natural", "10"]
"""Of the logarithm of a frequency, which the unit of surprisals does not change."""

COLUMN: Mapping[LogBase, str] = {"natural": "log_frequency", "10": "log10_frequency"}
"""What the column is called: its name says its logarithm."""

_FORM = Form(required={"word": ranked(*LISTED_WORD), "count": ranked(*COUNT)})


@dataclass(frozen=True, slots=True)
class Frequencies:
    """log f of a word, of whichever unit the list is (counts, per million: they differ by a constant).

    A word is looked up in lower case (case folded, NFC) and without the punctuation around it, and so are those of the
    list: what they have in common is summed, as is what stands there twice. A word that is not listed, or 0 times, has
    none.
    """

    values: Mapping[str, float]
    base: LogBase = "natural"

    def log(self, word: str) -> float | None:
        """log f(word), or None."""
        return log_frequency(self.values.get(listed(word), 0.0), self.base)


def log_frequency(value: float, base: LogBase) -> float | None:
    """The logarithm of a frequency; of 0 None."""
    if value <= 0.0:
        return None
    return math.log10(value) if base == "10" else math.log(value)


def listed(word: str) -> str:
    """A word as a list has it: composed, case folded, without punctuation around it; what is nothing else whole."""
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFC", word).casefold())
    first, last = 0, len(plain)
    while first < last and _is_punctuation(plain[first]):
        first += 1
    while last > first and _is_punctuation(plain[last - 1]):
        last -= 1
    return plain[first:last] or plain


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PSZC" and character not in "'’"


def read_frequencies(dataset: Dataset, *, fields: Mapping[str, str], base: LogBase = "natural") -> Frequencies:
    """The list of a file: a column of words and one of counts, or of frequencies per million.

    ``fields``: ``word`` and ``count``, where the names of the columns do not say it. A row whose cell for the word is
    ``null`` or the like is that word. The list is held in memory.

    Raises:
        OptionError: a column cannot be found.
        InputError: a row cannot be read, or has no number that is 0 or more.
    """
    found = fields_for((_FORM,), dataset.columns, fields, task="frequencies")
    if any(found[role] != role for role in found.guessed):
        dataset.options.notify(f"frequencies of {dataset.name}: {found.describe()}")
    values: dict[str, float] = {}
    again: set[str] = set()
    for row in dataset.rows():
        if isinstance(row, Problem):
            raise row.error
        word = listed(_listed_word(row.record.at(found["word"]), row.record))
        count = row.numeric(found["count"])
        if count < 0:
            raise InputError(f"{row.where}: the frequency {count} is negative; expected a count, or a rate")
        if word in values:
            again.add(word)
        values[word] = values.get(word, 0.0) + count
    if again:
        first = next(one for one in values if one in again)
        dataset.options.notify(
            f"frequencies of {dataset.name}: words that stand there more than once (in lower case, without punctuation "
            f"around them) have the sum: {len(again):,}, the first {first!r:.60}"
        )
    return Frequencies(values, base)


def _listed_word(value: Any, record: Record) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{record.where}: there is no word; leave the row out")
    return value
