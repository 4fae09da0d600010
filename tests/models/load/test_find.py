from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from seqscore.errors import DeviceError, ModelError, OptionError, SeqscoreError
from seqscore.models.load import find as load
from seqscore.models.load.find import LoadedModel, describe_loaded, load_model
from seqscore.models.load.identity import HashMemory
from seqscore.models.load.options import LoadOptions

ROOT = Path(__file__).parents[3]


def test_a_folder(checkpoint: Path) -> None:
    loaded = load_model(checkpoint, device="cpu")
    assert (loaded.name, loaded.revision, loaded.dtype, loaded.device) == ("tiny-llama", None, "float32", "cpu")
    assert loaded.weights == f"sha256:{HashMemory(None).sha256(checkpoint / 'model.safetensors')[:16]}"
    assert loaded.tokenizer_id.startswith("sha256:")
    model: Any = loaded.model
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())


def test_a_folder_by_every_way_of_writing_it(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(checkpoint)
    for way in (".", str(checkpoint), f"{checkpoint}/", Path("../tiny-llama"), "~/tiny-llama"):
        assert load_model(way).name == "tiny-llama"


def test_a_gguf_file_is_its_hash_and_name(
    make_gguf: Callable[..., Path], model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_gguf()
    monkeypatch.chdir(path.parent)
    said: list[str] = []
    loaded = load_model("tiny.gguf", dtype="float64", notify=said.append)
    assert loaded.name == "tiny.gguf"
    assert loaded.weights == f"sha256:{HashMemory(None).sha256(path)[:16]}"
    assert torch.equal(loaded.model.state_dict()["model.norm.weight"], model.model.norm.weight.double())
    assert "reading tiny.gguf" in said[0]
    path.rename(path.with_name("model"))
    assert load_model(path.with_name("model")).name == "model"  # its content says what it is


def test_notices_go_to_the_one_given_or_to_that_of_the_options(make_gguf: Callable[..., Path]) -> None:
    first: list[str] = []
    second: list[str] = []
    path = make_gguf()
    load_model(path, options=LoadOptions(notify=first.append))
    load_model(path, options=LoadOptions(notify=first.append), notify=second.append)
    assert (len(first), len(second)) == (1, 1)


@pytest.mark.parametrize(
    "name", ["", "  ", "./none", "/none/at/all", "a/b/c", "none.gguf", "a\0b", "x" * 5000, "~nobody-here/x", "a b"]
)
def test_a_name_that_is_nothing_says_what_would_be(name: str) -> None:
    with pytest.raises(
        ModelError,
        match=r'give "default", a folder with a checkpoint, a \.gguf or \.arpa file, a server \(.*\), or a name',
    ):
        load_model(name)


def test_a_path_is_never_taken_for_a_name_on_the_hub() -> None:
    with pytest.raises(ModelError, match="neither a folder"):
        load_model(Path("gpt2"))


def test_a_file_that_is_no_gguf(checkpoint: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors is a file and not a \.gguf: give the folder"):
        load_model(checkpoint / "model.safetensors")


def test_revision_is_for_the_hub(checkpoint: Path, make_gguf: Callable[..., Path]) -> None:
    for model in (checkpoint, make_gguf(), "default"):
        with pytest.raises(OptionError, match=r"revision='main' \(--revision\) is for models from the hub"):
            load_model(model, revision="main")


def test_bad_options_are_found_before_anything_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "find_sources", _forbidden)
    with pytest.raises(OptionError, match="unknown dtype 'fp8'"):
        load_model("gpt2", dtype="fp8")
    with pytest.raises(DeviceError, match="here: cpu"):
        load_model("gpt2", device="gpu")
    monkeypatch.setattr(load, "resolve_device", lambda _: "mps")
    with pytest.raises(DeviceError, match="mps has no float64"):
        load_model("gpt2", device="mps", dtype="float64")


def test_hashes_of_weights_are_remembered_in_the_cache(checkpoint: Path, tmp_path: Path) -> None:
    load_model(checkpoint, options=LoadOptions(cache_dir=tmp_path / "mine"))
    assert str(checkpoint / "model.safetensors") in (tmp_path / "mine" / "hashes.json").read_text()


def test_a_cache_that_cannot_be_written_is_no_obstacle(checkpoint: Path) -> None:
    options = LoadOptions(cache_dir=checkpoint / "config.json" / "no folder")
    assert load_model(checkpoint, options=options).name == "tiny-llama"


def test_objects_are_described_and_left_as_they_were(model: Any, tokenizer: Any) -> None:
    trained = copy.deepcopy(model).train()
    text = tokenizer.backend_tokenizer.to_str()
    found = describe_loaded(trained, tokenizer)
    assert isinstance(found, LoadedModel)
    assert found.model is trained
    assert found.tokenizer is tokenizer
    assert (found.name, found.revision, found.dtype, found.device) == ("LlamaForCausalLM", None, "float32", "cpu")
    assert found.weights.startswith("xxh128:")
    assert trained.training
    assert all(weight.requires_grad for weight in trained.parameters())
    assert tokenizer.backend_tokenizer.to_str() == text


def test_objects_loaded_from_a_folder_carry_its_name_and_its_tokenizer(checkpoint: Path) -> None:
    loaded = load_model(checkpoint, dtype="bfloat16")
    found = describe_loaded(loaded.model, loaded.tokenizer)
    assert (found.name, found.dtype) == ("tiny-llama", "bfloat16")
    assert found.tokenizer_id == loaded.tokenizer_id


def test_every_error_is_one_line_of_ours(checkpoint: Path, edit: Callable[..., None]) -> None:
    edit(checkpoint / "config.json", hidden_size="many", num_attention_heads=None, rope_parameters=3)
    with pytest.raises(SeqscoreError) as caught:
        load_model(checkpoint)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_importing_is_light() -> None:
    code = "import pkgutil, sys\nimport seqscore.models.load as room\n"
    code += "for one in pkgutil.iter_modules(room.__path__, room.__name__ + '.'):\n    __import__(one.name)\n"
    heavy = {"torch", "transformers", "tokenizers", "huggingface_hub", "gguf", "safetensors", "numpy"}
    code += f"print({heavy!r} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "set()"


def _forbidden(*_: object, **__: object) -> None:
    raise AssertionError("must not be called")


def test_who_writes_to_the_weights_afterwards_changes_nothing(checkpoint: Path) -> None:
    loaded = load_model(checkpoint)
    ids = torch.tensor([[1, 5, 9]])
    with torch.inference_mode():
        before = loaded.model(ids).logits
        with (checkpoint / "model.safetensors").open("r+b") as file:  # as rsync --inplace writes
            file.seek(4096)
            file.write(bytes(8192))
        assert torch.equal(loaded.model(ids).logits, before)
        (checkpoint / "model.safetensors").write_bytes(b"")  # a mapping would end the process
        assert torch.equal(loaded.model(ids).logits, before)


@pytest.mark.parametrize("how", ["in place", "replaced", "removed"])
def test_weights_that_change_while_they_are_read_are_an_error(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Else the fingerprint would be that of weights which were not used."""
    file = checkpoint / "model.safetensors"

    def meddle(_: object) -> None:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        if how != "in place":
            file.unlink()
        if how != "removed":
            file.write_bytes(bytes(content))

    monkeypatch.setattr("seqscore.models.load.find.keep_in_memory", meddle)
    with pytest.raises(ModelError, match=r"written to while they were read|cannot read the weights"):
        load_model(checkpoint)
