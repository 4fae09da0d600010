"""Which choice is the right one, from the ways in which datasets say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqscore.errors import InputError

__all__ = ["choice_texts", "gold_index"]


def choice_texts(value: Any, *, where: str, column: str) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
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


def gold_index(value: Any, choices: Sequence[str], labels: Sequence[str] | None, *, where: str, column: str) -> int:
    """The index of the right choice, from 0.

    ``value``: an index from 0, as a number or as digits; a label, where the choices have labels; a letter A, B, ...;
    or the text of a choice. A value that may mean two different choices is refused.

    Raises:
        InputError: it names no choice, or more than one.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < len(choices):
            return value
        raise InputError(f"{where}: column {column!r} is {value}, expected an index from 0 to {len(choices) - 1}")
    if not isinstance(value, str):
        raise InputError(f"{where}: column {column!r} must be an index, a label or a choice, got {_shown(value)}")
    found = _meanings(value.strip(), choices, labels)
    if len(found) == 1:
        return found.pop()
    fault = "may mean several choices" if found else "names no choice"
    raise InputError(f"{where}: column {column!r} is {_shown(value)}, which {fault} of {len(choices)}")


def _meanings(value: str, choices: Sequence[str], labels: Sequence[str] | None) -> set[int]:
    if labels is not None and value in labels:
        return {i for i, label in enumerate(labels) if label == value}
    found = {i for i, choice in enumerate(choices) if choice == value}
    if value.isascii() and value.isdigit() and len(value) < 6:
        found.add(int(value))
    elif len(value) == 1 and "A" <= value <= "Z":
        found.add(ord(value) - ord("A"))
    return {i for i in found if i < len(choices)}


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
