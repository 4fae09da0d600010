"""A criterion that was read: its parts, and whether it holds for given surprisals. How it is written: ``formulas``."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Metric: TypeAlias = Literal["sum", "mean", "median", "range", "max", "min"]
"""What the surprisals of a region's tokens come to."""

WHOLE = "*"
"""The name of all regions of a condition together."""

METRICS: Mapping[Metric, Callable[[Sequence[float]], float]] = {
    "sum": math.fsum,
    "mean": lambda bits: math.fsum(bits) / len(bits),
    "median": statistics.median,
    "range": lambda bits: max(bits) - min(bits),
    "max": max,
    "min": min,
}

ABSOLUTE, RELATIVE = 1e-3, 1e-5
"""How near to each other the sides of ``=`` are, as in SyntaxGym."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A metric of a region of a condition."""

    metric: Metric
    condition: str
    region: str


Look: TypeAlias = Callable[[Reference], float]
"""The value of a reference in bits; NaN where it has none."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written."""

    value: float


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A first part, and what is done to it with the others, from left to right."""

    first: Quantity
    rest: tuple[tuple[str, Quantity], ...]


Quantity: TypeAlias = Reference | Number | Arithmetic


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides and ``<``, ``>`` or ``=``."""

    sign: str
    left: Quantity
    right: Quantity


@dataclass(frozen=True, slots=True)
class Junction:
    """All (``&``) of its parts, or one of them (``|``)."""

    sign: str
    parts: tuple[Criterion, ...]


Criterion: TypeAlias = Comparison | Junction


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a criterion holds, None where a value is missing; by how many bits, above 0 where it does (NaN where it
    is not known), of several comparisons those that decide; whether sides of a ``<`` or ``>`` are equal."""

    holds: bool | None
    margin: float
    tied: bool


def references(node: Criterion | Quantity) -> Iterator[Reference]:
    """All that it refers to."""
    if isinstance(node, Reference):
        yield node
    elif isinstance(node, Comparison):
        yield from (*references(node.left), *references(node.right))
    elif isinstance(node, Junction):
        for part in node.parts:
            yield from references(part)
    elif isinstance(node, Arithmetic):
        yield from references(node.first)
        for _, one in node.rest:
            yield from references(one)


def quantity(node: Quantity, look: Look) -> float:
    """The number that it comes to; NaN where a value is missing, or it is divided by 0."""
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Reference):
        return look(node)
    found = quantity(node.first, look)
    for sign, one in node.rest:
        other = quantity(one, look)
        if sign == "/":
            found = found / other if other else math.nan
        else:
            found = found + other if sign == "+" else found - other if sign == "-" else found * other
    return found


def verdict(node: Criterion, look: Look) -> Verdict:
    """Whether a criterion holds, and by how much."""
    if isinstance(node, Comparison):
        return _compared(node.sign, quantity(node.left, look), quantity(node.right, look))
    parts = [verdict(part, look) for part in node.parts]
    every, decides = [one.holds for one in parts], node.sign == "|"
    holds = decides if decides in every else None if None in every else not decides
    margins = [one.margin for one in parts]
    margin = math.nan if holds is None or any(map(math.isnan, margins)) else (max if decides else min)(margins)
    return Verdict(holds, margin, any(one.tied for one in parts))


def _compared(sign: str, left: float, right: float) -> Verdict:
    if math.isnan(left) or math.isnan(right):
        return Verdict(None, math.nan, tied=False)
    gap = 0.0 if left == right else left - right
    if sign == "=":
        margin = ABSOLUTE + RELATIVE * abs(right) - abs(gap) if math.isfinite(right) else -abs(gap)
        return Verdict(left == right or margin >= 0.0, margin, tied=False)
    margin = gap if sign == ">" else -gap
    return Verdict(margin > 0.0, margin + 0.0, tied=gap == 0.0)
