from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from seqscore import LoadOptions, Scorer
from seqscore.errors import MissingDependencyError, ModelError, UnsafeModelError
from tests.adapters_for_tests import adapted, save
from tests.models.conftest import make_model, make_tokenizer

Edit = Callable[..., None]


@pytest.fixture(scope="session")
def scorer() -> Scorer:
    return Scorer(make_model(), make_tokenizer(), engine="reference")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(adapted(make_model(), "lora"), tmp_path_factory.mktemp("saved") / "lora")


@pytest.fixture
def adapter(made: Path, tmp_path: Path) -> Path:
    """A fresh copy, to be changed at will."""
    return Path(shutil.copytree(made, tmp_path / "lora"))


def change(folder: Path, how: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(folder / "adapter_model.safetensors")
    how(weights)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})


FIRST = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda weights: weights.pop(FIRST), r"1 weights of the adapter in .* are missing, or NaN, e\.g\. .*up_proj"),
        (lambda weights: weights[FIRST][0, 0].fill_(float("nan")), "are missing, or NaN"),
        (
            lambda weights: weights.update({FIRST: weights[FIRST][:, :5].clone()}),
            "does not fit Llama.*size",
        ),
        (
            lambda weights: weights.update({FIRST.replace("layers.0", "layers.7"): weights[FIRST].clone()}),
            "are for layers that the model does not have",
        ),
    ],
    ids=["missing", "nan", "shape", "left"],
)
def test_weights_that_do_not_fit(scorer: Scorer, adapter: Path, how: Any, message: str) -> None:
    change(adapter, how)
    before = scorer.score("the cat").to_dict()
    with pytest.raises(ModelError, match=message):
        scorer.with_adapter(adapter)
    assert scorer.score("the cat").to_dict() == before


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"peft_type": "POLY"}, ModelError, r"of the method POLY, which is not loaded here; loaded are IA3, LN_TUNING"),
        ({"peft_type": None}, ModelError, "of the method None"),
        ({"peft_type": ["LORA"]}, ModelError, "which is not loaded here"),
        (
            {"init_lora_weights": "pissa_niter_4"},
            ModelError,
            "goes with weights that were changed too .*pissa_n",
        ),
        ({"init_lora_weights": {}}, ModelError, "goes with weights that were changed too"),
        ({"megatron_config": {"a": 1}, "megatron_core": "antigravity"}, UnsafeModelError, "names code to be imported"),
        ({"layer_replication": [[0, 2], [1, 2]]}, ModelError, "repeats layers"),
        ({"alora_invocation_tokens": [5]}, ModelError, "begins within a text"),
        ({"num_virtual_tokens": 10**9}, ModelError, "num_virtual_tokens 1000000000: no number of tokens"),
        ({"task_type": "SEQ_CLS"}, ModelError, "is for the task SEQ_CLS, not for a language model"),
        ({"from_the_future": [1]}, ModelError, r"settings that peft [\d.]+ does not know: from_the_future"),
        ({"target_modules": ["nowhere"]}, ModelError, "cannot load the adapter in .*nowhere"),
        ({"r": -1}, ModelError, "cannot load the adapter"),
    ],
)
def test_settings_that_are_refused(
    scorer: Scorer, adapter: Path, edit: Edit, settings: dict[str, Any], kind: type[Exception], message: str
) -> None:
    edit(adapter / "adapter_config.json", **settings)
    with pytest.raises(kind, match=message):
        scorer.with_adapter(adapter)
    assert "antigravity" not in sys.modules


def test_pickles_are_read_where_that_is_allowed(scorer: Scorer, adapter: Path) -> None:
    right = scorer.with_adapter(adapter).score("the cat")
    torch.save(load_file(adapter / "adapter_model.safetensors"), adapter / "adapter_model.bin")
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(UnsafeModelError, match=r"pickle weights only \(adapter_model\.bin\)"):
        scorer.with_adapter(adapter)
    found = scorer.with_adapter(adapter, options=LoadOptions(allow_pickle=True)).score("the cat")
    assert found.logprobs.tobytes() == right.logprobs.tobytes()
    (adapter / "adapter_model.bin").unlink()
    with pytest.raises(ModelError, match=r"no weights of an adapter in .*: expected adapter_model\.safetensors"):
        scorer.with_adapter(adapter)


def test_what_is_no_adapter(scorer: Scorer, checkpoint: Path, make_gguf: Any) -> None:
    with pytest.raises(ModelError, match=r"holds no adapter of the library peft: it has no adapter_config\.json"):
        scorer.with_adapter(checkpoint)
    with pytest.raises(ModelError, match="is a model, and no adapter"):
        scorer.with_adapter(make_gguf())
    for name, said in (("./nowhere", "neither a folder nor"), ("", "is no name"), ("default", "is a model, and no ad")):
        with pytest.raises(ModelError, match=f"{said}.*: give a folder with an adapter_config.json, or a name on the"):
            scorer.with_adapter(name)


def test_without_the_library_it_says_what_to_install(
    scorer: Scorer, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'seqscore\[peft\]'"):
        scorer.with_adapter(adapter)


def test_a_file_that_is_written_to_meanwhile(scorer: Scorer, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqscore.models.load import find

    original = find.put_on

    def meddle(*given: Any, **named: Any) -> Any:
        change(adapter, lambda weights: weights[FIRST].mul_(2))
        return original(*given, **named)

    monkeypatch.setattr(find, "put_on", meddle)
    with pytest.raises(ModelError, match="the weights of lora were written to while they were read"):
        scorer.with_adapter(adapter)
