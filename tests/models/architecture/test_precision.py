"""Products are exact whichever of torch's switches were used before, and all of them are put back as they were."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from seqscore import Scorer
from seqscore.models.architecture.precision import _SWITCHES, full_precision
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

HAS_NEW = hasattr(torch._C, "_get_fp32_precision_getter")
SWITCHES = _SWITCHES if HAS_NEW else ()


def effective() -> list[str]:
    return [str(torch._C._get_fp32_precision_getter(*one)) for one in SWITCHES]


def set_all(values: list[str]) -> None:
    for one, value in zip(SWITCHES, values, strict=True):
        torch._C._set_fp32_precision_setter(*one, value)


def own_values() -> list[str]:
    """What each switch itself is set to: with its parents at ``none``, then put back."""
    found = []
    for one in SWITCHES:
        found.append(str(torch._C._get_fp32_precision_getter(*one)))
        if one[1] == "all":
            torch._C._set_fp32_precision_setter(*one, "none")
    set_all(found)
    return found


def old_switches() -> list[Any]:
    def told(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except RuntimeError:
            return "torch refuses to tell"

    return [
        told(torch.get_float32_matmul_precision),
        told(lambda: torch.backends.cudnn.allow_tf32),
        told(lambda: torch.backends.cuda.matmul.allow_tf32),
    ]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = own_values()
    yield
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True
    set_all(before)


def use(generator: random.Random) -> None:
    """One of the switches that torch offers, set to something."""
    torch_backends: Any = torch.backends
    choices: list[Callable[[], object]] = [
        lambda: torch.set_float32_matmul_precision(generator.choice(["highest", "high", "medium"])),
        lambda: setattr(torch.backends.cudnn, "allow_tf32", generator.random() < 0.5),
        lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", generator.random() < 0.5),
    ]
    new: list[Callable[[], object]] = [
        lambda: setattr(torch_backends, "fp32_precision", generator.choice(["ieee", "tf32", "none"])),
        lambda: setattr(torch_backends.cudnn, "fp32_precision", generator.choice(["ieee", "tf32", "none"])),
        lambda: setattr(torch_backends.cudnn.conv, "fp32_precision", generator.choice(["ieee", "tf32"])),
        lambda: setattr(torch_backends.cudnn.rnn, "fp32_precision", generator.choice(["ieee", "tf32"])),
        lambda: setattr(torch_backends.cuda.matmul, "fp32_precision", generator.choice(["ieee", "tf32"])),
        lambda: setattr(torch_backends.mkldnn.matmul, "fp32_precision", generator.choice(["ieee", "bf16", "tf32"])),
        lambda: setattr(torch_backends.mkldnn.conv, "fp32_precision", generator.choice(["ieee", "bf16"])),
    ]
    generator.choice([*choices, *(new if HAS_NEW else [])])()


@pytest.mark.parametrize("seed", range(20))
def test_any_mixture_of_old_and_new_switches(seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(generator.randint(1, 6)):
        use(generator)
    before = own_values(), old_switches()
    with full_precision("cpu"):
        with full_precision("cpu"):
            assert set(effective()) <= {"ieee"} and old_switches() == ["highest", False, False]
        assert set(effective()) <= {"ieee"}
    assert (own_values(), old_switches()) == before


def test_a_scorer_can_be_made_and_used_after_the_new_switches() -> None:
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    expected = Scorer(model, tokenizer).score("the quick fox").logprobs.tobytes()
    torch_backends: Any = torch.backends
    if HAS_NEW:
        torch_backends.fp32_precision = "tf32"
        torch_backends.mkldnn.matmul.fp32_precision = "bf16"
        torch_backends.cudnn.conv.fp32_precision = "ieee"  # another value than its sister: the old switch cannot tell
    before = own_values()
    seen: list[list[str]] = []
    model.model.register_forward_pre_hook(lambda *_: seen.append(effective()))
    scorer = Scorer(model, tokenizer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert scorer.score("the quick fox").logprobs.tobytes() == expected
    assert seen and all(set(one) <= {"ieee"} for one in seen) and own_values() == before
