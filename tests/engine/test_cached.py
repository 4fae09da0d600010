"""The cached engine: prefixes run once, what a model keeps of them is copied, and no model goes on in a wrong way.

That its values are those of plain transformers in float64, family by family, is in ``test_conformance``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch

from seqscore.engine import cached
from seqscore.engine.base import Engine
from seqscore.engine.cached import CachedEngine
from seqscore.engine.cached_trial import way_to_go_on
from seqscore.engine.resolve import ENGINES, _sharing_all, resolve_engine
from seqscore.errors import EngineError, SeqscoreWarning
from seqscore.models.architecture.adapter import ModelAdapter, adapt
from seqscore.models.architecture.caches import WAYS, Continuing, Kept, read
from seqscore.plan.requests import Request, Subset, Values
from tests.tiny_models import VOCABULARY, longrope_model, tiny_model

WHOLE = WAYS[0]
TOLD = Continuing(stepwise=False, told_positions=True)
STEPS = Continuing(stepwise=True, told_positions=False)


@lru_cache(maxsize=4)
def adapter(architecture: str) -> ModelAdapter:
    return adapt(tiny_model(architecture, dtype=torch.float64))


def passages(*, tokens: int = 20, questions: int = 3, answers: int = 3) -> list[Request]:
    """Questions of 5 on a text of so many tokens, answers of 1 to 3; half of them twice, and with all targets."""
    generator = np.random.default_rng(0)
    passage, made = generator.integers(3, VOCABULARY, tokens), []
    for _ in range(questions):
        question = np.append(passage, generator.integers(3, VOCABULARY, 5))
        made += [np.append(question, generator.integers(3, VOCABULARY, 1 + one % 3)) for one in range(answers)]
    return [Request(ids, len(passage) + 5) for ids in made] + [Request(ids, 1) for ids in made[::2]]


def logprobs(values: list[Values]) -> np.ndarray[Any, Any]:
    return np.concatenate([one.logprobs for one in values])


def run(engine: Engine, requests: list[Request]) -> np.ndarray[Any, Any]:
    return logprobs(engine.run(requests, extras=frozenset()))


@contextmanager
def positions_seen(model: Any) -> Iterator[list[int]]:
    """How many positions a model reads at each pass."""
    seen: list[int] = []
    hook = model.get_input_embeddings().register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].numel()))
    yield seen
    hook.remove()


@pytest.mark.parametrize(
    ("architecture", "way"),
    [("bloom", WHOLE), ("rwkv", WHOLE), ("lfm2", WHOLE), ("bamba", TOLD), ("mamba", STEPS), ("roberta", WHOLE)],
)
def test_the_way_in_which_a_model_goes_on_is_found(architecture: str, way: Continuing) -> None:
    own = adapter(architecture)
    assert way_to_go_on(_sharing_all, own) == way
    engine = _sharing_all(own, way)
    expected = run(ENGINES["reference"](own, None), passages())
    np.testing.assert_allclose(run(engine, passages()), expected, rtol=0, atol=2e-5)
    wrong = Continuing(stepwise=False, told_positions=not way.told_positions)
    if architecture in ("bamba", "roberta"):
        assert np.abs(run(_sharing_all(own, wrong), passages()) - expected).max() > 1e-3
    if architecture == "mamba":
        assert np.abs(run(_sharing_all(own, WHOLE), passages()) - expected).max() > 1e-3


@pytest.mark.parametrize(("architecture", "way"), [("bamba", TOLD), ("mamba", STEPS)])
def test_rounding_hides_no_prefix_that_is_lost(architecture: str, way: Continuing) -> None:
    """In half precision the wrong ways are no further off than a token may be rounded there."""
    assert way_to_go_on(_sharing_all, adapt(tiny_model(architecture, dtype=torch.bfloat16))) == way


@pytest.mark.parametrize("architecture", ["bloom", "mamba"])
def test_every_prefix_runs_once_and_the_same_again(architecture: str) -> None:
    own = adapter(architecture)
    way = STEPS if architecture == "mamba" else WHOLE
    engine = CachedEngine(own, batch_tokens=64, way=way, pass_cost=0)
    requests = passages(answers=1)
    with positions_seen(own.model) as seen:
        first = engine.run(requests, extras=frozenset())
    assert seen[0] == 20 if way == WHOLE else 25
    assert engine.num_run(requests) < sum(request.num_inputs for request in requests) / 3
    again = engine.run(requests, extras=frozenset())
    assert [one.logprobs.tobytes() for one in again] == [one.logprobs.tobytes() for one in first]


def test_positions_that_run_are_those_that_are_told() -> None:
    """Texts of one length, so that nothing is padding; their last token is none that is read."""
    own = adapter("bloom")
    requests = [Request(np.array([*range(9), one, two, 7]), 10) for one in (20, 21, 22) for two in (30, 31)]
    more = [Request(np.append(one.ids[:-1], 8), 11) for one in requests]
    distinct, paths = 9 + 3 + 6, 6 * 11
    for name, expected in (("reference", 12 * 11), ("padded", paths), ("cached", distinct)):
        engine = _sharing_all(own, WHOLE) if name == "cached" else ENGINES[name](own, None)
        with positions_seen(own.model) as seen:
            engine.run(requests + more, extras=frozenset())
        assert sum(seen) == engine.num_run(requests + more) == expected
    assert ENGINES["packed"](adapter("llama"), None).num_run(requests + more) == distinct


def test_what_a_prefix_leaves_is_let_go_with_its_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    passes = cached._Passes

    def seen(self: Any, batch: Any, ids: Any) -> Any:
        found = passes._read(self, batch, ids)
        held.append(sum(one is not None for one in self._open))
        return found

    engine = _sharing_all(adapter("bloom"), WHOLE)
    monkeypatch.setattr(cached, "_Passes", type("Counting", (passes,), {"_read": seen}))
    engine.run(passages(), extras=frozenset())
    assert held == [0, 1, 1, 1, 1, 0, 0]  # the last question takes over what was kept of the passage


def test_copies_leave_what_is_kept_as_it_is() -> None:
    for architecture in ("bloom", "mamba", "rwkv"):
        own = adapter(architecture)
        with torch.inference_mode():
            _, kept = read(own, torch.arange(3, 9)[None])
            before = [part.clone() for part in tensors(kept)]
            for copied in (kept.copies(1), kept.copies(3)):
                for part, original in zip(tensors(copied), before, strict=True):
                    assert part.dim() < 2 or (part == original).all()
                    part.zero_()
        assert all(torch.equal(part, original) for part, original in zip(tensors(kept), before, strict=True))
        assert any(part.abs().sum() > 0 for part in before)


def tensors(kept: Kept) -> list[torch.Tensor]:
    """All tensors of what a model keeps."""
    found: list[torch.Tensor] = []

    def walk(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, list | tuple | dict):
            for part in value.values() if isinstance(value, dict) else value:
                walk(part)
        elif type(value).__module__ == "transformers.cache_utils":
            walk(vars(value))

    walk(kept.states)
    return found


def test_masses_and_extras_are_those_of_the_reference_engine() -> None:
    own, subset = adapter("bloom"), Subset(np.array([3, 8, 50]))
    requests = [
        replace(one, subsets=(subset,), subset_of=np.arange(one.num_targets) % 2 - 1) for one in passages(tokens=6)
    ]
    extras = frozenset({"rank", "entropy"})
    expected = Values.concatenate(ENGINES["reference"](own, None).run(requests, extras=extras))
    for engine in (_sharing_all(own, WHOLE), ENGINES["padded"](own, 40)):
        found = Values.concatenate(engine.run(requests, extras=extras))
        for name, array in expected.given().items():
            np.testing.assert_allclose(found.given()[name], array, rtol=0, atol=1e-5, err_msg=name)


def test_no_prefix_goes_over_a_switch_of_the_rotary_embedding() -> None:
    own = adapt(longrope_model(original=16).double())
    requests = [*passages(tokens=8), *passages(tokens=14)]
    assert len({request.num_inputs > 16 for request in requests}) == 2
    expected = run(ENGINES["reference"](own, None), requests)
    np.testing.assert_allclose(run(_sharing_all(own, WHOLE), requests), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(run(ENGINES["padded"](own, 64), requests), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("architecture", "why"), [("openai-gpt", "keeps nothing of what it has read"), ("recurrent_gemma", "does not give")]
)
def test_a_model_that_cannot_go_on_runs_padded(architecture: str, why: str) -> None:
    own = adapt(tiny_model(architecture))
    with pytest.raises(EngineError, match=rf"engine='cached' cannot run .*{why}.*use engine='padded'"):
        resolve_engine("cached", own)
    with pytest.warns(SeqscoreWarning, match="runs padded, not packed"):
        assert resolve_engine("auto", own).name == "padded"


def test_trained_vectors_in_front_are_not_read_twice() -> None:
    found = way_to_go_on(_sharing_all, replace(adapter("bloom"), rows_in_front=2))
    assert isinstance(found, str) and "trained vectors" in found


def test_an_error_of_the_model_is_a_reason_and_one_of_ours_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    own = adapt(tiny_model("bloom"))
    trunk = type(own.trunk)
    plain = trunk.forward

    def picky(self: Any, *args: Any, past_key_values: Any = None, **kwargs: Any) -> Any:
        if past_key_values is not None:
            raise ValueError("not behind others")
        return plain(self, *args, past_key_values=past_key_values, **kwargs)

    with monkeypatch.context() as patch:
        picky.__signature__ = __import__("inspect").signature(plain)  # type: ignore[attr-defined]
        patch.setattr(trunk, "forward", picky)
        found = way_to_go_on(_sharing_all, own)
        assert isinstance(found, str) and "ValueError: not behind others" in found

    def defect(*_: object) -> None:
        raise TypeError("planted")

    monkeypatch.setattr("seqscore.models.architecture.caches._inputs", defect)
    with pytest.raises(TypeError, match="planted"):
        way_to_go_on(_sharing_all, own)
