"""Outcomes of trials that are kept from process to process: the same bits, never believed where they may be wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch

from seqscore.engine import experts, kept_trials, packed_trial, row_counts
from seqscore.engine.head import queue
from seqscore.engine.kept_trials import keeping, read_facts, trials_again, tried, write_facts
from seqscore.engine.packed import PackedEngine
from seqscore.engine.resolve import resolve_engine
from seqscore.errors import OptionError, SeqscoreWarning
from seqscore.models.architecture.adapter import ModelAdapter, adapt
from seqscore.models.load.default import default_cache_dir
from seqscore.verify import verification
from seqscore.verify.verification import verify
from tests.engine.test_packed import bits, requests, threads
from tests.tiny_models import tiny_model
from tests.verify.test_verify import by_topic, loader

SOME = slice(2, 6)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SEQSCORE_TRIALS", str(tmp_path / "trials"))
    return tmp_path / "trials"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which trials were run."""
    names: list[str] = []
    for place in (packed_trial, row_counts, queue, experts):
        real = place._tried

        def noted(*given: Any, real: Callable[..., Any] = real, name: str = place.__name__) -> Any:
            names.append(name.rpartition(".")[2])
            return real(*given)

        monkeypatch.setattr(place, "_tried", noted)
    return names


def scored(model: Any) -> list[bytes]:
    """As a process does that begins: the model is tried, or known, and scores."""
    return bits(resolve_engine("packed", adapt(model)).run(requests()[SOME], extras=frozenset()))


def known(model: Any) -> dict[str, str]:
    key = tried(model)._key()
    assert key is not None
    return key


@pytest.mark.parametrize("architecture", ["llama", "mixtral"])
def test_what_is_kept_is_not_tried_and_gives_the_same_bits(
    architecture: str, ran: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scored(tiny_model(architecture))
    assert {"packed_trial", "row_counts", "queue"} <= set(ran)
    kept = [file.read_bytes() for file in folder.iterdir()]
    ran.clear()
    assert scored(tiny_model(architecture)) == first and not ran
    assert [file.read_bytes() for file in folder.iterdir()] == kept and len(kept) == 1
    for mode, expected in (("off", True), ("again", True)):
        monkeypatch.setenv("SEQSCORE_TRIALS", mode)
        monkeypatch.setenv("SEQSCORE_CACHE", str(folder.parent / mode))
        ran.clear()
        assert scored(tiny_model(architecture)) == first and bool(ran) is expected
        assert (folder.parent / mode).exists() is (mode == "again")


def test_where_they_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SEQSCORE_TRIALS")
    monkeypatch.setenv("SEQSCORE_CACHE", str(tmp_path / "mine"))
    write_facts({"model": "a"}, {"packed": True})
    (file,) = (default_cache_dir() / "trials").iterdir()
    assert file.parent.parent == tmp_path / "mine" and read_facts({"model": "a"}) == {"packed": True}
    for mode in ("", "keep", "again", "off", str(tmp_path)):
        monkeypatch.setenv("SEQSCORE_TRIALS", mode)
        assert keeping() == {"": "keep", str(tmp_path): "keep"}.get(mode, mode)
    monkeypatch.setenv("SEQSCORE_TRIALS", "maybe")
    with pytest.raises(OptionError, match=r"SEQSCORE_TRIALS='maybe'.*keep, again, off, or the absolute path"):
        scored(tiny_model("llama"))


def test_another_model_or_number_of_threads_is_tried(ran: list[str]) -> None:
    scored(tiny_model("llama"))
    ran.clear()
    scored(tiny_model("llama", seed=1))
    assert {"packed_trial", "row_counts", "queue"} <= set(ran)
    ran.clear()
    with threads(2 if torch.get_num_threads() == 1 else 1):
        scored(tiny_model("llama"))
    assert "packed_trial" in ran


def test_a_change_of_surroundings_is_tried(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    scored(tiny_model("llama"))
    ran.clear()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    scored(tiny_model("llama"))
    assert "row_counts" in ran


def a_file(folder: Path) -> tuple[Path, bytes]:
    (file,) = folder.iterdir()
    return file, file.read_bytes()


def signed(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode() + b"\n" + body


def with_facts(raw: bytes, **facts: Any) -> bytes:
    found = json.loads(raw.partition(b"\n")[2])
    return signed(json.dumps({**found, "facts": {**found["facts"], **facts}}).encode())


def of_another_key(raw: bytes) -> bytes:
    found = json.loads(raw.partition(b"\n")[2])
    return signed(json.dumps({**found, "key": {**found["key"], "threads": "64"}}).encode())


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "cut": lambda raw: raw[: len(raw) // 2],
    "one bit": lambda raw: raw.replace(b"48", b"49", 1),
    "no JSON": lambda raw: signed(b"{"),
    "no text": lambda raw: signed(b"\xff\xfe"),
    "deep": lambda raw: signed(b"[" * 60_000),
    "large": lambda raw: signed(raw.partition(b"\n")[2] + b" " * 2**17),
    "a list": lambda raw: signed(b"[]"),
    "another key": of_another_key,
    "no facts": lambda raw: signed(b"{}"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_file_that_is_not_as_it_was_written_is_as_none(how: str, ran: list[str], folder: Path) -> None:
    first = scored(tiny_model("llama"))
    file, raw = a_file(folder)
    file.write_bytes(DAMAGE[how](raw))
    ran.clear()
    assert scored(tiny_model("llama")) == first
    assert {"packed_trial", "row_counts", "queue"} <= set(ran) and file.read_bytes() == raw


@pytest.mark.parametrize("counts", [[], [16, 17], [-16], [16.0], [True], "16", None, {"16": 16}, True, [[16]]])
def test_row_counts_that_nobody_tries_are_not_believed(counts: Any, ran: list[str], folder: Path) -> None:
    first = scored(tiny_model("llama"))
    file, raw = a_file(folder)
    file.write_bytes(with_facts(raw, head=counts))
    ran.clear()
    assert scored(tiny_model("llama")) == first and ran == ["queue"] and file.read_bytes() == raw


@pytest.mark.parametrize("said", [False, 1, "true", [1], None])
def test_only_a_plain_yes_says_that_a_model_may_run(said: Any, ran: list[str], folder: Path) -> None:
    scored(tiny_model("llama"))
    file, raw = a_file(folder)
    file.write_bytes(with_facts(raw, **{"packed by 64": said}))
    ran.clear()
    scored(tiny_model("llama"))
    assert ran == ["packed_trial"] and file.read_bytes() == raw


def test_a_folder_that_cannot_be_written_to_keeps_nothing_and_says_nothing(
    ran: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("SEQSCORE_TRIALS", str(tmp_path / "file" / "trials"))
    first = scored(tiny_model("llama"))
    ran.clear()
    assert scored(tiny_model("llama")) == first and "packed_trial" in ran and not recwarn.list


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEQSCORE_TRIALS", "SEQSCORE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert scored(tiny_model("llama"))


def test_a_full_folder_loses_its_oldest_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_trials, "_MOST_FILES", 8)
    for number in range(8):
        write_facts({"model": str(number)}, {"packed": True})
        os.utime(kept_trials._place({"model": str(number)}), (number, number))
    write_facts({"model": "7"}, {"packed": True, "head": (16,)})  # none is removed for a file that is there
    assert len(list(folder.iterdir())) == 8
    write_facts({"model": "8"}, {"packed": True})
    gone = [number for number in range(9) if not read_facts({"model": str(number)})]
    assert gone == [0, 1]


def test_several_processes_at_once_see_whole_files(folder: Path) -> None:
    code = """if True:
        import sys
        from seqscore.engine.kept_trials import read_facts, write_facts
        for number in range(60):
            write_facts({"model": "a"}, {"head": tuple([int(sys.argv[1])] * 999)})
            head = read_facts({"model": "a"}).get("head", ())
            assert len(head) == 999 and len(set(head)) == 1, head
    """
    begun = [subprocess.Popen([sys.executable, "-c", code, str(number)], stderr=subprocess.PIPE) for number in (1, 2)]
    assert [one.communicate()[1] for one in begun] == [b"", b""]
    assert [file.suffix for file in folder.iterdir()] == [".json"]


def test_a_refusal_is_not_kept(folder: Path, ran: list[str]) -> None:
    for _ in range(2):
        ran.clear()
        with pytest.warns(SeqscoreWarning, match="not packed"):
            resolve_engine("auto", adapt(tiny_model("bloom")))
        assert "packed_trial" in ran and not folder.exists()


def test_a_model_that_fails_when_it_is_tried_again_is_kept_no_longer(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    model = tiny_model("llama")
    scored(model)
    key = known(model)
    monkeypatch.setattr(packed_trial, "_tried", lambda *_: packed_trial.Refusal("planted"))
    with trials_again() as comparison, pytest.warns(SeqscoreWarning, match="planted"):
        assert resolve_engine("auto", adapt(tiny_model("llama"))).name != "packed"
    assert comparison.differences == ["packed by 64: kept yes, now nothing"]
    assert "packed by 64" not in read_facts(key) and "head" in read_facts(key)


def test_a_model_that_is_changed_after_it_was_looked_at_is_not_kept(folder: Path, ran: list[str]) -> None:
    for change in (_written_to, _hooked):
        model = tiny_model("llama")
        engine = resolve_engine("packed", adapt(model))
        ran.clear()
        change(model)
        before = {file: file.read_bytes() for file in folder.iterdir()}
        with threads(2 if torch.get_num_threads() == 1 else 1):
            engine.run(requests()[SOME], extras=frozenset())
        assert {"row_counts", "queue"} <= set(ran)
        assert {file: file.read_bytes() for file in folder.iterdir()} == before


def _written_to(model: Any) -> None:
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.zero_()


def _hooked(model: Any) -> None:
    model.model.layers[0].mlp.up_proj.register_forward_pre_hook(lambda *_: None)


def test_engines_and_backends_of_others_are_not_kept(folder: Path) -> None:
    class Mine(PackedEngine):
        pass

    def make(adapter: ModelAdapter) -> PackedEngine:
        return Mine(adapter, batch_tokens=64)

    assert packed_trial.why_not(make, adapt(tiny_model("llama"))) is None and not folder.exists()


def test_verify_tries_again_and_says_what_differs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = loader()
    monkeypatch.setattr(verification, "_of_several", lambda *_: ())
    monkeypatch.setattr(verification, "_of_one", lambda scorer, *_: scorer.score(["one", "two"])[:0])
    (before,) = by_topic(verify(load), "trials")
    assert (before.value, before.outcome) == (0.0, "stated")
    found = verify(load)
    (held,) = by_topic(found, "trials")
    assert (held.value, held.limit, held.outcome, found.is_kept) == (0.0, 0.0, "held", True)
    kept = [
        file
        for file in folder.iterdir()
        if json.loads(file.read_bytes().partition(b"\n")[2])["key"]["dtype"] == "torch.float32"
    ]
    raw = [file.read_bytes() for file in kept]
    for file in kept:
        file.write_bytes(with_facts(file.read_bytes(), head=[32]))
    found = verify(load)
    (broken,) = by_topic(found, "trials")
    assert broken.outcome == "broken" and not found.is_kept and broken.value and broken.value >= 1
    assert broken.note.startswith("head: kept 32, now 16, 32")
    assert [file.read_bytes() for file in kept] == raw
