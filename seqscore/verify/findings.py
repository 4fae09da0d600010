"""What a verification finds out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Topic: TypeAlias = Literal["right", "same bits", "fast", "small", "dtype", "trials"]
"""The promise that a finding belongs to; ``trials``: what is kept of them."""

Outcome: TypeAlias = Literal["held", "broken", "stated", "not measured"]
"""``held``, ``broken``: within its limit or not. ``stated``: a figure that has no limit. ``not measured``: see note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One measured figure; ``value`` and ``limit`` are in ``unit``, ``value`` None where it was not measured."""

    topic: Topic
    what: str
    value: float | None
    unit: str
    limit: float | None = None
    outcome: Outcome = "stated"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The findings for one model in one dtype on one device.

    ``signature``: of the scores that were checked. ``threads``: that torch used, where nothing else is said.
    """

    model: str
    signature: str
    device: str
    dtype: str
    engine: str
    threads: int
    findings: tuple[Finding, ...]

    @property
    def is_kept(self) -> bool:
        """Whether no promise is broken."""
        return all(finding.outcome != "broken" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**asdict(self), "findings": [asdict(finding) for finding in self.findings], "is_kept": self.is_kept}


def within(value: float, limit: float) -> Outcome:
    """``held`` where the value does not exceed its limit; NaN does."""
    return "held" if value <= limit else "broken"
