"""The signature: which convention, model and program gave a number, in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

_UNSAFE = re.compile(r"[|%\s\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Signature:
    """Everything that a score depends on besides its text, as ordered ``name:value`` fields.

    The form follows sacreBLEU's signatures (Post 2018): ``name:value|name:value``. White space, ``|`` and ``%`` in a
    value are percent-encoded, so that a signature is one line and can be taken apart again.
    """

    fields: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Signature:
        """A signature of these fields, in this order."""
        return cls(tuple(fields.items()))

    @classmethod
    def parse(cls, line: str) -> Signature:
        """The signature that ``str`` gave ``line``."""
        parts = [part.split(":", 1) for part in line.split("|")] if line else []
        return cls(tuple((name, unquote(value)) for name, value in parts))

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name]

    @property
    def conditioning(self) -> str:
        """What a scored token was given: those before it (``left``, where nothing is said), all others of its text
        (``both``), those before it and a source (``source``)."""
        return dict(self.fields).get("conditioning", "left")

    def __str__(self) -> str:
        return "|".join(f"{name}:{_UNSAFE.sub(_quoted, value)}" for name, value in self.fields)


def _quoted(match: re.Match[str]) -> str:
    return quote(match.group())
