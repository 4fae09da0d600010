"""What must be in the environment before torch is loaded: OpenMP reads it once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

SPIN_COUNT = "10000"
"""How often a thread looks for work before it sleeps. libgomp, which torch's wheels for Linux bring along, looks
for milliseconds or for ever by itself: beside one other busy process a run then takes several times as long. With this
number it takes no longer than by itself on a quiet machine."""


def bound_spinning() -> None:
    """Threads that wait for one another give the processor away soon, unless the user decided how they wait.

    Nothing is set where torch is loaded already: it would have no effect, and the process is somebody else's.
    """
    if "torch" not in sys.modules:
        os.environ.update(spin_settings(os.environ))


def spin_settings(given: Mapping[str, str]) -> dict[str, str]:
    """What to add to an environment; nothing where the user decided how threads wait."""
    return {} if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & given.keys() else {"GOMP_SPINCOUNT": SPIN_COUNT}
