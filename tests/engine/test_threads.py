"""Several scorers on one model, and its caller, in several threads: the same numbers, and the model as it was.

Who is where is settled by events: nothing here depends on luck or on a clock.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from seqscore import Scorer, SeqscoreError
from seqscore.models.architecture.sharing import lock_of
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
TEXT = "The quick brown fox jumps over the lazy dog."
IDS = torch.arange(5, 25)[None]
WAIT = 240
"""Seconds after which a test gives up; nothing waits so long that works."""


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """A thread that does the work, and where its result or error will stand."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except (AssertionError, RuntimeError, TypeError, KeyError, SeqscoreError) as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def with_dropout(architecture: str) -> PreTrainedModel:
    model = tiny_model(architecture)
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    return model.train()


def sharing_the_trunk(model: PreTrainedModel) -> PreTrainedModel:
    """Another model, of another config, with the same layers: nothing but these ties the two."""
    other = copy.copy(model)
    other._modules = dict(model._modules)
    other.config = copy.deepcopy(model.config)
    return other


def state(model: PreTrainedModel) -> list[Any]:
    configs = [module.config._attn_implementation for module in model.modules() if hasattr(module, "config")]
    return [configs, [module.training for module in model.modules()], model.config._experts_implementation]


@pytest.mark.parametrize(("first", "second"), [("packed", "packed"), ("packed", "reference"), ("padded", "packed")])
@pytest.mark.parametrize("architecture", ["llama", "mixtral"])
def test_one_leaves_while_the_other_goes_on(architecture: str, first: str, second: str) -> None:
    """a enters, b enters, a leaves, b goes on; then both must be right, and all is as it was."""
    model = with_dropout(architecture)
    a = Scorer(model, TOKENIZER, engine=first)
    b = Scorer(sharing_the_trunk(model), TOKENIZER, engine=second)
    want = [one.score(TEXT).logprobs.tobytes() for one in (a, b)]
    before, who = state(model), threading.local()
    a_inside, b_inside, a_gone = threading.Event(), threading.Event(), threading.Event()

    def at_the_first_layer(*_: Any) -> None:
        name = getattr(who, "name", "")
        if name == "a" and not a_inside.is_set():
            a_inside.set()
            assert b_inside.wait(WAIT)
        elif name == "b" and not b_inside.is_set():
            b_inside.set()
            assert a_gone.wait(WAIT)

    model.model.layers[0].register_forward_pre_hook(at_the_first_layer)

    def run_a() -> bytes:
        who.name = "a"
        try:
            return a.score(TEXT).logprobs.tobytes()
        finally:
            a_gone.set()

    def run_b() -> bytes:
        who.name = "b"
        assert a_inside.wait(WAIT)
        return b.score(TEXT).logprobs.tobytes()

    started = [in_thread(work) for work in (run_a, run_b)]
    for thread, _ in started:
        thread.join(WAIT)
    assert [found for _, found in started] == [[one] for one in want] and state(model) == before


def test_one_model_runs_for_one_scorer_at_a_time() -> None:
    model = tiny_model("llama")
    scorers = [Scorer(model, TOKENIZER), Scorer(model, TOKENIZER, engine="reference")]
    want = [scorer.score(TEXT).log_likelihood for scorer in scorers]
    taken: list[Any] = []

    def ask(*_: Any) -> None:
        thread, found = in_thread(lambda: lock_of(model).acquire(blocking=False))
        thread.join(WAIT)
        taken.extend(found)

    handle = model.model.layers[0].register_forward_pre_hook(ask)
    assert scorers[0].score(TEXT).log_likelihood == want[0] and scorers[1].logits(TEXT).shape[0] > 0
    handle.remove()
    assert taken and not any(taken)
    threads = [in_thread(lambda one=one: one.score([TEXT] * 3)[0].log_likelihood) for one in scorers * 3]  # type: ignore[misc]
    for thread, _ in threads:
        thread.join(WAIT)
    assert [found for _, found in threads] == [[one] for one in want * 3]


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "gpt_oss", "mixtral", "qwen2_moe"])
def test_the_callers_own_forward_pass_in_another_thread(architecture: str, implementation: str) -> None:
    """While a scorer is inside, and with one that leaves in the middle of it."""
    model = tiny_model(architecture)
    if implementation == "eager" or model._supports_sdpa:
        model.set_attn_implementation(implementation)
    scorer, before = Scorer(model, TOKENIZER, engine="packed"), state(model)
    want, own = scorer.score(TEXT).logprobs.tobytes(), model(IDS).logits
    inside, go_on, who = threading.Event(), threading.Event(), threading.local()

    def wait_inside(*_: Any) -> None:
        if getattr(who, "is_scorer", False) and not inside.is_set():
            inside.set()
            assert go_on.wait(WAIT)

    layers = [module for module in model.modules() if type(module).__name__.endswith(("DecoderLayer", "Block"))]
    layers[0].register_forward_pre_hook(wait_inside)

    def score() -> bytes:
        who.is_scorer = True
        return scorer.score(TEXT).logprobs.tobytes()

    thread, found = in_thread(score)
    assert inside.wait(WAIT)
    during = model(IDS).logits
    assert torch.equal(during, own) and during.grad_fn is not None  # a training step would do

    def let_it_leave(*_: Any) -> None:
        if not getattr(who, "is_scorer", False):
            go_on.set()
            thread.join(WAIT)

    handle = layers[1].register_forward_pre_hook(let_it_leave)
    after = model(IDS).logits
    handle.remove()
    assert torch.equal(after, own) and found == [want] and state(model) == before


@pytest.mark.parametrize("inner", ["packed", "padded", "reference"])
def test_a_hook_may_call_a_scorer_again(inner: str) -> None:
    model = with_dropout("llama")
    outer, other = Scorer(model, TOKENIZER), Scorer(model, TOKENIZER, engine=inner)
    want, want_inside = outer.score(TEXT).logprobs.tobytes(), other.score("the cat").logprobs.tobytes()
    before, inside = state(model), []

    def again(*_: Any) -> None:
        if not inside:
            inside.append(b"")
            inside[0] = other.score("the cat").logprobs.tobytes()

    model.model.layers[1].register_forward_pre_hook(again)
    assert outer.score(TEXT).logprobs.tobytes() == want
    assert inside == [want_inside] and state(model) == before


def test_a_stream_that_is_left_or_fails_leaves_nothing_behind() -> None:
    model = with_dropout("llama")
    scorer, before = Scorer(model, TOKENIZER), state(model)
    stream = scorer.stream(["a"] * 40)
    next(stream)
    stream.close()
    handle = model.model.layers[1].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scorer.score(TEXT)
    handle.remove()
    thread, found = in_thread(lambda: lock_of(model).acquire(blocking=False))
    thread.join(WAIT)
    assert found == [True] and state(model) == before
