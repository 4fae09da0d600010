"""What is looked at before a model is trusted, and looked at again at each call."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from seqscore import Scorer
from seqscore.engine.resolve import ENGINES
from seqscore.errors import EngineError, ModelError, NumericsError
from seqscore.models.architecture.adapter import adapt
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
TEXT = "The quick brown fox"


def logprobs_by_hand(model: PreTrainedModel, text: str) -> Any:
    ids = torch.tensor([[1, *TOKENIZER(text, add_special_tokens=False).input_ids]])
    with torch.no_grad():
        rows = copy.deepcopy(model).double()(input_ids=ids).logits[0, :-1].log_softmax(-1)
    return rows.gather(1, ids[0, 1:, None])[:, 0].numpy()


def giving(model: PreTrainedModel, change: Callable[[Tensor], Tensor]) -> PreTrainedModel:
    """The model with other logits, and so without a head of its own that could be run apart."""
    forward = model.forward

    def changed(*args: Any, **keywords: Any) -> Any:
        output = forward(*args, **keywords)
        output.logits = change(output.logits)
        return output

    model.forward = changed
    return model


@pytest.mark.parametrize("engine", ["padded", "reference"])
@pytest.mark.parametrize("kind", ["first row again", "zeros", "other numbers"])
def test_rows_in_front_of_those_of_the_tokens(engine: str, kind: str) -> None:
    fronts: dict[str, Callable[[Tensor], Tensor]] = {
        "first row again": lambda logits: torch.cat([logits[:, :1]] * 3 + [logits], 1),
        "zeros": lambda logits: torch.cat([torch.zeros_like(logits[:, :1]), logits], 1),
        "other numbers": lambda logits: torch.cat([torch.arange(300.0).expand(len(logits), 5, 300), logits], 1),
    }
    expected = logprobs_by_hand(tiny_model("llama"), TEXT)
    scorer = Scorer(giving(tiny_model("llama"), fronts[kind]), TOKENIZER, engine=engine)
    scores = scorer.score([TEXT, "a", TEXT + TEXT])
    np.testing.assert_allclose(scores[0].logprobs, expected, rtol=0, atol=1e-5)
    logits = scorer.logits(TEXT)
    assert logits.shape == (scores[0].num_scored, 300)
    rows = np.log(np.exp(logits).sum(1))
    np.testing.assert_allclose(logits[np.arange(len(rows)), scores[0].token_ids] - rows, expected, rtol=0, atol=1e-5)
    front = {"first row again": 3, "zeros": 1, "other numbers": 5}[kind]
    assert scorer.max_length == 64 - front  # what stands in front takes positions


def test_more_rows_of_which_the_last_are_not_the_tokens() -> None:
    kinds: list[Callable[[Tensor], Tensor]] = [
        lambda logits: torch.cat([logits, logits[:, -1:]], 1),
        lambda logits: logits.repeat_interleave(2, 1),
        lambda logits: torch.cat([logits[:, :1], logits[:, 1:], torch.zeros_like(logits[:, :2])], 1),
    ]
    for change in kinds:
        with pytest.raises(ModelError, match=r"gives \d+ rows of logits for 8 tokens, and the last 8 of them are not"):
            adapt(giving(tiny_model("llama"), change))


def test_fewer_rows_than_tokens() -> None:
    for change in (lambda logits: logits[:, -1:], lambda logits: logits[0], lambda logits: logits[:1]):
        with pytest.raises(ModelError, match=r"gives logits of shape \[.*\] for \[2, 8\] token ids; expected a row"):
            adapt(giving(tiny_model("llama"), change))


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_shape_that_changes_later_is_an_error(engine: str) -> None:
    for cut in (lambda states: states[:, -1:], lambda states: torch.cat([states, states], 1)):
        model = tiny_model("llama")
        scorer = Scorer(model, TOKENIZER, engine=engine)
        part: Any = model if engine == "reference" else model.model
        forward = part.forward

        def changed(*args: Any, forward: Any = forward, cut: Any = cut, **keywords: Any) -> Any:
            output = forward(*args, **keywords)
            name = "logits" if hasattr(output, "logits") else "last_hidden_state"
            output[name] = cut(output[name])
            return output

        part.forward = changed
        with pytest.raises(ModelError, match=r"gives (logits|hidden states) of shape"):
            scorer.score(TEXT)


def test_a_prompt_of_vectors_takes_positions() -> None:
    """As PEFT says of prefix tuning, whose rows of logits are as many as the tokens."""
    model = tiny_model("llama")
    model.active_peft_config = SimpleNamespace(is_prompt_learning=True, num_virtual_tokens=10)
    assert adapt(model).context_length == 54
    model.active_peft_config = SimpleNamespace(is_prompt_learning=True, num_virtual_tokens=64)
    with pytest.raises(ModelError, match="reads 64 positions, and its trained prompt takes 64 of them"):
        adapt(model)
    model.active_peft_config = SimpleNamespace(is_prompt_learning=False, num_virtual_tokens=None)
    assert adapt(model).context_length == 64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda logits: logits * 1e38, "gives infinite logits"),
        (lambda logits: torch.full_like(logits, -torch.inf), "gives only -inf as logits"),
        (lambda logits: logits * torch.nan, "gives NaN logits"),
    ],
    ids=["overflow", "all ruled out", "nan"],
)
def test_logits_that_are_no_distribution(change: Callable[[Tensor], Tensor], said: str) -> None:
    model = tiny_model("llama")
    model.lm_head.weight.data *= 1e3
    with pytest.raises(NumericsError, match=f"{said} on a plain probe"):
        adapt(giving(model, change))


def test_huge_logits_and_words_that_are_ruled_out_are_no_reason() -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        model.lm_head.weight *= 1e31
    assert Scorer(model, TOKENIZER).score(TEXT).num_scored > 0

    def ruled_out(logits: Tensor) -> Tensor:
        logits[..., 9] = -torch.inf
        logits[..., 11] = torch.finfo(logits.dtype).min
        return logits

    assert Scorer(giving(tiny_model("llama"), ruled_out), TOKENIZER, engine="padded").score(TEXT).num_scored > 0


def test_why_trunk_and_head_are_not_run_apart() -> None:
    def scaled(logits: Tensor) -> Tensor:
        return logits * 1.5

    assert "do not give the model's logits" in adapt(giving(tiny_model("llama"), scaled)).why_no_head
    model = tiny_model("llama")
    model.lm_head = torch.nn.utils.parametrizations.weight_norm(model.lm_head)
    adapter = adapt(model)
    assert adapter.head is None and "its head's weights are no plain matrix" in adapter.why_no_head
    with pytest.raises(EngineError, match="cannot be told apart \\(its head's weights are no plain matrix\\)"):
        Scorer(model, TOKENIZER, engine="packed")
    np.testing.assert_allclose(
        Scorer(model, TOKENIZER, engine="padded").score(TEXT).logprobs,
        logprobs_by_hand(tiny_model("llama"), TEXT),
        rtol=0,
        atol=1e-5,
    )


def _new_head(model: Any) -> None:
    model.lm_head = torch.nn.Linear(32, 300, bias=False)


def _new_weights(model: Any) -> None:
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach() * 2)


def _new_bias(model: Any) -> None:
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(300))


def _resized(model: Any) -> None:
    model.resize_token_embeddings(310)


@pytest.mark.parametrize("engine", ["packed", "padded"])
@pytest.mark.parametrize("change", [_new_head, _new_weights, _new_bias, _resized, torch.nn.Module.double])
def test_a_model_that_became_another_one(engine: str, change: Callable[[Any], object]) -> None:
    model = tiny_model("llama")
    scorer = Scorer(model, TOKENIZER, engine=engine)
    scorer.score(TEXT)
    change(model)
    with pytest.raises(ModelError, match=r"is no longer the model that this Scorer was made for: .*make a new Scorer"):
        scorer.score(TEXT)
    assert Scorer(model, TOKENIZER, engine=engine).score(TEXT).num_scored > 0


def test_a_vocabulary_that_grows_in_place() -> None:
    """The weights are the same tensor, with more rows, where the head is the embedding."""
    model = tiny_model("bloom")
    scorer = Scorer(model, TOKENIZER, engine="padded")
    model.resize_token_embeddings(310)
    with pytest.raises(ModelError, match="it has 310 tokens where it had 300; make a new Scorer"):
        scorer.score(TEXT)


@pytest.mark.parametrize("architecture", ["llama", "mixtral", "gemma2"])
def test_defaults_of_torch_do_not_reach_the_model(architecture: str) -> None:
    """Default device and dtype, deterministic algorithms: the same bits, by the same engine."""
    expected = Scorer(tiny_model(architecture), TOKENIZER, engine="packed").score(TEXT).logprobs.tobytes()
    settings: list[tuple[Callable[[Any], object], Any, Any]] = [
        (torch.set_default_device, "meta", None),
        (torch.set_default_dtype, torch.float64, torch.float32),
        (torch.set_default_dtype, torch.float16, torch.float32),
        (torch.use_deterministic_algorithms, True, False),
    ]
    for put, value, before in settings:
        model = tiny_model(architecture)
        put(value)
        try:
            scorer = Scorer(model, TOKENIZER)
            assert scorer.engine == "packed" and scorer.score(TEXT).logprobs.tobytes() == expected
        finally:
            put(before)


def test_a_compiled_model() -> None:
    """Its layers as they are, since a trunk is run by itself; and its own forward pass."""
    model = tiny_model("llama")
    expected = Scorer(model, TOKENIZER).score(TEXT).logprobs
    compiled: Any = torch.compile(model, backend="eager")
    for engine in ("auto", "reference"):
        scorer = Scorer(compiled, TOKENIZER, engine=engine)
        assert scorer.engine == ("packed" if engine == "auto" else engine)
        np.testing.assert_allclose(scorer.score(TEXT).logprobs, expected, rtol=0, atol=1e-5)
