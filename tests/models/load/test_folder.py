from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from seqscore.errors import DeviceError, ModelError, TokenizerError, UnsafeModelError
from seqscore.models.load import device
from seqscore.models.load.folder import load_folder

Edit = Callable[..., None]


def _change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_weights_are_those_of_the_file(checkpoint: Path, model: Any) -> None:
    loaded, tokenizer, files = load_folder(checkpoint)
    assert files == (checkpoint / "model.safetensors",)
    assert len(tokenizer) == 300
    expected = model.state_dict()
    assert {name: value.dtype for name, value in loaded.state_dict().items()} == dict.fromkeys(expected, torch.float32)
    assert all(torch.equal(value, expected[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize("saved", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_the_dtype_asked_for_decides_not_the_checkpoint(
    checkpoint: Path, edit: Edit, saved: torch.dtype, dtype: str
) -> None:
    _change_weights(checkpoint, lambda weights: weights.update({k: v.to(saved) for k, v in weights.items()}))
    edit(checkpoint / "config.json", dtype=str(saved).removeprefix("torch."))
    loaded, _, _ = load_folder(checkpoint, dtype=dtype)
    assert {str(weight.dtype) for weight in loaded.parameters()} == {f"torch.{dtype}"}


def test_a_missing_weight_is_an_error_and_not_random(checkpoint: Path) -> None:
    def drop(weights: dict[str, torch.Tensor]) -> None:
        del weights["model.layers.1.mlp.up_proj.weight"]

    _change_weights(checkpoint, drop)
    with pytest.raises(ModelError, match=r"1 weights are missing in .*model\.layers\.1\.mlp\.up_proj\.weight"):
        load_folder(checkpoint)


def test_a_tied_head_is_not_missing_and_an_untied_one_is(checkpoint: Path, edit: Edit) -> None:
    assert "lm_head.weight" not in load_file(checkpoint / "model.safetensors")
    load_folder(checkpoint)
    edit(checkpoint / "config.json", tie_word_embeddings=False)
    with pytest.raises(ModelError, match=r"missing in .*lm_head\.weight"):
        load_folder(checkpoint)


def test_a_weight_of_another_shape_is_an_error(checkpoint: Path) -> None:
    def cut(weights: dict[str, torch.Tensor]) -> None:
        weights["model.norm.weight"] = weights["model.norm.weight"][:5].clone()

    _change_weights(checkpoint, cut)
    with pytest.raises(
        ModelError,
        match=r"1 weights in .* do not fit config\.json, e\.g\. model\.norm\.weight: file \(5,\), model \(32,\)",
    ):
        load_folder(checkpoint)


def test_a_config_that_does_not_fit_the_weights(checkpoint: Path, edit: Edit) -> None:
    edit(checkpoint / "config.json", intermediate_size=63)
    with pytest.raises(ModelError, match=r"do not fit config\.json"):
        load_folder(checkpoint)
    edit(checkpoint / "config.json", intermediate_size=64, num_attention_heads="four")
    with pytest.raises(ModelError, match="cannot load"):
        load_folder(checkpoint)


def test_weights_that_are_left_out_are_told(checkpoint: Path) -> None:
    _change_weights(checkpoint, lambda weights: weights.update({"spare.weight": torch.ones(2)}))
    said: list[str] = []
    load_folder(checkpoint, notify=said.append)
    assert len(said) == 1
    assert "1 weights" in said[0]
    assert "spare.weight" in said[0]


def test_several_shards(checkpoint: Path, model: Any) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[:4], "model-00002-of-00002.safetensors": names[4:]}
    for file, chosen in parts.items():
        save_file({name: weights[name] for name in chosen}, checkpoint / file, metadata={"format": "pt"})
    weight_map = {name: file for file, chosen in parts.items() for name in chosen}
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    loaded, _, files = load_folder(checkpoint)
    assert sorted(file.name for file in files) == sorted(parts)
    assert torch.equal(loaded.state_dict()["model.norm.weight"], model.state_dict()["model.norm.weight"])


def test_pickles_are_read_where_allowed_and_code_in_them_never(checkpoint: Path, model: Any, tmp_path: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    torch.save(model.state_dict(), checkpoint / "pytorch_model.bin")
    with pytest.raises(UnsafeModelError):
        load_folder(checkpoint)
    loaded, _, files = load_folder(checkpoint, allow_pickle=True)
    assert [file.name for file in files] == ["pytorch_model.bin"]
    assert torch.equal(loaded.model.embed_tokens.weight, model.model.embed_tokens.weight)

    class Malice:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "owned",)

    torch.save({"x": Malice()}, checkpoint / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot load"):
        load_folder(checkpoint, allow_pickle=True)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("kind", ["bert", "t5", "vit"])
def test_not_causal_is_said_before_weights_are_read(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", _forbidden)
    (checkpoint / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(ModelError, match="not a causal language model"):
        load_folder(checkpoint)


def test_a_broken_tokenizer(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(TokenizerError, match="cannot read the tokenizer"):
        load_folder(checkpoint)


def test_code_of_the_checkpoint_runs_only_where_allowed(
    checkpoint: Path, edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "code ran"
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    (checkpoint / "novel.py").write_text(
        f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class NovelConfig(LlamaConfig):\n    model_type = 'novel'\n"
        "class NovelForCausalLM(LlamaForCausalLM):\n    config_class = NovelConfig\n"
    )
    code = {"AutoConfig": "novel.NovelConfig", "AutoModelForCausalLM": "novel.NovelForCausalLM"}
    edit(checkpoint / "config.json", auto_map=code)
    loaded, _, _ = load_folder(checkpoint)  # a llama: transformers has its own class
    assert type(loaded).__name__ == "LlamaForCausalLM"
    edit(checkpoint / "config.json", model_type="novel")
    with pytest.raises(UnsafeModelError):
        load_folder(checkpoint)
    assert not marker.exists()
    loaded, _, _ = load_folder(checkpoint, trust_remote_code=True)
    assert marker.exists()
    assert type(loaded).__name__ == "NovelForCausalLM"


def test_code_without_a_causal_model_is_refused(
    checkpoint: Path, edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    (checkpoint / "nohead.py").write_text(
        "from transformers import LlamaConfig\nclass NoHeadConfig(LlamaConfig):\n    model_type = 'nohead'\n"
    )
    edit(checkpoint / "config.json", model_type="nohead", auto_map={"AutoConfig": "nohead.NoHeadConfig"})
    with pytest.raises(ModelError, match="has no causal language model"):
        load_folder(checkpoint, trust_remote_code=True)


def test_too_large_for_memory_is_said_before_reading(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available_memory", lambda _: 1000)
    with pytest.raises(DeviceError, match="does not fit"):
        load_folder(checkpoint)


def test_loading_says_nothing(checkpoint: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _change_weights(checkpoint, lambda weights: weights.update({"spare.weight": torch.ones(2)}))
    load_folder(checkpoint)
    assert capfd.readouterr() == ("", "")


def _forbidden(*_: object, **__: object) -> None:
    raise AssertionError("must not be called")
