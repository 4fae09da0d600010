"""What holds for every test: threads that leave the cores to each other, examples that are the same every time, the
longest tests first, and the default model loaded once."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from seqscore import Scorer

# Before anything loads torch, since OpenMP reads its settings once. Tiny models are fastest on one thread, and threads
# that spin while they wait take the cores from the other worker; what a test says about threads, it sets itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# What trying a model showed is kept for a run of the tests, its workers and the processes that they start, in a folder
# of its own: that of the user has no say. Where trials themselves are tested, nothing is kept.
OF_A_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if not OF_A_WORKER:
    os.environ["SEQSCORE_TRIALS"] = tempfile.mkdtemp(prefix="seqscore-trials-")

# Libraries' warnings reach standard error only where nobody has a handler.
logging.getLogger().addHandler(logging.NullHandler())

# Examples follow from the test alone, so that whether the suite passes depends on the tree and on nothing else, and no
# test is timed: what is slow on a busy machine is not wrong. For new examples: --hypothesis-profile=search.
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("same")

HERE = Path(__file__).resolve().parent

LONGEST = ("test_ray", "test_default_model", "test_contributing", "test_extras", "test_benchmark")
"""Files whose single tests are long. A worker takes over what another has not begun: were they the last, one worker
would end alone with one of them."""


# While modules are loaded and asserts are rewritten, hardly anything becomes garbage. Looking for some, among millions
# of objects, takes a quarter of the time.
gc.disable()


def pytest_collection(session: pytest.Session) -> None:
    """The second worker loads the test modules from the last to the first. Both workers need all of them, with asserts
    rewritten, which takes half of the time: so each finds what the other has compiled from the middle on."""
    if os.environ.get("PYTEST_XDIST_WORKER") != "gw1" or sys.dont_write_bytecode or session.config.args != ["tests"]:
        return
    for file in sorted(HERE.rglob("test_*.py"), reverse=True):
        with suppress(Exception):  # which collecting it tells
            import_module(".".join(("tests", *file.relative_to(HERE).with_suffix("").parts)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONGEST)
    _leave_out_native(config, items)


def _leave_out_native(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What needs a library that has to be compiled, unless -m names it: ``scripts/test --native`` does."""
    native = [item for item in items if item.get_closest_marker("native")]
    if native and "native" not in config.option.markexpr:
        config.hook.pytest_deselected(items=native)
        items[:] = [item for item in items if not item.get_closest_marker("native")]


def pytest_collection_finish() -> None:
    """What is loaded by now (torch, transformers, every test) stays to the end: no collection of garbage needs to look
    at its millions of objects again."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """The folder of trials goes with the run that made it."""
    if not OF_A_WORKER:
        shutil.rmtree(os.environ["SEQSCORE_TRIALS"], ignore_errors=True)


@pytest.fixture(scope="session")
def scorers() -> dict[str, Scorer]:
    """Scorers that are not changed, by what they were asked for: ``tests.readmes.made_once`` puts them there."""
    return {}
