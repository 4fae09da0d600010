from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tokenizers import normalizers

from seqscore.errors import TokenizerError
from seqscore.text.codec.growth import check_growth, growth
from tests.tokenizers_for_tests import KINDS, build


def replace(pattern: Any, content: str) -> dict[str, Any]:
    return {
        "type": "Replace",
        "pattern": {"String": pattern} if isinstance(pattern, str) else pattern,
        "content": content,
    }


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(steps)}


@pytest.mark.parametrize(
    ("settings", "times"),
    [
        (None, 1),
        ({"type": "NFKC"}, 1),
        (replace(" ", "▁"), 3),
        (replace("``", '"'), 1),
        (sequence({"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")), 3),
        (sequence(replace("a", "bb"), replace("b", "ccc")), 6),
        (sequence(replace("b", "ccc"), replace("a", "bb")), 3),
        (sequence(replace("x", "yy"), replace("a", "bb"), replace("c", "dd")), 2),
        (sequence(replace({"Regex": r"\s+"}, " "), replace({"Regex": "x"}, "yy")), 2),
        ({"type": "Sequence", "decoders": [replace("▁", " "), {"type": "Fuse"}]}, 1),
    ],
)
def test_growth_of_what_is_in_use_and_of_chains(settings: Any, times: float) -> None:
    assert growth(settings) == pytest.approx(times)
    check_growth(settings, where="it")


@pytest.mark.parametrize("pattern", ["a", {"Regex": "a"}, {"Regex": ""}, ""])
def test_what_multiplies_is_refused_without_being_run(pattern: Any) -> None:
    for steps in ([replace(pattern, "a" * 1000)] * 3, [replace(pattern, "aa")] * 60, [replace("a", "a" * 10**4)] * 900):
        with pytest.raises(TokenizerError, match="it makes texts more than 256 times as long"):
            check_growth(sequence(*steps), where="it")


def test_too_many_steps_to_follow_are_refused() -> None:
    check_growth(sequence(*[replace("a", "b")] * 1000), where="it")
    with pytest.raises(TokenizerError):
        check_growth(sequence(*[replace("a", "b")] * 1001), where="it")


def test_the_longest_entry_of_a_table_counts() -> None:
    def table(entry: bytes) -> dict[str, Any]:
        data = (4).to_bytes(4, "little") + b"\1\2\3\4" + b"x\0" + entry + b"\0y\0"
        return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(data).decode()}

    assert growth(table(b"z" * 33)) == 33
    assert growth(sequence(table(b"z" * 33), replace({"Regex": " {2,}"}, "▁"))) == 99  # as T5 has it
    with pytest.raises(TokenizerError):
        check_growth(table(b"z" * 300), where="it")


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_tokenizers_pass(kind: str) -> None:
    backend = getattr(build(kind), "backend_tokenizer", None)
    if backend is not None and backend.normalizer is not None:
        assert growth(json.loads(backend.normalizer.__getstate__())) <= 33


def test_it_bounds_what_the_library_does() -> None:
    steps = [normalizers.Replace("a", "bcb"), normalizers.Replace("b", "dd"), normalizers.Replace("c", "eee")]
    settings = json.loads(normalizers.Sequence(steps).__getstate__())
    assert len(normalizers.Sequence(steps).normalize_str("a" * 10)) == 10 * growth(settings) == 70
