"""What options say is what there is."""

from __future__ import annotations

import re

from seqscore.engine.resolve import ENGINES
from tests.cli.conftest import Run


def test_the_help_of_an_engine_names_every_engine(run: Run) -> None:
    said = re.sub(r"[\s│]+", " ", run("score", "--help").stdout)
    found = re.search(r"auto, ([\w, ]+) or (\w+); a named one never falls back", said)
    assert found is not None and sorted([*found[1].split(", "), found[2]]) == sorted(ENGINES)
