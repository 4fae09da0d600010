"""Which numbers can stand on the axis of a chart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST_DRAWN = 1e307
"""Beyond it what lies between the ends of an axis, or around them, may be no float64."""


def drawable(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where both are numbers of at most ``LARGEST_DRAWN``, of either sign. Shape: all [n]."""
    return np.asarray((np.abs(a) <= LARGEST_DRAWN) & (np.abs(b) <= LARGEST_DRAWN))


def not_drawn(a: NDArray[np.float64], b: NDArray[np.float64]) -> str:
    """How many pairs of numbers are left out, and why: " (1 infinite, not drawn)", or nothing."""
    infinite = int((~(np.isfinite(a) & np.isfinite(b))).sum())
    beyond = int((~drawable(a, b)).sum()) - infinite
    parts = ((infinite, "infinite"), (beyond, f"beyond {LARGEST_DRAWN:g}"))
    said = [f"{count:,} {what}" for count, what in parts if count]
    return f" ({', '.join(said)}, not drawn)" if said else ""
