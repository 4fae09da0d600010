"""What holds for every test: threads that leave the cores to each other, and examples that are the same every time."""

from __future__ import annotations

import os

from hypothesis import settings

# Before anything loads torch, since OpenMP reads its settings once. Tiny models are fastest on one thread, and threads
# that spin while they wait take the cores from the other worker; what a test says about threads, it sets itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Examples follow from the test alone, so that whether the suite passes depends on the tree and on nothing else, and no
# test is timed: what is slow on a busy machine is not wrong. For new examples: --hypothesis-profile=search.
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("same")
