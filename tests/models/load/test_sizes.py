from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqscore.errors import ModelError, SeqscoreError
from seqscore.models.load.find import load_model
from seqscore.models.load.sizes import check_config, check_nesting

STORED = {"where": "it", "tensors": 27, "weights": 30_000}


def nested(depth: int, kind: type) -> Any:
    value: Any = kind()
    for _ in range(depth):
        value = {"a": value} if kind is dict else [value]
    return value


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"num_hidden_layers": 2, "vocab_size": 300, "num_labels": 2, "max_window_layers": 28},
        {"num_hidden_layers": 1000, "text_config": {"num_hidden_layers": 61, "num_experts": 256}},
        {"vocab_size": 30_000, "num_labels": 100_000, "sep_token_id": 10**9, "max_position_embeddings": 10**30},
        {"num_hidden_layers": None, "num_labels": True, "decoder_layers": 0},
    ],
)
def test_what_checkpoints_have_passes(config: dict[str, Any]) -> None:
    check_config(config, **STORED)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_hidden_layers": 1_000_000}, "num_hidden_layers 1,000,000, more than there are stored tensors"),
        ({"n_layer": 1001}, "n_layer 1,001"),
        ({"text_config": {"num_hidden_layers": 10**9}}, "num_hidden_layers 1,000,000,000"),
        ({"sub": [{"decoder_layers": 10**9}]}, "decoder_layers"),
        ({"num_labels": 10**9}, "num_labels 1,000,000,000, more than 100,000"),
        ({"num_local_experts": 10**6}, "num_local_experts"),
        ({"vocab_size": 30_001}, "vocab_size 30,001, more than the 30,000 numbers that its weights hold"),
        ({"num_hidden_layers": 0}, "num_hidden_layers 0, expected at least 1"),
        ({"n_layer": -1}, "n_layer -1, expected at least 1"),
    ],
)
def test_counts_that_do_not_belong_to_the_weights_are_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        check_config(config, **STORED)


def test_many_layers_pass_where_they_are_stored() -> None:
    check_config({"num_hidden_layers": 5000}, where="it", tensors=5000, weights=10**9)
    check_config({"vocab_size": 10**9}, where="it", tensors=None, weights=None)


@pytest.mark.parametrize("kind", [dict, list])
def test_settings_may_be_nested_but_not_without_end(kind: type) -> None:
    check_nesting({"x": nested(90, kind)}, where="it")
    with pytest.raises(ModelError, match="nested more than 100 deep"):
        check_nesting({"x": nested(500, kind)}, where="it")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_hidden_layers": 1_000_000}, "more than there are stored tensors"),
        ({"num_labels": 1_000_000_000}, "num_labels"),
        ({"vocab_size": 10**12}, "more than the"),
        ({"num_hidden_layers": -1}, "at least 1"),  # a model without layers would give numbers
        ({"model_type": ["llama"]}, "expected a name"),
        ({"model_type": {}}, "expected a name"),
        ({"x": nested(600, dict)}, "nested more than 100 deep"),
    ],
)
def test_a_config_alone_can_not_take_all_time_and_memory(
    checkpoint: Path, edit: Callable[..., None], changes: dict[str, Any], said: str
) -> None:
    edit(checkpoint / "config.json", **changes)
    with pytest.raises(ModelError, match=said):
        load_model(checkpoint)


@pytest.mark.parametrize(
    "name", ["tokenizer.json", "config.json", "vocab.json", "merges.txt", "generation_config.json"]
)
def test_files_with_a_hole_that_are_read_whole_are_refused(checkpoint: Path, name: str) -> None:
    with (checkpoint / name).open("ab") as file:
        file.truncate(1 << 40)
    with pytest.raises(ModelError, match=f"{name} is larger than"):
        load_model(checkpoint)


def test_weights_with_a_hole_are_held_against_the_machine(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    header = b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    with file.open("ab") as opened:
        opened.truncate(8 + len(header) + 4398046511104)
    with pytest.raises(SeqscoreError, match=r"does not fit: its 1,099,512 million weights|unable to mmap"):
        load_model(checkpoint)
