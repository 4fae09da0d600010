"""What JSON of a file must look like, as a value: checked field by field, with a message that names the field."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from seqscore.errors import InputError

Shape: TypeAlias = Callable[[Any, str], None]
"""Raises ``Misshapen`` where a value, at a place such as ``figures[3].unit``, is not what it must be."""

_LARGEST = 2**53  # whole numbers up to it are the same in float64


class Misshapen(InputError):
    """A value is not what its place wants."""


def refuse(place: str, expected: str, got: Any) -> Misshapen:
    """The error: what, expected, got."""
    shown = f"{type(got).__name__} {got!r}" if isinstance(got, str | int | float) else type(got).__name__
    return Misshapen(f"{place or 'it'} must be {expected}, got {'nothing' if got is ABSENT else shown[:60]}")


ABSENT = object()


def text(value: Any, place: str) -> None:
    """A text that is Unicode."""
    if not isinstance(value, str) or any("\ud800" <= one <= "\udfff" for one in value):
        raise refuse(place, "a text", value)


def count(value: Any, place: str) -> None:
    """A whole number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise refuse(place, "a whole number of at least 0", value)


def real(value: Any, place: str) -> None:
    """A number, or the text of an infinite one, as a run stores it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    finite = is_number and abs(value) <= sys.float_info.max  # an integer of JSON may be larger
    if not finite and not (isinstance(value, str) and value in ("Infinity", "-Infinity")):
        raise refuse(place, "a number", value)


def share(value: Any, place: str) -> None:
    """A number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise refuse(place, "a number from 0 to 1", value)


def one_of(*names: str) -> Shape:
    """One of these texts."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, str) or value not in names:
            raise refuse(place, f"one of {', '.join(names)}", value)

    return check


def optional(shape: Shape) -> Shape:
    """That, or null."""
    return lambda value, place: None if value is None else shape(value, place)


def list_of(shape: Shape) -> Shape:
    """A list of such values."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list):
            raise refuse(place, "a list", value)
        for number, one in enumerate(value):
            shape(one, f"{place}[{number}]")

    return check


def mapping_of(shape: Shape) -> Shape:
    """An object with any names and such values."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, Mapping):
            raise refuse(place, "an object", value)
        for name, one in value.items():
            text(name, place)
            shape(one, f"{place}.{name}")

    return check


def fields(shapes: Mapping[str, Shape]) -> Shape:
    """An object with at least these fields."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, Mapping):
            raise refuse(place, "an object", value)
        for name, shape in shapes.items():
            shape(value.get(name, ABSENT), f"{place}.{name}".lstrip("."))

    return check


def setting(value: Any, place: str, depth: int = 8) -> None:
    """What a setting can be: null, a boolean, a text, a number, lists and objects of them, not very deep."""
    if not depth:
        raise Misshapen(f"{place} is nested too deep")
    if isinstance(value, Mapping):
        mapping_of(lambda one, at: setting(one, at, depth - 1))(value, place)
    elif isinstance(value, list):
        list_of(lambda one, at: setting(one, at, depth - 1))(value, place)
    elif value is ABSENT:
        raise refuse(place, "there", value)
    elif value is not None and not isinstance(value, bool):
        (text if isinstance(value, str) else real)(value, place)
