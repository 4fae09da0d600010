"""Locks and switches that several users hold at once."""

from __future__ import annotations

import gc
import os
import threading
from types import SimpleNamespace

import pytest

from seqscore.errors import EngineError
from seqscore.models.architecture import sharing
from seqscore.models.architecture.sharing import Shared, found_before, is_switched, lock_of, switched
from tests.tiny_models import tiny_model


def test_the_last_user_puts_back_what_the_first_one_found() -> None:
    thing = SimpleNamespace(mode="own")
    first, second = switched([thing], "mode", "ours"), switched([thing], "mode", "ours")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # the first to come leaves first
    assert thing.mode == "ours" and found_before(thing, "mode") == "own" and is_switched(thing, "mode")
    second.__exit__(None, None, None)
    assert thing.mode == "own" and found_before(thing, "mode") == "own" and not is_switched(thing, "mode")


def test_an_attribute_that_was_not_there_is_gone_again_also_after_an_error() -> None:
    thing = SimpleNamespace()
    with pytest.raises(ValueError, match="x"), switched([thing, thing], "mode", "ours"):
        assert found_before(thing, "mode") is None
        raise ValueError("x")
    assert not hasattr(thing, "mode")


def test_what_somebody_else_sets_meanwhile_stays() -> None:
    thing = SimpleNamespace(mode="own")
    with switched([thing], "mode", "ours"):
        thing.mode = "theirs"
    assert thing.mode == "theirs"


def test_another_value_is_refused_and_the_first_one_is_put_back() -> None:
    thing, free = SimpleNamespace(mode="own"), SimpleNamespace(mode="own")
    with switched([thing], "mode", "ours"):
        with pytest.raises(EngineError, match="mode is 'ours' in another run"), switched([free, thing], "mode", "x"):
            pass
        assert thing.mode == "ours" and free.mode == "own" and not is_switched(free, "mode")
    assert thing.mode == "own"


def test_one_attribute_behind_two_names() -> None:
    """As a wrapper and the module in it: both are asked before either is set."""

    class Wrapper:
        def __init__(self, inner: SimpleNamespace) -> None:
            self.__dict__["inner"] = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def __setattr__(self, name: str, value: object) -> None:
            setattr(self.inner, name, value)

    inner = SimpleNamespace(training=True)
    for owners in ([Wrapper(inner), inner], [inner, Wrapper(inner)]):
        with switched(owners, "training", False):
            assert inner.training is False
        assert inner.training is True


def test_a_lock_for_a_model_whoever_asks_and_none_left_behind() -> None:
    model, other = tiny_model("llama"), tiny_model("llama")
    assert lock_of(model) is lock_of(model) is lock_of(SimpleNamespace(config=model.config))
    assert lock_of(model) is not lock_of(other)
    key = id(other.config)
    assert key in sharing._STATE.locks
    del other
    gc.collect()
    assert key not in sharing._STATE.locks


def test_a_setting_of_the_process_is_counted() -> None:
    told: list[str] = []
    shared = Shared(lambda: told.append("on") or "before", lambda before: told.append(f"off {before}"))  # type: ignore[func-returns-value]
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with shared.held():
            inside.set()
            leave.wait(240)

    thread = threading.Thread(target=other)
    with shared.held():
        thread.start()
        assert inside.wait(240)
    assert told == ["on"]  # the other is still inside
    leave.set()
    thread.join(240)
    assert told == ["on", "off before"]


def test_a_forked_child_has_open_locks_and_nothing_switched() -> None:
    model = tiny_model("llama")
    switch = SimpleNamespace(mode="own")
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock_of(model), switched([switch], "mode", "ours"):
            inside.set()
            leave.wait(240)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(240)
    child = os.fork()
    if child == 0:
        free = lock_of(model).acquire(blocking=False)
        os._exit(0 if free and switch.mode == "own" and not is_switched(switch, "mode") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert switch.mode == "ours"
    leave.set()
    thread.join(240)
    assert switch.mode == "own"
