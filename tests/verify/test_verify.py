"""``seqscore.verify`` on tiny models: it holds where the promises hold, and sees where they do not."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from seqscore import Scorer
from seqscore.engine.packed import PackedEngine
from seqscore.errors import DeviceError
from seqscore.plan.requests import Request, Values
from seqscore.verify import memory
from seqscore.verify.bits import threads
from seqscore.verify.findings import Finding, Verification, within
from seqscore.verify.memory import peak_memory
from seqscore.verify.trials import LONGEST, probes_for
from seqscore.verify.verification import verify
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}


def loader(architecture: str = "llama", **settings: object) -> Callable[[str], Scorer]:
    def load(dtype: str) -> Scorer:
        return Scorer(tiny_model(architecture, dtype=DTYPES[dtype]), tiny_tokenizer(), **settings)  # type: ignore[arg-type]

    return load


def by_topic(found: Verification, topic: str) -> list[Finding]:
    return [finding for finding in found.findings if finding.topic == topic]


def test_the_promises_hold() -> None:
    said: list[str] = []
    before = torch.get_num_threads()
    found = verify(loader(), tell=said.append)
    assert found.is_kept and found.engine == "packed" and found.dtype == "float32"
    assert {finding.outcome for finding in by_topic(found, "same bits")} == {"held"}
    assert [finding.value for finding in by_topic(found, "same bits")] == [0.0] * 6
    assert all(finding.outcome == "held" for finding in by_topic(found, "right"))
    rate, share = (finding.value for finding in by_topic(found, "fast"))
    assert rate is not None and rate > 0 and share is not None and 0 < share <= 100
    costs = {finding.what.split()[0]: finding.value or 0 for finding in by_topic(found, "dtype")}
    assert 0 < costs["float32"] < costs["float16"] < costs["bfloat16"]
    assert torch.get_num_threads() == before and said[0] == "loading the model in float32"
    assert found.to_dict()["is_kept"] and found.to_dict()["findings"][0]["topic"] == "right"


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that depend on how many texts are scored together."""
    run = PackedEngine.run

    def shifted(self: PackedEngine, requests: Sequence[Request], *, extras: frozenset[str]) -> list[Values]:
        values = run(self, requests, extras=extras)  # type: ignore[arg-type]
        return [dataclasses.replace(one, logprobs=one.logprobs + 1e-7 * len(requests)) for one in values]

    monkeypatch.setattr(PackedEngine, "run", shifted)


@pytest.mark.usefixtures("careless")
def test_a_bit_that_moves_is_seen() -> None:
    found = verify(loader())
    moved = by_topic(found, "same bits")
    assert not found.is_kept and all(finding.outcome == "broken" for finding in moved)
    assert moved[0].value == pytest.approx(1.6e-6, rel=0.2)
    assert all(finding.outcome == "held" for finding in by_topic(found, "right"))


def test_a_wrong_model_is_seen() -> None:
    """What is scored is another model than what float64 says."""

    def load(dtype: str) -> Scorer:
        return Scorer(tiny_model("llama", dtype=DTYPES[dtype], seed=int(dtype == "float64")), tiny_tokenizer())

    found = verify(load)
    assert not found.is_kept and [one.outcome for one in by_topic(found, "right")] == ["held", "broken"]


def test_what_does_not_fit_is_said() -> None:
    def load(dtype: str) -> Scorer:
        if dtype == "float64":
            raise DeviceError("tiny does not fit")
        return loader()(dtype)

    found = verify(load)
    assert found.is_kept
    (missing,) = [finding for finding in found.findings if finding.outcome == "not measured"]
    assert missing.note == "tiny does not fit" and missing.value is None


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_bits_are_promised_in_float32_and_float64(dtype: str) -> None:
    found = verify(loader(), dtype=dtype)
    outcomes = {finding.outcome for finding in by_topic(found, "same bits")}
    assert outcomes == ({"held"} if dtype == "float64" else {"stated"}) and found.is_kept


def test_an_engine_that_promises_no_bits() -> None:
    found = verify(loader(engine="padded"))
    assert {finding.outcome for finding in by_topic(found, "same bits")} == {"stated"}


def test_a_short_context_bounds_the_probes() -> None:
    scorer = loader(max_length=20)("float32")
    probes = probes_for(scorer)
    assert len(probes.long) == 19 and len(probes.passage) == 19 and {len(one) for one in probes.unshared} == {19}
    assert verify(loader(max_length=20)).is_kept


def test_the_probes_are_what_they_say() -> None:
    scorer = loader()("float32")
    probes = probes_for(scorer)
    assert len(probes.long) == min(LONGEST, (scorer.max_length or LONGEST + 1) - 1)
    beginnings = {tuple(one[:4]) for one in probes.unshared}
    assert len(beginnings) == len(probes.unshared) == 8


def test_a_limit_is_no_limit_for_nan() -> None:
    assert within(1.0, 1.0) == "held" and within(1.1, 1.0) == "broken" and within(float("nan"), 1.0) == "broken"


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="x"), threads(1):
        assert torch.get_num_threads() == 1
        raise ValueError("x")
    assert torch.get_num_threads() == before


def test_peak_memory_sees_what_was_given_back() -> None:
    pieces = [np.ones(100_000, np.uint8) for _ in range(1_000)]
    keeper = np.ones(100_000, np.uint8)  # the last piece: what is freed before it stays with malloc
    del pieces
    with peak_memory("cpu") as peak:
        np.ones(40_000_000, np.uint8).sum()
    assert peak.bytes is None or peak.bytes > 30_000_000
    del keeper
    with peak_memory("meta") as nothing:
        pass
    assert nothing.bytes is None


def test_where_the_mark_cannot_be_set_back_memory_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    status, taken = memory._status, []

    def counted(name: str) -> int:
        found = status(name)
        taken.append(name)
        return found

    monkeypatch.setattr(memory, "_set_back", lambda: False)
    monkeypatch.setattr(memory, "_status", counted)
    with peak_memory("cpu") as peak:
        held = bytearray(300_000_000)
        before = len(taken)
        while len(taken) < before + 2:  # one that began now has ended
            time.sleep(0.005)
        del held
    assert peak.method == "VmRSS every 5 ms"
    assert peak.bytes is not None and peak.bytes > 290_000_000


def test_a_thread_that_frees_memory_meanwhile_does_not_lose_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    left = {"VmHWM": [2**30, 0], "VmRSS": [0, 0]}
    monkeypatch.setattr(memory, "_status", lambda name: left[name].pop(0))
    monkeypatch.setattr(memory.Path, "write_text", lambda *_, **__: 1)
    assert memory._set_back()
