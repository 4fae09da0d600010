"""Servers to ask, and short waits between tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from seqscore import LoadOptions, Scorer
from seqscore.models.server import tries
from tests.models.server.stand_in import StandIn, serving
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

Serve = Callable[..., StandIn]


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQSCORE_API_KEY", raising=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server of a dialect, for as long as the test runs."""
    with ExitStack() as stack:
        yield lambda dialect, **traits: stack.enter_context(serving(StandIn(dialect, **traits)))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, which are noted and not waited for."""
    noted: list[float] = []

    async def note(seconds: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(tries, "sleep", note)
    return noted


@pytest.fixture(scope="module")
def own() -> Scorer:
    """The same model here, in float64."""
    return Scorer(tiny_model("llama", dtype=torch.float64), tiny_tokenizer(), engine="reference")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model's tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tiny_tokenizer().save_pretrained(folder)
    return folder


def opened(stand_in: StandIn, **options: Any) -> Scorer:
    return Scorer.from_pretrained(stand_in.address, options=LoadOptions(**options))
