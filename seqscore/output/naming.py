"""What the columns of the input are called in an output: by their own names, where no field of ours has that name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

PREFIX = "data_"
"""Stands before the name of a column of the input that a field of ours, or another column, has already."""

Notify = Callable[[str], None]


class Names:
    """Hands out names, in the order in which columns come; ``notify`` is told once of each that is changed."""

    def __init__(self, ours: Collection[str], notify: Notify) -> None:
        self._taken, self._notify = set(ours), notify
        self._names: dict[str, str] = {}

    @property
    def renamed(self) -> dict[str, str]:
        """Of the columns that have another name here: their name here, and their own."""
        return {new: old for old, new in self._names.items() if new != old}

    def of(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The columns under their names here."""
        return {self.name(column): value for column, value in columns.items()}

    def name(self, column: str) -> str:
        """The name of a column here, which stays the same."""
        found = self._names.get(column)
        if found is None:
            found = column
            while found in self._taken:
                found = PREFIX + found
            if found != column:
                self._notify(f"the column {column!r} of the input is called {found!r} in the output, which has its own")
            self._taken.add(found)
            self._names[column] = found
        return found
