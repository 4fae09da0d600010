"""The packed engine: the same bits whatever stands beside a text, every prefix once, no model that it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch

from seqscore.engine import packed_trial
from seqscore.engine import row_counts as rows
from seqscore.engine.experts import expert_row_counts
from seqscore.engine.kept_trials import tried as tried_model
from seqscore.engine.packed import PackedEngine
from seqscore.engine.packed_trial import why_not
from seqscore.engine.resolve import resolve_engine
from seqscore.errors import EngineError, SeqscoreWarning
from seqscore.models.architecture.adapter import ModelAdapter, adapt
from seqscore.plan.requests import Request, Values
from tests.tiny_models import CONFIGS, VOCABULARY, longrope_model, tiny_model

# Rotary and learned positions, windows, soft caps, sinks, value heads of another size, experts of several kinds.
EXPERTS = ("gpt_oss", "mixtral", "deepseek_v3", "qwen2_moe")
FAMILIES = ("llama", "gpt2", "mistral", "gemma2", "gemma3_text", "phi3", "olmo3", *EXPERTS)

# What reaches a token by another way than transformers' attention interface, or has no head apart.
PADDED = {
    "bamba": "no small copy",
    "bloom": "0 of its 2 layers go through",
    "codegen": "0 of its 2 layers go through",
    "falcon_rotary": "0 of its 2 layers go through",
    "falcon_h1": "cannot be told apart",
    "gpt_neo": "0 of its 2 layers go through",
    "gptj": "0 of its 2 layers go through",
    "lfm2": "1 of its 2 layers go through",
    "llama4_text": "cannot be told apart",
    "minimax": "1 of its 2 layers go through",
    "mpt": "0 of its 2 layers go through",
    "qwen3_next": "1 of its 2 layers go through",
    "roberta": "cannot be told apart",
}


@lru_cache(maxsize=1)
def requests() -> tuple[Request, ...]:
    """Texts of 1 to 600 inputs; some share prefixes, within blocks, across them and across spans."""
    generator = np.random.default_rng(11)
    stem = generator.integers(3, VOCABULARY, size=560)
    made = [Request(stem, 1)]
    lengths = ((0, 2), (0, 17), (3, 20), (60, 9), (64, 2), (200, 120), (300, 30), (300, 41), (555, 46), (0, 90))
    for kept, more in lengths:
        ids = np.concatenate([stem[:kept], generator.integers(3, VOCABULARY, size=more)])
        made.append(Request(ids, max(1, kept)))
    return tuple(made)


@lru_cache(maxsize=len(FAMILIES))
def adapter(architecture: str, dtype: torch.dtype = torch.float32) -> ModelAdapter:
    return adapt(tiny_model(architecture, dtype=dtype))


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def bits(values: list[Values]) -> list[bytes]:
    return [one.logprobs.tobytes() for one in values]


@lru_cache(maxsize=len(FAMILIES))
def alone(architecture: str, dtype: torch.dtype = torch.float32) -> list[bytes]:
    """The bits of every text that is scored by itself."""
    engine = PackedEngine(adapter(architecture, dtype))
    return [bits(engine.run([request], extras=frozenset()))[0] for request in requests()]


# Packs of a block, of several, of a whole call; prefixes shared and not. Every pair for one architecture.
SHAPES = ((16, True), (100, False), (2048, True))
WHOLE_GRID = [("llama", size, sharing) for size in (16, 100, 512, 2048) for sharing in (True, False)]
TOGETHER = [*WHOLE_GRID, *((one, *shape) for one in FAMILIES if one != "llama" for shape in SHAPES)]


@pytest.mark.parametrize(("architecture", "batch_tokens", "sharing"), TOGETHER)
def test_the_same_bits_alone_and_together(architecture: str, batch_tokens: int, sharing: bool) -> None:
    engine = PackedEngine(adapter(architecture), batch_tokens=batch_tokens, sharing=sharing)
    assert bits(engine.run(requests(), extras=frozenset())) == alone(architecture)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_the_same_bits_in_any_order(architecture: str) -> None:
    order = np.random.default_rng(2).permutation(len(requests()))
    got = PackedEngine(adapter(architecture), batch_tokens=128).run([requests()[i] for i in order], extras=frozenset())
    assert bits(got) == [alone(architecture)[i] for i in order]


@pytest.mark.parametrize("architecture", FAMILIES)
def test_the_same_bits_with_any_number_of_threads(architecture: str) -> None:
    expected = alone(architecture)
    with threads(2 if torch.get_num_threads() == 1 else 1):
        engine = PackedEngine(adapter(architecture))
        assert bits(engine.run(requests(), extras=frozenset())) == expected


def test_row_counts_are_those_of_the_threads_that_torch_has_now(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(*_: Any, **__: Any) -> tuple[int, ...]:
        return (16 * torch.get_num_threads(),)

    for place in ("row_counts._tried", "head.queue._tried", "experts._tried"):
        monkeypatch.setattr(f"seqscore.engine.{place}", tried)
    own = adapt(tiny_model("mixtral"))
    engine, layer = PackedEngine(own), own.model.model.layers[0].mlp.experts  # type: ignore[union-attr, index]
    for number in (1, 2, 1):
        with threads(number):
            found = engine.row_counts, engine._head_rows, expert_row_counts(layer, tried_model(own.model))
        assert found == ((16 * number,),) * 3


def test_the_same_bits_whatever_is_asked_for_besides() -> None:
    engine = PackedEngine(adapter("llama"))
    assert bits(engine.run(requests(), extras=frozenset({"rank", "entropy"}))) == alone("llama")


def test_row_counts_that_were_not_tried_change_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail: a product of a single row takes another way through the matrix library."""
    some = requests()[2:5]
    expected = bits(PackedEngine(adapter("llama")).run(some, extras=frozenset()))
    monkeypatch.setattr(PackedEngine, "row_counts", (1,))
    assert bits(PackedEngine(adapter("llama")).run(some, extras=frozenset())) != expected


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("architecture", ["llama", "mixtral"])
def test_the_same_bits_in_other_dtypes(architecture: str, dtype: torch.dtype) -> None:
    for batch_tokens, sharing in ((100, True), (512, False)):
        engine = PackedEngine(adapter(architecture, dtype), batch_tokens=batch_tokens, sharing=sharing)
        assert bits(engine.run(requests(), extras=frozenset())) == alone(architecture, dtype)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "mixtral"])
def test_the_same_bits_in_float64(architecture: str) -> None:
    """Promised as in float32 (``Scorer.keeps_bits``), so for numbers of threads too."""
    for batch_tokens, sharing, number in ((100, True, 1), (512, False, 2)):
        with threads(number):
            engine = PackedEngine(adapter(architecture, torch.float64), batch_tokens=batch_tokens, sharing=sharing)
            assert bits(engine.run(requests(), extras=frozenset())) == alone(architecture, torch.float64)


def test_experts_of_transformers_own_change_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The experts' tests can fail: transformers' own functions run as many rows as an expert happens to get."""
    monkeypatch.setattr("seqscore.engine.experts._is_experts", lambda module: False)
    own = PackedEngine(adapter("gpt_oss"), batch_tokens=16)
    apart = [bits(own.run([request], extras=frozenset()))[0] for request in requests()]
    assert bits(PackedEngine(adapter("gpt_oss")).run(requests(), extras=frozenset())) != apart


def test_experts_are_as_they_were_afterwards() -> None:
    model = tiny_model("mixtral")
    before = model.config._experts_implementation
    PackedEngine(adapt(model)).run(requests()[:2], extras=frozenset())
    assert model.config._experts_implementation == before


def test_a_shared_prefix_that_is_lost_changes_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = alone("llama")
    monkeypatch.setattr("seqscore.engine.attention.blocks.merge", lambda out, lse, prefix, prefix_lse: (out, lse))
    assert bits(PackedEngine(adapter("llama")).run(requests(), extras=frozenset())) != expected


@pytest.mark.parametrize("architecture", FAMILIES)
def test_long_texts_agree_with_the_model_itself(architecture: str) -> None:
    model = tiny_model(architecture, dtype=torch.float64)
    single = tiny_model(architecture)
    for request, values in zip(
        requests(), PackedEngine(adapter(architecture)).run(requests(), extras=frozenset()), strict=True
    ):
        ids = torch.from_numpy(request.inputs)[None]
        with torch.no_grad():
            exact, plain = (
                one(input_ids=ids).logits[0].double().log_softmax(-1)[request.first_target - 1 :]
                for one in (model, single)
            )
        tolerance = 4 * float((plain - exact).abs().max()) + 1e-6
        picked = exact.gather(1, torch.from_numpy(request.targets)[:, None])[:, 0].numpy()
        np.testing.assert_allclose(values.logprobs, picked, rtol=0, atol=tolerance)


def test_every_distinct_prefix_runs_once() -> None:
    model = tiny_model("llama")
    seen: list[int] = []
    hook = model.model.embed_tokens.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].numel()))
    engine = PackedEngine(adapt(model), batch_tokens=64)
    seen.clear()
    engine.run(requests(), extras=frozenset())
    hook.remove()
    distinct = {tuple(request.inputs[: n + 1].tolist()) for request in requests() for n in range(request.num_inputs)}
    assert len(distinct) <= sum(seen) < len(distinct) + 64 and max(seen) <= 64


@pytest.mark.parametrize("original", [20, 300])
def test_a_rotary_embedding_that_changes_with_the_length(original: int) -> None:
    """Each text is scored as if it were alone, also where it runs in packs that are shorter than the switch."""
    own = adapt(longrope_model(original=original))
    together = PackedEngine(own, batch_tokens=64).run(requests(), extras=frozenset())
    for request, values in zip(requests(), together, strict=True):
        (expected,) = resolve_engine("reference", own).run([request], extras=frozenset())
        np.testing.assert_allclose(values.logprobs, expected.logprobs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", sorted(PADDED))
def test_models_that_it_does_not_fit(architecture: str) -> None:
    own = adapt(tiny_model(architecture))
    reason = why_not(PackedEngine, own)
    assert reason is not None and PADDED[architecture] in reason.reason
    with pytest.raises(EngineError, match=r"engine='packed' cannot run .*use engine='padded'"):
        resolve_engine("packed", own)
    with pytest.warns(SeqscoreWarning, match="runs cached, not packed"):
        assert resolve_engine("auto", own).name == "cached"


def test_a_model_that_leaks_between_neighbours_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that mixes in the token before, whatever sequence it belongs to."""
    model = tiny_model("llama")
    kind = type(model.model.layers[0].mlp)
    plain = kind.forward
    monkeypatch.setattr(kind, "forward", lambda self, x: plain(self, x + torch.roll(x, 1, 1)))
    monkeypatch.setattr("seqscore.engine.packed_trial._VERDICTS", {})
    monkeypatch.setattr("seqscore.models.architecture.adapter.check_causal", lambda *_: None)
    reason = why_not(PackedEngine, adapt(model))
    assert reason is not None and "depends on what runs beside it" in reason.reason


def test_the_model_is_left_as_it_was() -> None:
    model = tiny_model("gemma3_text")
    before = model.config._attn_implementation
    PackedEngine(adapt(model)).run(requests()[:2], extras=frozenset())
    assert model.config._attn_implementation == before
    assert {module.config._attn_implementation for module in model.modules() if hasattr(module, "config")} == {before}


def test_the_list_of_exceptions_names_models_that_are_tried() -> None:
    assert set(PADDED) <= set(CONFIGS) and set(FAMILIES) <= set(CONFIGS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38], ids=["nan", "inf", "-inf", "huge"])
@pytest.mark.parametrize("architecture", ["llama", "mistral", "mixtral"])
def test_a_text_that_goes_wrong_does_not_reach_its_neighbours(architecture: str, value: float) -> None:
    """One damaged embedding: what others share with it, before it, is theirs as if they were alone."""
    model = tiny_model(architecture)
    apart = torch.nn.Parameter(model.get_output_embeddings().weight.detach().clone())
    model.get_output_embeddings().weight = apart
    with torch.no_grad():
        model.get_input_embeddings().weight[200] = value
    stem = np.arange(20, 90)
    endings = ([200, 5], [200, 5, 6], [7, 200, 8], [7, 9], [200], [9, 9, 9])
    made = [Request(np.concatenate([stem, ending]), 1) for ending in endings] + [Request(np.arange(3, 12), 1)]
    own = adapt(model)
    for batch_tokens in (16, 512):
        engine = PackedEngine(own, batch_tokens=batch_tokens)
        together = engine.run(made, extras=frozenset())
        for request, one in zip(made, together, strict=True):
            np.testing.assert_array_equal(one.logprobs, engine.run([request], extras=frozenset())[0].logprobs)
        good = [number for number in (3, 4, 5, 6) if np.isfinite(together[number].logprobs).all()]
        assert good == [3, 4, 5, 6]  # the last token is a target alone: nothing reads the damage in number 4
        (expected,) = resolve_engine("reference", own).run([made[3]], extras=frozenset())
        np.testing.assert_allclose(together[3].logprobs, expected.logprobs, rtol=0, atol=1e-4)


def test_a_head_with_a_word_that_is_nan() -> None:
    """The row counts are found all the same, and the texts are what is wrong."""
    model = tiny_model("llama")
    engine = PackedEngine(adapt(model))
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    assert all(np.isnan(one.logprobs).all() for one in engine.run(requests()[:3], extras=frozenset()))
    assert engine._head_rows == PackedEngine(adapter("llama"))._head_rows


def test_auto_tries_a_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was found out about its row counts is not tried again by another engine of the model."""
    model = tiny_model("llama")
    own, passes, tried = adapt(model), [], []
    model.model.register_forward_pre_hook(lambda *_: passes.append(1))
    real = rows._tried
    monkeypatch.setattr(rows, "_tried", lambda *given: tried.append((id(given[0]), given[1])) or real(*given))  # type: ignore[func-returns-value]
    counts = []
    for engine in ("packed", "auto"):
        passes.clear()
        resolve_engine(engine, own).run([], extras=frozenset())
        counts.append(len(passes))
    assert counts[0] == counts[1] > 0
    resolve_engine("auto", own).run(requests()[:2], extras=frozenset())
    assert len(tried) == len(set(tried))


def test_a_defect_of_an_engine_is_an_error_and_not_a_property_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_trial, "_VERDICTS", {})
    own = adapt(tiny_model("llama"))

    def defect(*_: object, **__: object) -> None:
        raise TypeError("planted")

    above, below = "packed.PackedEngine._forward", "attention.blocks.BlockAttention.attend"
    for place, planted in ((above, defect), (below, _raising_below_a_layer())):
        with monkeypatch.context() as patch:
            patch.setattr(f"seqscore.engine.{place}", planted)
            for engine in ("auto", "packed"):
                with pytest.raises(
                    EngineError, match=r"failed while it was tried on .*TypeError: planted.*defect"
                ) as found:
                    resolve_engine(engine, own)
                assert isinstance(found.value.__cause__, TypeError)
    assert resolve_engine("auto", own).name == "packed"  # nothing of it is remembered


def _raising_below_a_layer() -> Callable[..., None]:
    """A function that raises in a frame of the package, below a layer of the model."""
    names: dict[str, Any] = {"__name__": "seqscore.engine.attention.blocks"}
    exec("def attend(*_, **__):\n    raise TypeError('planted')", names)
    return names["attend"]  # type: ignore[no-any-return]


def test_what_a_model_cannot_do_is_told_with_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_trial, "_VERDICTS", {})
    model = tiny_model("llama")
    own, kind = adapt(model), type(model.model.layers[0].mlp)
    plain = kind.forward

    def picky(self: Any, x: Any) -> Any:
        if x.shape[1] > 70:
            raise ValueError("no more than 70 rows")
        return plain(self, x)

    monkeypatch.setattr(kind, "forward", picky)
    monkeypatch.setattr("seqscore.engine.resolve._narrow_packed", PackedEngine)
    with pytest.warns(SeqscoreWarning, match=r"does not take packs \(ValueError: no more than 70 rows\)"):
        assert resolve_engine("auto", own).name == "cached"
    with pytest.raises(EngineError, match="no more than 70 rows") as found:
        resolve_engine("packed", own)
    assert isinstance(found.value.__cause__, ValueError)


def test_an_assertion_of_a_model_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_trial, "_VERDICTS", {})
    model = tiny_model("llama")
    own, kind = adapt(model), type(model.model.layers[0].mlp)
    plain = kind.forward

    def picky(self: Any, x: Any) -> Any:
        if x.shape[1] > 70:
            raise AssertionError("too many rows")
        return plain(self, x)

    monkeypatch.setattr(kind, "forward", picky)
    monkeypatch.setattr("seqscore.engine.resolve._narrow_packed", PackedEngine)
    with pytest.warns(SeqscoreWarning, match=r"does not take packs \(AssertionError: too many rows\)"):
        assert resolve_engine("auto", own).name == "cached"


class _Refusing(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ValueError("not these rows")


@pytest.mark.parametrize("layer", [_Refusing(), torch.compile(_Refusing(), backend="eager")], ids=["plain", "compiled"])
def test_an_error_of_a_compiled_layer_is_the_models(layer: Any) -> None:
    names: dict[str, Any] = {"__name__": "seqscore.engine.packed"}
    exec("def forward(layer, rows):\n    return layer(rows)", names)
    with pytest.raises(ValueError, match="not these rows") as found:
        names["forward"](layer, torch.ones(2))
    assert packed_trial._is_the_models(found.value)


def _mixed(hidden: torch.Tensor) -> torch.Tensor:
    """Rows that are far apart reach one another, as long as there are so many."""
    return hidden + torch.roll(hidden, 60, 1) if hidden.shape[1] > 60 else hidden


def test_a_verdict_is_that_of_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class derived from a model's, with the same config, is another model."""
    monkeypatch.setattr(packed_trial, "_VERDICTS", {})
    model = tiny_model("llama")
    assert why_not(PackedEngine, adapt(model)) is None

    class Mixing(type(model)):  # type: ignore[misc]
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            for layer in self.model.layers:
                layer.mlp.register_forward_pre_hook(lambda _, given: (_mixed(given[0]),))

    mixing = Mixing(model.config).eval()
    refusal = why_not(PackedEngine, adapt(mixing))
    assert refusal is not None and "depends on what runs beside it" in refusal.reason
