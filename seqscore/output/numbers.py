"""Numbers as people read them, alike in tables and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTHING = "–"


def shown_number(value: float | str | None) -> str:
    """Four decimals below 100, two above, four digits from a million on; a dash for what is not defined."""
    if value is None:
        return NOTHING
    number = float(value)
    if abs(number) >= 1e6:
        return f"{number:.4g}"
    return f"{number:,.2f}" if abs(number) >= 100 else f"{number:.4f}"


def shown_signed(value: float | None) -> str:
    """A difference: the same with its sign."""
    return NOTHING if value is None else ("+" if value > 0 else "") + shown_number(value)


def shown_interval(interval: Mapping[str, Any] | None) -> str:
    """From its low to its high end."""
    return NOTHING if interval is None else f"{shown_number(interval['low'])} to {shown_number(interval['high'])}"


def shown_p(value: float | None) -> str:
    """A p-value, two digits."""
    return NOTHING if value is None else f"{value:.2g}"


def shown_log(value: float) -> str:
    """A logarithm, four decimals."""
    return f"{value + 0.0:.4f}"


def shown_perplexity(value: float) -> str:
    """A perplexity, two decimals; four digits from a million on."""
    return f"{value:.2f}" if value < 1e6 else f"{value:.3e}"


def shown_probability(value: float) -> str:
    """A probability, four decimals; three digits below a thousandth."""
    return f"{value:.4f}" if value >= 0.001 else f"{value:.2e}"
