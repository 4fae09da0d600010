from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from seqscore import Scorer
from seqscore.errors import OptionError
from seqscore.models.architecture import threads
from seqscore.models.architecture.threads import granted_cores, running_threads, threads_of_run, usable_cores
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer


@pytest.fixture(autouse=True)
def _usual(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three threads are torch's number in these tests, whatever machine they run on."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def groups(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("own", "files", "granted"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),  # version 2, seen from within a container
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/cpu.max": "150000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1.5),  # the group above counts
        ("0::/a/b\n", {"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "50000 100000\n"}, 0.5),
        (
            "5:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "300000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
            3.0,
        ),
        ("1:cpu:/host/only\n", {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "50000\n"}, 2.0),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("7:memory:/m\n0::/../..\n", {"m/cpu.max": "100000 100000\n"}, None),  # another controller's group
        ("", {}, None),
        ("nonsense", {"cpu.max": "x y"}, None),
        ("0::/", {"cpu.max": "0 0"}, None),
    ],
)
def test_the_share_of_a_control_group(tmp_path: Path, own: str, files: dict[str, str], granted: float | None) -> None:
    (tmp_path / "own").write_text(own)
    assert granted_cores(groups(tmp_path / "groups", files), tmp_path / "own") == granted


@pytest.mark.parametrize(("granted", "cores"), [(None, 8), (0.5, 1), (1.5, 2), (2.0, 2), (64.0, 8)])
def test_a_share_is_rounded_up_and_binding_counts(
    monkeypatch: pytest.MonkeyPatch, granted: float | None, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "granted_cores", lambda: granted)
    assert usable_cores() == cores


def test_torchs_number_is_cut_to_the_share_unless_the_user_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    assert threads_of_run(None) == 2
    assert threads_of_run(5) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_of_run(None) == 3
    monkeypatch.setattr(threads, "usable_cores", lambda: 64)
    assert threads_of_run(None) == 3


@pytest.mark.parametrize("engine", ["packed", "padded", "reference"])
def test_a_run_uses_the_number_asked_for_and_torchs_is_put_back(engine: str) -> None:
    model = tiny_model("llama")
    seen: list[int] = []
    handle = model.model.layers[0].register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    scorer = Scorer(model, tiny_tokenizer(), engine=engine, threads=2)
    seen.clear()
    scorer.score(["one", "two"])
    scorer.logits("one")
    assert set(seen) == {2} and scorer.threads == 2
    assert torch.get_num_threads() == 3
    handle.remove()


def test_the_number_is_put_back_after_a_failure() -> None:
    with pytest.raises(RuntimeError), running_threads(1):
        raise RuntimeError
    assert torch.get_num_threads() == 3 and not threads._SWITCH.numbers


def test_a_thread_that_begins_during_anothers_run_gets_the_usual_number() -> None:
    """A thread that begins meanwhile starts with the switched number, and must not take it for torch's own."""
    inside, leave, found = threading.Event(), threading.Event(), []

    def other() -> None:
        with running_threads(None):
            found.append(torch.get_num_threads())
            inside.set()
            leave.wait(240)
        found.append(torch.get_num_threads())

    with running_threads(1):
        assert torch.get_num_threads() == 1
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(240)
    leave.set()
    thread.join()
    assert found == [min(3, usable_cores()), 3]
    assert torch.get_num_threads() == 3 and not threads._SWITCH.numbers


def test_every_thread_gets_its_own_number_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 64)
    ready, go, found = threading.Event(), threading.Event(), []

    def other() -> None:
        torch.set_num_threads(2)
        torch.get_num_threads()  # the number is the thread's own as soon as the thread has used it
        ready.set()
        go.wait(240)
        with running_threads(None):
            found.append(torch.get_num_threads())
            with running_threads(4):
                found.append(torch.get_num_threads())
            found.append(torch.get_num_threads())
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=other)
    thread.start()
    assert ready.wait(240)
    with running_threads(1):
        go.set()
        thread.join()
    assert found == [2, 4, 2, 2] and torch.get_num_threads() == 3


def test_a_process_forked_during_a_run_has_its_own_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 64)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with running_threads(2):
            inside.set()
            leave.wait(240)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(240)
    with threads._SWITCH.lock:  # somebody else's at the time of the fork
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # ends the child should it hang
            try:
                torch.set_num_threads(1)
                right = threads_of_run(None) == 1
                with running_threads(None):
                    right &= torch.get_num_threads() == 1
                os._exit(0 if right else 1)
            finally:
                os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    leave.set()
    thread.join()


@pytest.mark.parametrize("number", [0, -1, 1.5, "2", True, 2000])
def test_a_wrong_number_is_refused(number: Any) -> None:
    with pytest.raises(OptionError, match="must be a whole number from 1 to 1024"):
        Scorer(tiny_model("llama"), tiny_tokenizer(), threads=number)
