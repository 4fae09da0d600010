"""Why rows could not be scored: messages of one kind are counted together, whichever row they are about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS, PLACES = 10, 3
"""How many kinds of reasons are told, and how many rows of each."""

_MOST_KINDS = 1_000  # that are counted apart; messages may hold what the data hold
_LONGEST = 300
_PLACE = re.compile(r"(.{0,1000}?, (?:line|row|the value at character) \d(?:[\d,]*\d)?)[:, ]\s*", re.ASCII | re.DOTALL)
_NUMBER = re.compile(r"\d[\d,.]*")


@dataclass(slots=True)
class _Kind:
    code: str
    message: str
    count: int = 0
    places: list[str] = field(default_factory=list)


def _named(row: str) -> str:
    """Of a row that has no id of its own this says already that it is a row."""
    return row if row.startswith("row ") else f"row {row}"


class Reasons:
    """Collects errors of rows. A kind is a code and a message but for its place and its numbers; memory is bounded."""

    def __init__(self) -> None:
        self.total = 0
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def add(self, code: str, message: str, *, row: str) -> None:
        """An error of a row; ``row`` names it where the message names no place."""
        self.total += 1
        found = _PLACE.match(message)
        place, said = (_named(row), message) if found is None else (found.group(1), message[found.end() :])
        key = code, _NUMBER.sub("#", said)
        if key not in self._kinds:
            if len(self._kinds) == _MOST_KINDS:
                return
            self._kinds[key] = _Kind(code, said if len(said) <= _LONGEST else said[: _LONGEST - 3] + "...")
        kind = self._kinds[key]
        kind.count += 1
        if len(kind.places) < PLACES:
            kind.places.append(place if len(place) <= _LONGEST else "..." + place[3 - _LONGEST :])

    def to_list(self) -> list[Mapping[str, Any]]:
        """The most frequent kinds, each with the message and the places of its first rows, as plain values."""
        kinds = sorted(self._kinds.values(), key=lambda kind: -kind.count)[:KINDS]
        return [{"code": k.code, "message": k.message, "count": k.count, "places": k.places} for k in kinds]
