"""What must be in the environment before torch is loaded: OpenMP reads it once."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

SPIN_COUNT = "10000"
"""How often a thread looks for work before it sleeps. libgomp, which torch's wheels for Linux bring along, looks
for milliseconds or for ever by itself: beside one other busy process a run then takes several times as long. With this
number it takes no longer than by itself on a quiet machine."""


def bound_spinning(environment: MutableMapping[str, str] | None = None) -> None:
    """Threads that wait for one another give the processor away soon, unless the user decided how they wait.

    Nothing is set where torch is loaded already: it would have no effect, and the process is somebody else's.
    """
    given = os.environ if environment is None else environment
    if "torch" not in sys.modules and not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & given.keys():
        given["GOMP_SPINCOUNT"] = SPIN_COUNT
