from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import return_and_correct_aliasing

from seqscore import Scorer
from seqscore.models.load.identity import fingerprint_state
from seqscore.models.load.weights import compute_dtype, keep_in_memory, named_weights, quantization_of
from seqscore.scores.signature import Signature
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

TEXT = "The answer is Paris."


class Packed(torch.nn.Parameter):
    """Eight bits a weight with scales beside it, as bitsandbytes keeps them."""

    quant_type = "nf4"
    quant_state: Any = None


class LossyLinear(torch.nn.Module):
    """A quantised layer that changes its own weights whenever its state is asked for."""

    def __init__(self, plain: torch.nn.Linear) -> None:
        super().__init__()
        scales = plain.weight.detach().abs().amax(1, keepdim=True) / 127
        whole = (plain.weight.detach() / scales).round().to(torch.int8)
        self.weight = Packed(whole, requires_grad=False)
        self.weight.quant_state = SimpleNamespace(absmax=scales, shape=whole.shape, state2=SimpleNamespace(code=scales))
        self.compute_dtype = torch.float32

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden @ (self.weight.to(torch.float32) * self.weight.quant_state.absmax).T

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        self.weight.quant_state.absmax = self.weight.quant_state.absmax * 1.5
        super()._save_to_state_dict(destination, prefix, keep_vars)


class Wrapped(torch.Tensor):
    """A weight of two tensors, as torchao and quanto keep theirs: it has no storage of its own."""

    @staticmethod
    def __new__(cls, data: torch.Tensor, scale: torch.Tensor) -> Wrapped:
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=scale.dtype)  # type: ignore[attr-defined]

    def __init__(self, data: torch.Tensor, scale: torch.Tensor) -> None:
        self.data_, self.scale, self.missing = data, scale, None

    def __tensor_flatten__(self) -> tuple[list[str], Any]:
        return ["data_", "scale", "missing"], None

    @staticmethod
    def __tensor_unflatten__(inner: Any, *_: Any) -> Wrapped:
        return Wrapped(inner["data_"], inner["scale"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten.detach.default, torch.ops.aten.clone.default):
            same = Wrapped(args[0].data_, args[0].scale)
            return return_and_correct_aliasing(func, args, kwargs or {}, same)
        whole = torch.utils._pytree.tree_map_only(Wrapped, lambda one: one.data_ * one.scale, (args, kwargs or {}))
        return func(*whole[0], **whole[1])


def quantised(kind: str) -> Any:
    """The tiny Llama with one quantised projection a layer."""
    model = tiny_model("llama")
    for layer in model.model.layers:
        plain = layer.mlp.up_proj
        if kind == "lossy":
            layer.mlp.up_proj = LossyLinear(plain)
        else:
            scale = plain.weight.detach().abs().amax(1, keepdim=True) / 127
            wrapped = Wrapped((plain.weight.detach() / scale).round().to(torch.int8), scale)
            plain.weight = torch.nn.Parameter(wrapped, requires_grad=False)
    return model


def plain_logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([[1, 5, 9, 200]])).logits
    return logits


@pytest.mark.parametrize(("kind", "named"), [("lossy", "tests-nf4/float32"), ("wrapped", "tests-Wrapped")])
def test_a_quantised_model_is_scored_as_it_is_and_left_as_it_was(kind: str, named: str) -> None:
    model, tokenizer = quantised(kind), tiny_tokenizer()
    ids = [1, *tokenizer.encode(TEXT, add_special_tokens=False)]
    before = plain_logits(model)
    with torch.inference_mode():
        logprobs = model(torch.tensor([ids])).logits.double().log_softmax(-1)[0]
    right = sum(logprobs[i - 1, ids[i]].item() for i in range(1, len(ids)))
    for engine in ("padded", "reference"):
        score = Scorer(model, tokenizer, engine=engine).score(TEXT)
        assert score.log_likelihood == pytest.approx(right, abs=1e-4)
        assert (settings := Signature.parse(score.signature))["quantization"] == named
        assert settings["dtype"] == "float32"
    assert torch.equal(plain_logits(model), before)
    assert fingerprint_state(model) == fingerprint_state(model)


def test_the_layer_of_these_tests_does_lose_something_where_it_is_asked_for_its_state() -> None:
    model = quantised("lossy")
    before = plain_logits(model)
    model.state_dict()
    assert not torch.equal(plain_logits(model), before)


@pytest.mark.parametrize("kind", ["lossy", "wrapped"])
def test_a_fingerprint_sees_codes_and_scales(kind: str) -> None:
    first = fingerprint_state(quantised(kind))
    assert first == fingerprint_state(quantised(kind))
    for part in ("codes", "scales"):
        model = quantised(kind)
        weight = model.model.layers[1].mlp.up_proj.weight
        codes, scales = (weight, weight.quant_state.absmax) if kind == "lossy" else (weight.data_, weight.scale)
        with torch.no_grad():
            (codes if part == "codes" else scales).view(-1)[3:4].add_(1)
        assert fingerprint_state(model) != first


def test_torchs_own_quantised_layers_count_and_are_named() -> None:
    model = tiny_model("llama")
    with pytest.warns(DeprecationWarning):
        dynamic = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    assert quantization_of(dynamic) == "torch-Linear"
    first = fingerprint_state(dynamic)
    other = tiny_model("llama")
    with torch.no_grad():
        other.model.layers[1].mlp.up_proj.weight.mul_(-1)
    with pytest.warns(DeprecationWarning):
        again = torch.ao.quantization.quantize_dynamic(other, {torch.nn.Linear}, dtype=torch.qint8)
    assert fingerprint_state(again) != first


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (None, None),
        ({"quant_method": "gptq", "bits": 4}, "gptq-4bit"),
        (SimpleNamespace(quant_method=SimpleNamespace(value="fp8")), "fp8"),
        ({"w_bit": 3}, "unknown-3bit"),
    ],
)
def test_the_config_names_what_the_weights_do_not_show(settings: Any, named: str | None) -> None:
    model = tiny_model("llama")
    if settings is not None:
        model.config.quantization_config = settings
    assert quantization_of(model) == named


def test_weights_of_a_plain_model_are_those_of_its_state_and_its_signature_has_no_further_field() -> None:
    model = tiny_model("llama")
    model.register_buffer("kept", torch.ones(2))
    model.register_buffer("passing", torch.ones(2), persistent=False)
    state = model.state_dict()
    assert [name for name, _ in named_weights(model)] == sorted(state)
    assert all(weight.data_ptr() == state[name].data_ptr() for name, weight in named_weights(model))
    assert quantization_of(model) is None
    assert "quantization" not in Scorer(model, tiny_tokenizer()).score("a").signature


def test_the_dtype_is_that_of_the_activations() -> None:
    model = quantised("lossy").to(torch.bfloat16)
    assert compute_dtype(model) == "bfloat16"
    assert compute_dtype(torch.nn.Sequential(LossyLinear(torch.nn.Linear(2, 2)), torch.nn.LayerNorm(2))) == "float32"
    assert compute_dtype(torch.nn.Module()) == "none"


def mapped_module(path: Path) -> Any:
    """A module whose weight lies in a file."""
    save_file({"weight": torch.arange(4096.0)}, path)
    module: Any = torch.nn.Module()
    module.weight = torch.nn.Parameter(load_file(path)["weight"])
    module.twin = module.weight
    return module


def overwrite(path: Path) -> None:
    """Other numbers in the same file, as a training run that saves, or rsync --inplace, puts there."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 8192)
        file.write(bytes(8192))


def test_a_mapped_weight_gets_memory_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    module = mapped_module(path)
    overwrite(path)
    assert not torch.equal(module.weight, torch.arange(4096.0))  # what this is about
    module = mapped_module(path)
    keep_in_memory(module)
    overwrite(path)
    assert torch.equal(module.weight, torch.arange(4096.0))
    path.write_bytes(b"")  # truncated: a mapped weight would end the process here
    assert torch.equal(module.weight, torch.arange(4096.0))
    assert module.twin is module.weight


def test_a_weight_that_lies_in_memory_is_not_copied() -> None:
    model = tiny_model("llama")
    places = [weight.data_ptr() for weight in model.parameters()]
    keep_in_memory(model)
    assert [weight.data_ptr() for weight in model.parameters()] == places


def test_where_mappings_are_not_known_every_weight_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqscore.models.load.weights._file_mappings", lambda: None)
    model = tiny_model("llama")
    places = [weight.data_ptr() for weight in model.parameters()]
    logits = plain_logits(model)
    keep_in_memory(model)
    assert all(weight.data_ptr() != place for weight, place in zip(model.parameters(), places, strict=True))
    assert torch.equal(plain_logits(model), logits)
