"""The signature: which convention, model and program gave a number, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Signature"]


@dataclass(frozen=True, slots=True)
class Signature:
    """Everything that a score depends on besides its text, as ordered ``name:value`` fields.

    The form follows sacreBLEU's signatures (Post 2018): ``name:value|name:value``. A ``|`` or ``%`` in a value is
    percent-encoded, so that a signature can be taken apart again.
    """

    fields: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Signature:
        """A signature of these fields, in this order."""
        return cls(tuple(fields.items()))

    @classmethod
    def parse(cls, line: str) -> Signature:
        """The signature that ``str`` gave ``line``."""
        pairs = (part.split(":", 1) for part in line.split("|"))
        return cls(tuple((name, value.replace("%7C", "|").replace("%25", "%")) for name, value in pairs))

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name]

    def __str__(self) -> str:
        return "|".join(f"{name}:{value.replace('%', '%25').replace('|', '%7C')}" for name, value in self.fields)
