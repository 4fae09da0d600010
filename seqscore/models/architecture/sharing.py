"""One model that several scorers and their caller use at once, from any thread.

A model has one lock, whichever scorer asks for it. What a run switches on a model is counted: the first who needs it
switches, the last who leaves puts back what the first one found. So models that share parts (a config, a trunk, the
same model behind two wrappers) do not put back what another run still needs.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock, RLock
from typing import Any, Generic, TypeVar

from seqscore.errors import EngineError

T = TypeVar("T")

_MISSING = object()


@dataclass(slots=True)
class _Switch:
    """An attribute that has ``value`` for as long as it has users, and what it was ``before``."""

    owner: object
    name: str
    value: object
    before: object
    users: set[object] = field(default_factory=set)

    def put_back(self) -> None:
        """Only what is still as it was switched: who sets something else meanwhile means it."""
        if getattr(self.owner, self.name, _MISSING) is not self.value:
            return
        if self.before is _MISSING:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.before)


@dataclass(slots=True)
class _State:
    """Of one process: a fork copies locks that nobody opens any more, and switches whose users did not come along."""

    pid: int = field(default_factory=os.getpid)
    guard: Any = field(default_factory=RLock)
    locks: dict[int, tuple[weakref.ref[Any], Any]] = field(default_factory=dict)
    switches: dict[tuple[int, str], _Switch] = field(default_factory=dict)


_STATE = _State()


def _state() -> _State:
    global _STATE
    if _STATE.pid != os.getpid():
        inherited, _STATE = _STATE, _State()
        for switch in inherited.switches.values():
            switch.put_back()
    return _STATE


def lock_of(model: Any) -> Any:
    """The re-entrant lock of a model: the same for everything that holds the same config, so for its wrappers too."""
    owner = getattr(model, "config", model)
    owner = owner if hasattr(type(owner), "__weakref__") else model
    state = _state()
    with state.guard:
        known = state.locks.get(id(owner))
        if known is None:
            gone = weakref.ref(owner, partial(_forget, state.locks, id(owner)))
            known = state.locks[id(owner)] = (gone, RLock())
        return known[1]


def _forget(locks: dict[int, Any], key: int, _: object) -> None:
    locks.pop(key, None)


@contextmanager
def switched(owners: Iterable[object], name: str, value: object) -> Iterator[None]:
    """The attribute ``name`` of every owner is ``value`` within the block, and until the last such block ends.

    Raises:
        EngineError: another block holds it at another value.
    """
    user, held = object(), list(owners)
    try:
        _take(held, name, value, user)
        yield
    finally:
        _leave(held, name, user)


def found_before(owner: object, name: str) -> Any:
    """The attribute as it is, or was before it was switched."""
    state = _state()
    with state.guard:
        switch = state.switches.get((id(owner), name))
        found = getattr(owner, name, None) if switch is None else switch.before
        return None if found is _MISSING else found


def is_switched(owner: object, name: str) -> bool:
    """Whether anybody holds this attribute."""
    return (id(owner), name) in _state().switches


def _take(owners: list[object], name: str, value: object, user: object) -> None:
    state = _state()
    with state.guard:
        for owner in owners:
            held = state.switches.get((id(owner), name))
            if held is not None and held.value is not value:
                raise EngineError(
                    f"{type(owner).__name__}.{name} is {held.value!r} in another run and cannot be {value!r} at the "
                    f"same time; end that run first"
                )
        for owner in owners:  # all of them before any is set: two owners may be one behind the scenes
            key = id(owner), name
            if key not in state.switches:
                state.switches[key] = _Switch(owner, name, value, getattr(owner, name, _MISSING))
            state.switches[key].users.add(user)
        for owner in owners:
            if getattr(owner, name, _MISSING) is not value:
                setattr(owner, name, value)


def _leave(owners: list[object], name: str, user: object) -> None:
    state = _state()
    with state.guard:
        for owner in owners:
            switch = state.switches.get((id(owner), name))
            if switch is None:
                continue
            switch.users.discard(user)
            if not switch.users:
                del state.switches[id(owner), name]
                switch.put_back()


class Shared(Generic[T]):
    """A setting of the whole process: ``switch`` for the first user, giving what ``restore`` needs after the last."""

    def __init__(self, switch: Callable[[], T], restore: Callable[[T], None]) -> None:
        self._switch, self._restore = switch, restore
        self._pid, self._lock = os.getpid(), Lock()
        self._users: set[object] = set()
        self._before: list[T] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Switched within the block, and until the last such block ends."""
        if self._pid != os.getpid():
            self._after_a_fork()
        user = object()
        try:
            with self._lock:
                self._users.add(user)
                if not self._before:
                    self._before.append(self._switch())
            yield
        finally:
            with self._lock:
                self._users.discard(user)
                if not self._users and self._before:
                    self._restore(self._before.pop())

    def _after_a_fork(self) -> None:
        self._pid, self._lock = os.getpid(), Lock()
        self._users.clear()
        if self._before:
            self._restore(self._before.pop())
