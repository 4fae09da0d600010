from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from seqscore.errors import ModelError, TokenizerError, UnsafeModelError, one_line
from seqscore.models.load.checkpoint import Checkpoint, inspect_folder, read_json

Edit = Callable[..., None]


def _inspect(folder: Path, *, allow_pickle: bool = False, trust_remote_code: bool = False) -> Checkpoint:
    return inspect_folder(folder, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code)


def _replace_weights(folder: Path, *names: str) -> None:
    (folder / "model.safetensors").unlink()
    for name in names:
        (folder / name).write_bytes(b"x")


def test_an_ordinary_folder_is_its_safetensors(checkpoint: Path) -> None:
    found = _inspect(checkpoint)
    assert found.format == "safetensors"
    assert [file.name for file in found.weight_files] == ["model.safetensors"]
    assert found.config["model_type"] == "llama"


def test_weights_are_counted_from_the_header(checkpoint: Path, model: object) -> None:
    assert _inspect(checkpoint).parameters == sum(weight.numel() for weight in model.parameters())  # type: ignore[attr-defined]


def test_pickles_beside_safetensors_are_not_looked_at(checkpoint: Path) -> None:
    (checkpoint / "pytorch_model.bin").write_bytes(b"x")
    assert _inspect(checkpoint, allow_pickle=True).format == "safetensors"


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pt", "weights.pth", "model.ckpt", "pytorch_model-00001-of-00002.bin"]
)
def test_pickles_alone_are_refused_with_an_explanation(checkpoint: Path, name: str) -> None:
    _replace_weights(checkpoint, name)
    with pytest.raises(
        UnsafeModelError, match=rf"pickle weights only \({name}\): a pickle can run any code.*--allow-pickle"
    ):
        _inspect(checkpoint)


def test_pickles_alone_are_chosen_where_allowed(checkpoint: Path) -> None:
    _replace_weights(checkpoint, "pytorch_model.bin")
    found = _inspect(checkpoint, allow_pickle=True)
    assert (found.format, found.weight_files, found.parameters) == ("pickle", (checkpoint / "pytorch_model.bin",), None)


def test_a_pickle_by_another_name_is_not_guessed_at(checkpoint: Path) -> None:
    _replace_weights(checkpoint, "other.bin")
    with pytest.raises(ModelError, match=r"none is called pytorch_model\.bin; found other\.bin"):
        _inspect(checkpoint, allow_pickle=True)


def test_no_weights_at_all(checkpoint: Path) -> None:
    _replace_weights(checkpoint)
    with pytest.raises(ModelError, match=r"no weights in .*expected model\.safetensors"):
        _inspect(checkpoint, allow_pickle=True)


def test_safetensors_by_another_name_are_listed(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").rename(checkpoint / "model.fp16.safetensors")
    with pytest.raises(ModelError, match=r"safetensors files there: model\.fp16\.safetensors"):
        _inspect(checkpoint)


def test_a_truncated_file_is_found_without_reading_it(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"model\.safetensors is not a whole safetensors file .*fetch it again"):
        _inspect(checkpoint)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\xff" * 8, b"\x02\x00\x00\x00\x00\x00\x00\x00{}"[:9]])
def test_rubbish_instead_of_safetensors(checkpoint: Path, content: bytes) -> None:
    (checkpoint / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        _inspect(checkpoint)


def test_shards_are_those_of_the_index(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").rename(checkpoint / "model-00001-of-00001.safetensors")
    _write_index(checkpoint, {"a": "model-00001-of-00001.safetensors"})
    assert [file.name for file in _inspect(checkpoint).weight_files] == ["model-00001-of-00001.safetensors"]


def test_missing_shards_are_named(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    _write_index(checkpoint, {"a": "model-1.safetensors", "b": "model-2.safetensors"})
    with pytest.raises(
        ModelError, match=r"2 of 2 weight files are missing .*model-1\.safetensors, model-2\.safetensors"
    ):
        _inspect(checkpoint)


@pytest.mark.parametrize(
    "name", ["evil.bin", "../model.safetensors", "/model.safetensors", "sub/model.safetensors", "a\\b.safetensors"]
)
def test_an_index_may_only_name_safetensors_of_its_own_folder(checkpoint: Path, name: str) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "evil.bin").write_bytes(b"x")
    _write_index(checkpoint, {"a": name})
    with pytest.raises(UnsafeModelError, match=r"where only \.safetensors files of the same folder may stand"):
        _inspect(checkpoint)


@pytest.mark.parametrize("index", [{}, {"weight_map": {}}, {"weight_map": []}, {"weight_map": {"a": 1}}])
def test_an_index_without_a_map(checkpoint: Path, index: dict[str, object]) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="no weight_map"):
        _inspect(checkpoint)


def test_config_may_name_other_safetensors_but_no_pickle(checkpoint: Path, edit: Edit) -> None:
    (checkpoint / "model.safetensors").rename(checkpoint / "own.safetensors")
    edit(checkpoint / "config.json", transformers_weights="own.safetensors")
    assert _inspect(checkpoint).weight_files == (checkpoint / "own.safetensors",)
    edit(checkpoint / "config.json", transformers_weights="adapter_model.bin")
    with pytest.raises(UnsafeModelError, match=r"adapter_model\.bin"):
        _inspect(checkpoint)


def test_a_distributed_checkpoint_is_not_one_of_ours(checkpoint: Path) -> None:
    (checkpoint / "shard-00001-model-00001-of-00001.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="distributed checkpoint"):
        _inspect(checkpoint)


def test_adapters_are_named_for_what_they_are(checkpoint: Path) -> None:
    (checkpoint / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds a model and an adapter"):
        _inspect(checkpoint)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not a model folder: it has no config\.json"):
        _inspect(tmp_path)
    (tmp_path / "x.gguf").write_bytes(b"")
    with pytest.raises(ModelError, match=r"give the file itself, e\.g\. .*x\.gguf"):
        _inspect(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"3", b"[" * 100_000])
def test_broken_config(checkpoint: Path, content: bytes) -> None:
    (checkpoint / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"config\.json"):
        _inspect(checkpoint)


def test_code_of_its_own_is_refused_and_looked_at_only_where_allowed(checkpoint: Path, edit: Edit) -> None:
    edit(checkpoint / "config.json", model_type="novel", auto_map={"AutoModelForCausalLM": "modeling.Novel"})
    with pytest.raises(UnsafeModelError, match=r"would run code of its own .*'novel'.*--trust-remote-code"):
        _inspect(checkpoint)
    assert _inspect(checkpoint, trust_remote_code=True).format == "safetensors"


def test_code_that_transformers_does_not_need_is_no_obstacle(checkpoint: Path, edit: Edit) -> None:
    edit(checkpoint / "config.json", auto_map={"AutoModelForCausalLM": "modeling.Llama"})
    assert _inspect(checkpoint).format == "safetensors"


def test_an_unknown_type_without_code(checkpoint: Path, edit: Edit) -> None:
    edit(checkpoint / "config.json", model_type="novel")
    with pytest.raises(ModelError, match="knows no model_type 'novel'"):
        _inspect(checkpoint)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "experts_implementation"])
@pytest.mark.parametrize("value", ["someone/kernel", {"text": "someone/kernel"}])
def test_a_kernel_named_by_the_config_is_refused(checkpoint: Path, edit: Edit, key: str, value: object) -> None:
    edit(checkpoint / "config.json", nested=[{key: value}])
    with pytest.raises(UnsafeModelError, match="kernel to be fetched and run"):
        _inspect(checkpoint)
    edit(checkpoint / "config.json", nested=[{key: "sdpa"}])
    assert _inspect(checkpoint).format == "safetensors"


def test_a_tokenizer_with_code_of_its_own(checkpoint: Path, edit: Edit) -> None:
    settings = checkpoint / "tokenizer_config.json"
    edit(settings, auto_map={"AutoTokenizer": ["tokenization.Novel", None]}, tokenizer_class="Novel")
    assert _inspect(checkpoint).format == "safetensors"  # tokenizer.json says it all
    (checkpoint / "tokenizer.json").unlink()
    (checkpoint / "tokenizer.model").write_bytes(b"x")
    with pytest.raises(UnsafeModelError, match=r"tokenizer in .* would run code of its own"):
        _inspect(checkpoint)
    edit(settings, tokenizer_class="LlamaTokenizer")
    assert _inspect(checkpoint).format == "safetensors"


def test_no_tokenizer(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").unlink()
    with pytest.raises(TokenizerError, match=r"no tokenizer in .*expected tokenizer\.json.*save_pretrained"):
        _inspect(checkpoint)


def test_read_json_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}
    monkeypatch.setattr("seqscore.models.load.checkpoint._JSON_LIMIT", 3)
    with pytest.raises(ModelError, match="larger than 3 bytes"):
        read_json(tmp_path / "a.json")


def test_one_line_is_one_short_line() -> None:
    assert one_line(ValueError("a\n\tb")) == "a b"
    assert one_line(ValueError()) == "ValueError"
    assert len(one_line(ValueError("x" * 1000))) == 300


def _write_index(folder: Path, weight_map: dict[str, str]) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
