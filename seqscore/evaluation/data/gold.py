"""Which choice is the right one, from the ways in which datasets say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from seqscore.errors import InputError
from seqscore.evaluation.data.records import Column

GoldBase: TypeAlias = Literal["auto", "0", "1"]
"""What whole numbers of choices count from; ``auto``: from 0, or from 1 where the values of the dataset say so."""

_LETTER = re.compile(r"\(?([A-Za-z])[.):]?")
_DIGITS = re.compile(r"-?\d{1,5}(?:\.0+)?", re.ASCII)


def choice_texts(value: Any, *, where: str, column: Column) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The choices of a row and their labels where it has any: a list of texts, or ``{"text": [...], "label": [...]}``
    (the form of ARC).

    Raises:
        InputError: it is neither, or there are fewer than two choices.
    """
    labels: tuple[str, ...] | None = None
    if isinstance(value, dict) and set(value) >= {"text", "label"}:
        labels = tuple(str(one) for one in value["label"]) if isinstance(value["label"], list) else ()
        value = value["text"]
        if not isinstance(value, list) or len(labels) != len(value):
            raise InputError(f"{where}: column {column!r} must have as many labels as texts")
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise InputError(f"{where}: column {column!r} must be a list of texts, got {_shown(value)}")
    if len(value) < 2:
        raise InputError(f"{where}: column {column!r} has {len(value)} choices; expected at least 2")
    return tuple(value), labels


def gold_index(
    value: Any, choices: Sequence[str], labels: Sequence[str] | None, *, where: str, column: Column, base: int = 0
) -> int:
    """The index of the right choice, from 0.

    ``value``: a number that counts from ``base``, also as digits or as 1.0; a label, where the choices have labels,
    and where these are numbers a number is nothing else; a letter (A, b, "(C)"); or the text of a choice, in any case
    where it is not there exactly. A value that may mean two different choices is refused.

    Raises:
        InputError: it names no choice, or more than one.
    """
    number = _number(value)
    numbered = _are_numbers(labels)
    if number is not None and not numbered:
        if base <= number < base + len(choices):
            return number - base
        raise InputError(
            f"{where}: column {column!r} is {value}, expected a number from {base} to {base + len(choices) - 1}"
        )
    if number is None and not isinstance(value, str):
        raise InputError(f"{where}: column {column!r} must be a number, a label or a choice, got {_shown(value)}")
    found = _labelled(number, labels) if number is not None else _meanings(value.strip(), choices, labels, base)
    if len(found) == 1:
        return found.pop()
    fault = "may mean several choices" if found else "names no choice"
    counted = f" counted from {base}" if isinstance(value, str) and _DIGITS.fullmatch(value.strip()) else ""
    counted = f" with the labels {', '.join(labels or ())}" if numbered else counted
    raise InputError(f"{where}: column {column!r} is {_shown(value)}, which {fault} of {len(choices)}{counted}")


def _number(value: Any) -> int | None:
    """A whole number, as JSON, Parquet and data frames have it; none of text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float | Decimal) and abs(float(value)) < 2**31 and value == int(value):
        return int(value)
    return None


def _meanings(value: str, choices: Sequence[str], labels: Sequence[str] | None, base: int) -> set[int]:
    for asked in (value, value.casefold()):
        same = [one if asked is value else one.strip().casefold() for one in labels or ()]
        if asked in same:
            return {place for place, label in enumerate(same) if label == asked}
    found = {place for place, choice in enumerate(choices) if choice == value}
    found = found or {place for place, choice in enumerate(choices) if choice.strip().casefold() == value.casefold()}
    letter = _LETTER.fullmatch(value)
    if _DIGITS.fullmatch(value) and _are_numbers(labels):
        return _labelled(int(float(value)), labels) or found
    if _DIGITS.fullmatch(value):
        found.add(int(float(value)) - base)
    elif letter and not (found and letter[1].islower()):
        found.add(ord(letter[1].upper()) - ord("A"))
    return {place for place in found if 0 <= place < len(choices)}


def _label_number(label: str) -> int | None:
    return int(float(label)) if _DIGITS.fullmatch(label.strip()) else None


def _labelled(number: int, labels: Sequence[str] | None) -> set[int]:
    """The places of the choices whose label is this number."""
    return {place for place, label in enumerate(labels or ()) if _label_number(label) == number}


def _are_numbers(labels: Sequence[str] | None) -> bool:
    """Whether any label is a number, as ARC has them: then numbers are labels and count nothing."""
    return any(_label_number(label) is not None for label in labels or ())


@dataclass(frozen=True, slots=True)
class GoldRow:
    """Of one row what its gold value says about what the values count from."""

    where: str
    value: Any
    choices: Sequence[str]
    labels: Sequence[str] | None = None

    @property
    def num_choices(self) -> int:
        """How many there are."""
        return len(self.choices)

    @property
    def number(self) -> int | None:
        """The number that the value is and can only be; None of texts, letters and labels."""
        if _are_numbers(self.labels):
            return None
        if isinstance(self.value, str):
            text = self.value.strip()
            known = any(one.strip() == text for one in self.choices)
            return int(float(text)) if _DIGITS.fullmatch(text) and not known else None
        return _number(self.value)


def gold_base(rows: Iterable[GoldRow]) -> tuple[int, str | None]:
    """What the numbers of a dataset count from, and what a reader should know about that.

    From 1 where a value equals the number of choices of its row, which from 0 would be none of them, and no value is
    0; from 0 otherwise.

    Raises:
        InputError: one row says 0 and another one the number of its choices.
    """
    zero: GoldRow | None = None
    last: GoldRow | None = None
    count = 0
    for row in rows:
        number = row.number
        if number is None:
            continue
        count += 1
        zero = zero or (row if number == 0 else None)
        last = last or (row if number == row.num_choices else None)
        if zero is not None and last is not None:
            raise InputError(
                f"right choices are counted from 0 ({zero.where}: {_shown(zero.value)}) and from 1 ({last.where}: "
                f"{_shown(last.value)} of {last.num_choices}); mend the data, or say which with gold_from= "
                f"(--gold-from)"
            )
    if last is not None:
        return 1, (
            f"right choices are counted from 1, for {last.where} names number {_shown(last.value)} of "
            f"{last.num_choices} and none of {count} rows number 0; --gold-from 0 (gold_from=) where that is wrong"
        )
    if count and zero is None:
        return 0, (
            f"right choices are counted from 0, though none of {count} rows names number 0; --gold-from 1 (gold_from=) "
            f"where they are counted from 1"
        )
    return 0, None


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
