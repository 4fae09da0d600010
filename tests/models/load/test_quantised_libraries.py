"""Quantised checkpoints through the libraries that read them, on this CPU: beside plain transformers."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, TorchAoConfig

from seqscore import Scorer
from seqscore.scores.signature import Signature
from tests.models.conftest import make_model, make_tokenizer

pytestmark = [
    pytest.mark.native,
    pytest.mark.filterwarnings("ignore:.*runs padded, not packed.*depends on what runs beside it"),
]
TEXT = "the cat sat on 23 mats"


def compressed(model: Any, folder: Path, preset: str, form: str) -> None:
    """Save a model by the library compressed-tensors, each row of a matrix with a scale of its own."""
    from compressed_tensors.compressors import ModelCompressor
    from compressed_tensors.quantization import (
        QuantizationConfig,
        apply_quantization_config,
        preset_name_to_scheme,
    )

    scheme = preset_name_to_scheme(preset, ["Linear"])
    scheme.weights.strategy, scheme.weights.group_size = "channel", None
    status: Any = "compressed"
    config = QuantizationConfig(
        config_groups={"all": scheme}, ignore=["lm_head"], quantization_status=status, format=form
    )
    model = copy.deepcopy(model)
    apply_quantization_config(model, config)
    for layer in model.modules():
        if hasattr(layer, "weight_scale"):
            kind = layer.quantization_scheme.weights
            most = 448.0 if kind.type == "float" else 2.0 ** (kind.num_bits - 1) - 1
            layer.weight_scale.data = layer.weight.detach().abs().amax(1, keepdim=True) / most
    compressor = ModelCompressor(quantization_config=config)
    compressor.compress_model(model)
    model.save_pretrained(folder)
    compressor.update_config(folder)


def by_transformers(model: Any, folder: Path, settings: Any) -> None:
    model.save_pretrained(folder / "plain")
    whole = AutoModelForCausalLM.from_pretrained(
        folder / "plain", quantization_config=settings, dtype=torch.float32, device_map="cpu"
    )
    whole.save_pretrained(folder)


def save(kind: str, folder: Path) -> None:
    model = make_model(hidden_size=64, intermediate_size=128, tie_word_embeddings=False)
    if kind.startswith("bitsandbytes"):
        four = {"load_in_4bit": True, "bnb_4bit_quant_type": kind[-3:], "bnb_4bit_compute_dtype": torch.float32}
        by_transformers(model, folder, BitsAndBytesConfig(**({"load_in_8bit": True} if kind[-1] == "8" else four)))
    elif kind.startswith("torchao"):
        from torchao.quantization import Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig

        settings = Int8WeightOnlyConfig() if kind.endswith("weights") else Int8DynamicActivationInt8WeightConfig()
        by_transformers(model, folder, TorchAoConfig(settings))
    else:
        compressed(model, folder, *kind.split(" ")[1:])
    make_tokenizer().save_pretrained(folder)


def log_likelihood(model: Any) -> float:
    ids = [1, *make_tokenizer().encode(TEXT, add_special_tokens=False)]
    with torch.inference_mode():
        logprobs = model.eval()(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return sum(logprobs[place - 1, ids[place]].item() for place in range(1, len(ids)))


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("bitsandbytes nf4", "bitsandbytes-nf4/float32"),
        ("bitsandbytes fp4", "bitsandbytes-fp4/float32"),
        ("bitsandbytes int8", "bitsandbytes-int8/float16"),
        ("torchao weights", "torchao-Int8Tensor"),
        ("torchao activations", "torchao-Int8Tensor"),
        ("compressed W4A16 pack-quantized", "compressed-tensors-pack-quantized"),
        ("compressed W8A16 pack-quantized", "compressed-tensors-pack-quantized"),
        ("compressed W8A8 int-quantized", "compressed-tensors-int-quantized"),
        ("compressed FP8_DYNAMIC float-quantized", "compressed-tensors-float-quantized"),
    ],
)
def test_scores_are_those_of_plain_transformers(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, named: str
) -> None:
    save(kind, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["quantization_config"]
    plain = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32, device_map="cpu")
    right = log_likelihood(plain)
    capfd.readouterr()
    found = Scorer.from_pretrained(tmp_path)
    score = found.score(TEXT)
    assert capfd.readouterr().err == ""  # no bars, no log lines of the libraries
    # Activations in float16 or of 8 bits take a step of theirs where float32 rounds otherwise.
    steps = 0.02 if kind.endswith(("int8", "activations", "int-quantized", "float-quantized")) else 1e-4
    assert score.log_likelihood == pytest.approx(right, abs=steps)
    assert Signature.parse(score.signature)["quantization"] == named and not found.keeps_bits
    whole = log_likelihood(make_model(hidden_size=64, intermediate_size=128, tie_word_embeddings=False))
    assert abs(whole - right) > 1e-4
    own = Scorer(plain, make_tokenizer())
    assert own.score(TEXT).log_likelihood == pytest.approx(right, abs=steps)
    assert log_likelihood(plain) == pytest.approx(right, abs=steps)  # it is left as it was
