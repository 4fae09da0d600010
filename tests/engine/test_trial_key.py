"""What the outcome of a trial depends on has another key; what cannot be told has none."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any

import pytest
import torch
import transformers

from seqscore.engine import trial_key
from seqscore.engine.trial_key import model_key, surroundings, weight_versions
from seqscore.models.architecture.adapter import adapt
from tests.engine.test_packed import FAMILIES, threads
from tests.tiny_models import tiny_model


def key_of(model: Any) -> dict[str, str] | None:
    return model_key(adapt(model))


def one_weight(model: Any) -> None:
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3, 4] += 1e-7


def one_setting(model: Any) -> None:
    model.config.rms_norm_eps *= 2


def one_attribute(model: Any) -> None:
    model.model.layers[0].self_attn.scaling *= 2


def a_buffer_that_is_not_stored(model: Any) -> None:
    model.model.rotary_emb.inv_freq *= 2


def how_a_weight_lies(model: Any) -> None:
    linear = model.model.layers[0].mlp.up_proj
    linear.weight = torch.nn.Parameter(linear.weight.detach().T.contiguous().T)


def where_a_weight_begins(model: Any) -> None:
    linear = model.model.layers[0].mlp.up_proj
    room = torch.empty(linear.weight.numel() + 1)[1:]
    linear.weight = torch.nn.Parameter(room.view(linear.weight.shape).copy_(linear.weight.detach()))


def the_models_own_attention(model: Any) -> None:
    model.set_attn_implementation("eager")


CHANGES = (
    one_weight,
    one_setting,
    one_attribute,
    a_buffer_that_is_not_stored,
    how_a_weight_lies,
    where_a_weight_begins,
    the_models_own_attention,
)


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_changed_of_a_model_changes_its_key(change: Callable[[Any], None]) -> None:
    plain, changed = tiny_model("llama"), tiny_model("llama")
    assert key_of(plain) == key_of(changed) is not None
    change(changed)
    assert None is not key_of(changed) != key_of(plain)


def test_a_key_is_that_of_a_class_and_a_dtype() -> None:
    keys = [key_of(tiny_model(name)) for name in FAMILIES] + [key_of(tiny_model("llama", dtype=torch.float64))]
    assert None not in keys and len({str(key) for key in keys}) == len(FAMILIES) + 1


def test_a_name_is_no_part_of_a_key() -> None:
    model = tiny_model("llama")
    before = key_of(model)
    model.name_or_path = model.config._name_or_path = "another"
    assert key_of(model) == before


def a_hook(model: Any) -> None:
    model.model.layers[0].mlp.register_forward_hook(lambda *_: None)


def a_hook_before(model: Any) -> None:
    model.model.layers[0].mlp.register_forward_pre_hook(lambda *_: None)


def a_forward_of_its_own(model: Any) -> None:
    layer = model.model.layers[0].mlp
    plain = type(layer).forward
    layer.forward = MethodType(lambda self, rows: plain(self, rows), layer)


def a_wrapped_forward(model: Any) -> None:
    layer = model.model.layers[0].mlp
    layer.forward = functools.partial(
        functools.wraps(layer.forward)(lambda rows, plain: plain(rows)), plain=layer.forward
    )


def another_class(model: Any) -> None:
    class Mine(torch.nn.Linear):
        pass

    model.model.layers[0].mlp.up_proj.__class__ = Mine


def another_weight(model: Any) -> None:
    class Wrapped(torch.nn.Parameter):
        pass

    model.model.norm.weight.__class__ = Wrapped


@pytest.mark.parametrize(
    "change", [a_hook, a_hook_before, a_forward_of_its_own, a_wrapped_forward, another_class, another_weight]
)
def test_code_that_nobody_can_tell_has_no_key(change: Callable[[Any], None]) -> None:
    model = tiny_model("llama")
    change(model)
    assert key_of(model) is None


def test_nor_has_a_class_or_a_module_of_transformers_that_was_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    own = adapt(tiny_model("llama"))
    kind, place = type(own.model.model.layers[0].mlp), "transformers.models.llama.modeling_llama"  # type: ignore[union-attr, index]
    plain, rotate = kind.forward, transformers.models.llama.modeling_llama.rotate_half
    for patched in (
        (kind, "forward", lambda self, rows: plain(self, rows)),
        (f"{place}.rotate_half", rotate_too(rotate)),
        (torch.nn.functional, "linear", rotate_too(torch.nn.functional.relu)),
        (torch.nn.Module, "__call__", rotate_too(torch.nn.Module.__call__)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(*patched)
            assert model_key(own) is None
    handle = torch.nn.modules.module.register_module_forward_pre_hook(lambda *_: None)
    assert model_key(own) is None
    handle.remove()
    assert model_key(own) is not None
    own.model.__dict__["_orig_mod"] = own.model  # as a compiled one has
    assert model_key(own) is None


def rotate_too(rotate: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(rotate)(lambda x: rotate(x))


def changed_surroundings(patch: pytest.MonkeyPatch) -> dict[str, Callable[[], None]]:
    return {
        "processor": lambda: patch.setattr(trial_key, "_processor", lambda: "another"),
        "torch": lambda: patch.setattr(torch, "__version__", "2.99.0"),
        "transformers": lambda: patch.setattr(sys.modules["transformers"], "__version__", "5.99.0"),
        "seqscore": lambda: patch.setattr(trial_key, "__version__", "9"),
        "build": lambda: patch.setattr(torch.__config__, "parallel_info", lambda: "another library"),
        "switches": lambda: patch.setattr(torch._C, "_get_mkldnn_enabled", lambda: False),
        "environment": lambda: patch.setenv("MKL_CBWR", "COMPATIBLE"),
    }


def test_each_of_the_surroundings_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = surroundings()
    assert plain is not None
    for name in changed_surroundings(monkeypatch):
        with monkeypatch.context() as patch:
            changed_surroundings(patch)[name]()
            found = surroundings()
        assert found is not None and {one for one in plain if plain[one] != found[one]} == {name}
    with threads(2 if torch.get_num_threads() == 1 else 1):
        found = surroundings()
    assert found is not None and found["threads"] != plain["threads"]


def test_how_threads_wait_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = surroundings()
    monkeypatch.setenv("GOMP_SPINCOUNT", "77")
    assert surroundings() == plain


def test_a_version_under_work_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["transformers"], "__version__", "5.24.0.dev0")
    assert surroundings() is None


def test_a_processor_is_told_by_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = []
    one = "model name\t: One\nflags\t: avx2\ncpu MHz\t: "
    texts = (f"{one}1\n\nprocessor\t: 1\n{one}2", f"{one}3\n", "model name\t: One\n", "processor\t: 0\n")
    for number, text in enumerate(texts):
        file = tmp_path / str(number)
        file.write_text(text, encoding="utf-8")
        monkeypatch.setattr(trial_key, "_CPUINFO", file)
        found.append(trial_key._processor.__wrapped__())
    monkeypatch.setattr(trial_key, "_CPUINFO", tmp_path / "none")
    assert found[0] == found[1] is not None and found[2] not in (None, found[0])
    assert found[3] is None and trial_key._processor.__wrapped__() is None


def test_values_are_written_the_same_in_every_process() -> None:
    class Thing:
        pass

    assert trial_key._plain({"b": {"y", "x"}, "a": [1.5, None]}) == trial_key._plain(
        {"a": [1.5, None], "b": {"x", "y"}}
    )
    assert "0x" not in trial_key._plain((Thing(), Thing, len, torch.float32))


def test_a_weight_that_is_written_to_counts() -> None:
    model = tiny_model("llama")
    before = weight_versions(model)
    one_weight(model)
    assert before is not None and weight_versions(model) != before
    with torch.inference_mode():
        made_there = torch.nn.Linear(2, 2)
    assert weight_versions(made_there) is None
