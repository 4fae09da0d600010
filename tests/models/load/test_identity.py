from __future__ import annotations

import copy
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from seqscore.errors import ModelError
from seqscore.models.load import identity
from seqscore.models.load.identity import (
    HashMemory,
    fingerprint_files,
    fingerprint_state,
    fingerprint_tokenizer,
)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_hash_is_remembered_and_not_computed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    assert HashMemory(tmp_path / "cache").sha256(file) == _sha256(b"one")
    monkeypatch.setattr(identity.hashlib, "file_digest", _forbidden)
    assert HashMemory(tmp_path / "cache").sha256(file) == _sha256(b"one")


def test_the_same_file_by_another_way_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    (tmp_path / "link").symlink_to(file)
    HashMemory(tmp_path / "cache").sha256(file)
    monkeypatch.setattr(identity.hashlib, "file_digest", _forbidden)
    monkeypatch.chdir(tmp_path)
    assert HashMemory(tmp_path / "cache").sha256(Path("link")) == _sha256(b"one")


@pytest.mark.parametrize("keep_times", [False, True])
def test_changed_content_of_the_same_size_is_found(tmp_path: Path, keep_times: bool) -> None:
    file, memory = tmp_path / "weights", HashMemory(tmp_path / "cache")
    file.write_bytes(b"one")
    before = file.stat()
    memory.sha256(file)
    file.write_bytes(b"two")
    if keep_times:  # as a restored backup would; the time of status change still tells
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert memory.sha256(file) == _sha256(b"two")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"x": 1}', "\xff", "[" * 100_000])
def test_a_broken_memory_is_ignored_and_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    (tmp_path / "hashes.json").write_bytes(content.encode("latin-1"))
    assert HashMemory(tmp_path).sha256(file) == _sha256(b"one")
    assert str(file.resolve()) in json.loads((tmp_path / "hashes.json").read_text())


def test_a_memory_with_a_wrong_entry_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    HashMemory(tmp_path).sha256(file)
    entries = json.loads((tmp_path / "hashes.json").read_text())
    entries[str(file.resolve())]["sha256"] = "0"
    (tmp_path / "hashes.json").write_text(json.dumps(entries))
    assert HashMemory(tmp_path).sha256(file) == _sha256(b"one")


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    assert HashMemory(file / "no folder").sha256(file) == _sha256(b"one")
    assert HashMemory(None).sha256(file) == _sha256(b"one")


def test_fingerprint_of_files_is_what_sha256sum_gives_wherever_they_lie(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.safetensors").write_bytes(b"one")
        (tmp_path / folder / "2.safetensors").write_bytes(b"two")
    one, two = (tmp_path / "a" / f"{number}.safetensors" for number in (1, 2))
    lines = f"{_sha256(b'one')}  1.safetensors\n{_sha256(b'two')}  2.safetensors\n"
    assert fingerprint_files([one], cache_dir=None) == f"sha256:{_sha256(b'one')[:16]}"
    assert fingerprint_files([two, one], cache_dir=None) == f"sha256:{_sha256(lines.encode())[:16]}"
    elsewhere = [tmp_path / "b" / path.name for path in (one, two)]
    assert fingerprint_files(elsewhere, cache_dir=tmp_path) == fingerprint_files([one, two], cache_dir=None)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gone"):
        fingerprint_files([tmp_path / "gone"], cache_dir=None)


def test_tokenizer_fingerprint_is_untouched_by_calls_and_changed_by_settings(tokenizer: Any) -> None:
    plain = fingerprint_tokenizer(tokenizer)
    assert plain.startswith("sha256:")
    assert len(plain) == len("sha256:") + 16
    used, other_chat, other_start, other_split = (copy.deepcopy(tokenizer) for _ in range(4))
    used(["a", "a b c"], padding=True, truncation=True, max_length=2)
    assert used.backend_tokenizer.truncation is not None
    assert fingerprint_tokenizer(used) == plain
    other_chat.chat_template = "x"
    other_start.bos_token = "<|endoftext|>"
    from tokenizers import pre_tokenizers

    other_split.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert len({plain, *map(fingerprint_tokenizer, (other_chat, other_start, other_split))}) == 4


def test_a_tokenizer_without_backend_counts_by_class_and_vocabulary() -> None:
    class Slow:
        def __init__(self, **vocabulary: int) -> None:
            self._vocabulary = vocabulary
            self.special_tokens_map: dict[str, str] = {}

        def get_vocab(self) -> dict[str, int]:
            return self._vocabulary

    slow: Any = Slow
    assert fingerprint_tokenizer(slow(a=0, b=1)) == fingerprint_tokenizer(slow(b=1, a=0))
    assert fingerprint_tokenizer(slow(a=0, b=1)) != fingerprint_tokenizer(slow(a=1, b=0))


def test_state_fingerprint_sees_one_changed_weight_and_the_dtype(model: Any) -> None:
    plain = fingerprint_state(model)
    assert plain.startswith("xxh128:")
    assert len(plain) == len("xxh128:") + 16
    changed = copy.deepcopy(model)
    assert fingerprint_state(changed) == plain
    with torch.no_grad():
        changed.model.layers[1].mlp.up_proj.weight[3, 4] += 1e-6
    assert fingerprint_state(changed) != plain
    assert fingerprint_state(copy.deepcopy(model).to(torch.bfloat16)) != plain


def test_state_fingerprint_takes_every_dtype_and_numbers_without_shape() -> None:
    module: Any = torch.nn.Module()
    module.register_buffer("scalar", torch.tensor(1.5))
    module.register_buffer("narrow", torch.ones(2, 3, dtype=torch.bfloat16).T)
    module.register_buffer("flag", torch.tensor([True]))
    module.register_buffer("nothing", torch.empty(0))
    assert fingerprint_state(module).startswith("xxh128:")


def test_weights_that_are_not_in_memory_are_an_error() -> None:
    with pytest.raises(ModelError, match="weight is not in memory"):
        fingerprint_state(torch.nn.Linear(2, 2, bias=False, device="meta"))


def _forbidden(*_: object, **__: object) -> None:
    raise AssertionError("must not be called")
