"""Checkpoints whose configuration says that they are quantised; the libraries that read them are tested apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING

from seqscore import Scorer
from seqscore.errors import DeviceError, MissingDependencyError, ModelError
from seqscore.models.load.folder import load_folder
from seqscore.models.load.quantised import METHODS, check_quantisation, declared_method

Edit = Callable[..., None]


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.library])
def test_what_is_not_here_is_named_with_what_installs_it(
    checkpoint: Path, edit: Edit, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("seqscore.models.load.quantised.find_spec", lambda _: None)
    edit(checkpoint / "config.json", quantization_config={"quant_method": name, "bits": 4})
    if METHODS[name].on_gpu_alone:
        with pytest.raises(DeviceError, match=f"quantised by {name}, which runs on a GPU alone, and device is 'cpu'"):
            load_folder(checkpoint)
    with pytest.raises(MissingDependencyError, match=rf"quantised by {name}, which needs the library .* pip install"):
        check_quantisation(json.loads((checkpoint / "config.json").read_text()), checkpoint, device="cuda:0")


def test_a_method_that_nobody_knows_is_refused(checkpoint: Path, edit: Edit) -> None:
    """transformers loads such a checkpoint as if its weights were plain."""
    for settings in ({"quant_method": "novel"}, {"bits": 4}, {"quant_method": ["gptq"]}, "novel"):
        edit(checkpoint / "config.json", quantization_config=settings)
        with pytest.raises(ModelError, match=r"are quantised by .* which is not known; known are bitsandbytes"):
            load_folder(checkpoint)


@pytest.mark.parametrize(
    ("config", "method"),
    [
        ({}, None),
        ({"quantization_config": None}, None),
        ({"quantization_config": {"load_in_8bit": True}}, "bitsandbytes"),
        ({"text_config": {"quantization_config": {"quant_method": "awq"}}}, "awq"),
        ({"compression_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
    ],
)
def test_where_a_method_stands(config: dict[str, Any], method: str | None) -> None:
    assert declared_method(config) == method


def test_most_methods_of_transformers_are_known() -> None:
    """Those that are left out are of no checkpoint that is published, or of other kinds of files."""
    names = {name.removesuffix("_4bit").removesuffix("_8bit") for name in AUTO_QUANTIZATION_CONFIG_MAPPING}
    assert names - METHODS.keys() <= {"gguf", "gemma", "metal", "mxfp8", "nvfp4"}


def test_eight_bit_floats_are_plain_in_memory_and_the_signature_says_what_they_were(
    checkpoint: Path, edit: Edit
) -> None:
    """On a CPU transformers gives the products of codes and scales, a block at a time."""
    from safetensors.torch import load_file, save_file

    weights = load_file(checkpoint / "model.safetensors")
    right = {}
    for name, weight in list(weights.items()):
        if name.endswith("_proj.weight"):
            scale = weight.abs().max() / 448
            weights[name] = (weight / scale).to(torch.float8_e4m3fn)
            weights[name.replace("weight", "weight_scale_inv")] = scale.reshape(1, 1)
            right[name] = weights[name].double() * scale.double()
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    edit(checkpoint / "config.json", quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]})
    found = Scorer.from_pretrained(checkpoint)
    assert found.signature()["stored"] == "fp8" and "quantization:" not in str(found.signature())
    loaded = dict(found.model.named_parameters())
    for name, weight in right.items():
        assert torch.allclose(loaded[name].double(), weight, rtol=1e-6, atol=0)
    assert found.keeps_bits
