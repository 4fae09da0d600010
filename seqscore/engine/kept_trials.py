"""What trying a model showed: remembered in this process, and kept for the next one where that is safe.

A file a model, number of threads and whatever else the outcome depends on (``engine.trial_key``) lies in ``trials``
under the cache folder: which engines may run the model, and at which row counts its products keep bits. A refusal is
never kept. A file that cannot be read, is not as it was written, or is of another key, is as none: what it says is
tried again. ``SEQSCORE_TRIALS`` says what is done with these files: see ``Keeping``, or the absolute path of another
folder to keep them in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast, get_args
from weakref import WeakKeyDictionary, ref

from seqscore.engine.trial_key import is_known, model_key, surroundings, weight_versions
from seqscore.errors import CacheError, OptionError
from seqscore.files import write_whole
from seqscore.models.load.default import default_cache_dir

if TYPE_CHECKING:
    from torch import nn

    from seqscore.models.architecture.adapter import ModelAdapter

R = TypeVar("R")
Counts: TypeAlias = tuple[int, ...]
Fact: TypeAlias = Literal[True] | Counts
"""That an engine may run a model; or row counts of a product."""

Keeping: TypeAlias = Literal["keep", "again", "off"]
"""``keep``: what is kept is not tried. ``again``: all is tried, and kept. ``off``: all is tried, and nothing kept."""

_VARIABLE = "SEQSCORE_TRIALS"
_LARGEST_FILE = 2**16
_MOST_FILES = 400


@dataclass(slots=True)
class Comparison:
    """Outcomes that had been kept, against the same trials now: how many there were, a line for each difference, and
    which ones have been tried within the comparison, each once."""

    num_kept: int = 0
    differences: list[str] = field(default_factory=list)
    tried: set[tuple[Path, str]] = field(default_factory=set)

    def add(self, place: Path, name: str, former: Fact | None, fact: Fact | None) -> None:
        """One outcome; ``former`` is what had been kept, None for nothing."""
        if former is not None and (place, name) not in self.tried:
            self.num_kept += 1
            if former != fact:
                self.differences.append(f"{name}: kept {_said(former)}, now {_said(fact)}")
        self.tried.add((place, name))


_COMPARISON: ContextVar[Comparison | None] = ContextVar("seqscore_comparison_of_trials", default=None)


def keeping() -> Keeping:
    """What is to be done with kept outcomes: as the environment says; within ``trials_again`` nothing is believed.

    Raises:
        OptionError: the variable has no such value.
    """
    asked = os.environ.get(_VARIABLE) or "keep"
    if Path(asked).is_absolute():
        asked = "keep"
    if asked not in get_args(Keeping):
        raise OptionError(
            f"{_VARIABLE}={asked!r} in the environment is unknown; expected keep, again, off, or the absolute path of "
            f"a folder"
        )
    return "again" if asked == "keep" and _COMPARISON.get() is not None else cast(Keeping, asked)


@contextmanager
def trials_again() -> Iterator[Comparison]:
    """Within the block all is tried, and compared with what had been kept."""
    comparison = Comparison()
    token = _COMPARISON.set(comparison)
    try:
        yield comparison
    finally:
        _COMPARISON.reset(token)


class TriedModel:
    """What trying a model showed. ``key``: of the model, None where nothing can be kept from process to process."""

    def __init__(self, model: nn.Module, key: Mapping[str, str] | None = None) -> None:
        self._model = ref(model)
        self._model_key = key
        self._versions = weight_versions(model)
        self._counts: dict[tuple[int, str], Counts] = {}

    def remember(self, other: TriedModel) -> None:
        """Take over the row counts that were found in this process on the same model, if it is as it was then."""
        if (
            other._versions == self._versions
            and other._model_key == self._model_key
            and other._model() is self._model()
        ):
            self._counts.update(other._counts)

    def refusal(self, engine: str, why_not: Callable[[], R | None]) -> R | None:
        """Why an engine must not run the model; None where it may, which is not tried where it is kept."""
        if self._kept(engine) is True:
            return None
        found = why_not()
        self._keep(engine, True if found is None else None)
        return found

    def counts(self, product: str, candidates: Sequence[int], find: Callable[[], Counts]) -> Counts:
        """The row counts of a product with as many threads as torch has now, some of ``candidates``; found once."""
        import torch

        place = (torch.get_num_threads(), product)
        if place not in self._counts:
            kept = self._kept(product)
            if not isinstance(kept, tuple) or not kept or not set(kept) <= set(candidates):
                kept = find()
                self._keep(product, kept)
            self._counts[place] = kept
        return self._counts[place]

    def _kept(self, name: str) -> Fact | None:
        mode, comparison = keeping(), _COMPARISON.get()
        key = self._key() if mode == "keep" or comparison is not None else None
        if key is None or mode == "off":
            return None
        is_new = comparison is not None and (_place(key), name) in comparison.tried
        return read_facts(key).get(name) if mode == "keep" or is_new else None

    def _keep(self, name: str, fact: Fact | None) -> None:
        """Write down what was found; None is the word that what had been kept holds no longer."""
        key = self._key() if keeping() != "off" else None
        if key is None:
            return
        facts = read_facts(key)
        former = facts.pop(name, None)
        if (comparison := _COMPARISON.get()) is not None:
            comparison.add(_place(key), name, former, fact)
        if former != fact:
            write_facts(key, facts if fact is None else {**facts, name: fact})

    def _key(self) -> dict[str, str] | None:
        """None too where the model is not as it was when its key was made."""
        model = self._model()
        if not self._model_key or model is None or weight_versions(model) != self._versions or not is_known(model):
            return None
        around = surroundings()
        return None if around is None else {**self._model_key, **around}


_TRIED: WeakKeyDictionary[Any, TriedModel] = WeakKeyDictionary()


def tried(module: nn.Module) -> TriedModel:
    """What is known of a model, or of the trunk of one."""
    if module not in _TRIED:
        _TRIED[module] = TriedModel(module)
    return _TRIED[module]


def look_up(adapter: ModelAdapter, *, attention: str, kept: bool) -> TriedModel:
    """What is known of a model, that which was found earlier in this process, or kept by another one, included.

    ``attention``: the backend that outcomes depend on besides. ``kept``: whether they may be kept at all.
    """
    key = model_key(adapter) if kept and keeping() != "off" else None
    found = TriedModel(adapter.model, key and {**key, "attention": attention})
    if _COMPARISON.get() is None and adapter.model in _TRIED:
        found.remember(_TRIED[adapter.model])
    for module in (adapter.model, adapter.trunk):
        if module is not None:
            _TRIED[module] = found
    return found


def read_facts(key: Mapping[str, str]) -> dict[str, Fact]:
    """What is kept under a key; nothing where there is no file, or not one that was written for this key."""
    try:
        with _place(key).open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
        checksum, _, body = raw.partition(b"\n")
        if len(raw) > _LARGEST_FILE or checksum != _checksum(body):
            return {}
        found = json.loads(body)
    except (OSError, CacheError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or found.get("key") != dict(key) or not isinstance(found.get("facts"), dict):
        return {}
    facts = {name: _fact(value) for name, value in found["facts"].items()}
    return {name: fact for name, fact in facts.items() if fact is not None}


def write_facts(key: Mapping[str, str], facts: Mapping[str, Fact]) -> None:
    """Replace what is kept under a key. Where the cache cannot be written to nothing is kept, and nothing said."""
    body = json.dumps({"key": dict(key), "facts": dict(facts)}, indent=1, sort_keys=True).encode()
    with suppress(OSError, CacheError):
        place = _place(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        _make_room(place)
        write_whole(place, _checksum(body) + b"\n" + body)


def _make_room(place: Path) -> None:
    """Remove the oldest files of the folder, a quarter of them, where it is full and gets another one."""
    if place.exists():
        return
    files = [path for path in place.parent.iterdir() if path.is_file()]
    if len(files) >= _MOST_FILES:
        for path in sorted(files, key=lambda path: path.stat().st_mtime)[: _MOST_FILES // 4]:
            path.unlink(missing_ok=True)


def _place(key: Mapping[str, str]) -> Path:
    name = sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:32]
    asked = Path(os.environ.get(_VARIABLE, ""))
    return (asked if asked.is_absolute() else default_cache_dir() / "trials") / f"{name}.json"


def _checksum(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode()


def _fact(value: object) -> Fact | None:
    if value is True:
        return True
    if not isinstance(value, list) or not all(type(one) is int for one in value):
        return None
    return tuple(value)


def _said(fact: Fact | None) -> str:
    return "nothing" if fact is None else "yes" if fact is True else ", ".join(map(str, fact))
