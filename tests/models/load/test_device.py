from __future__ import annotations

import pytest
import torch

from seqscore.errors import DeviceError, OptionError
from seqscore.models.load import device as under_test
from seqscore.models.load.device import DTYPES, explain_out_of_memory, require_memory, resolve_device, resolve_dtype


@pytest.mark.parametrize("name", DTYPES)
def test_every_listed_dtype_is_torchs(name: str) -> None:
    assert str(resolve_dtype(name)) == f"torch.{name}"


@pytest.mark.parametrize("name", ["auto", "fp16", "int8", "", "Float32"])
def test_unknown_dtype_lists_those_there_are(name: str) -> None:
    with pytest.raises(OptionError, match="float32, bfloat16, float16, float64"):
        resolve_dtype(name)


def test_auto_is_the_cpu_without_cuda_and_cuda_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == resolve_device("cpu:0") == "cpu"
    _pretend_two_gpus(monkeypatch)
    assert resolve_device("auto") == resolve_device("cuda") == "cuda:0"
    assert resolve_device("cuda:1") == "cuda:1"


def test_cuda_where_there_is_none_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"'cuda' is not available: this torch sees no CUDA device; here: cpu"):
        resolve_device("cuda")


def test_a_number_too_high_lists_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_two_gpus(monkeypatch)
    with pytest.raises(DeviceError, match=r"'cuda:7' has no such number here; here: cpu, cuda:0, cuda:1"):
        resolve_device("cuda:7")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "meta", "cpu cuda"])
def test_unknown_device_lists_those_there_are(name: str) -> None:
    with pytest.raises(DeviceError, match="here: cpu"):
        resolve_device(name)


def test_weights_larger_than_memory_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "available_memory", lambda _: 4_000_000)
    require_memory(1_000_000, what="tiny", device="cpu", dtype="float32")
    require_memory(2_000_000, what="tiny", device="cpu", dtype="bfloat16")
    with pytest.raises(DeviceError, match=r"tiny does not fit.*--dtype bfloat16.*--device"):
        require_memory(1_000_001, what="tiny", device="cpu", dtype="float32")


def test_memory_of_this_machine_is_known_on_linux_and_positive() -> None:
    left = under_test.available_memory("cpu")
    assert left is None or left > 0


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("can't allocate memory: 9 bytes")],
)
def test_out_of_memory_names_the_options(error: Exception) -> None:
    expected = r"not enough memory on cpu to load tiny in float64; .*--dtype"
    block = explain_out_of_memory(what="tiny", device="cpu", dtype="float64")
    with pytest.raises(DeviceError, match=expected) as caught, block:
        raise error
    assert caught.value.__cause__ is error


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"), explain_out_of_memory(what="x", device="cpu", dtype="float32"):
        raise RuntimeError("shapes")


def _pretend_two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
