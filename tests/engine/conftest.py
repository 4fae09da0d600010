"""What holds for every test of the engines: models are tried, whatever an earlier test found out."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """No outcome of a trial is read or written."""
    monkeypatch.setenv("SEQSCORE_TRIALS", "off")
