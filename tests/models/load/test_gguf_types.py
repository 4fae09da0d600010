"""Weights of GGUF's common types, against their layout in llama.cpp (ggml-quants.c) read number by number."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from seqscore import Scorer
from tests.models.conftest import make_model, write_gguf

Numbers = Callable[[bytes], Iterator[float]]


def half(block: bytes, place: int) -> float:
    (value,) = struct.unpack_from("<e", block, place)
    return float(value)


def q4_0(block: bytes) -> Iterator[float]:
    for shift in (0, 4):
        yield from (half(block, 0) * ((byte >> shift & 15) - 8) for byte in block[2:])


def q4_1(block: bytes) -> Iterator[float]:
    for shift in (0, 4):
        yield from (half(block, 0) * (byte >> shift & 15) + half(block, 2) for byte in block[4:])


def q5_0(block: bytes) -> Iterator[float]:
    fifth = int.from_bytes(block[2:6], "little")
    for place in range(32):
        low = block[6 + place % 16] >> (4 if place > 15 else 0) & 15
        yield half(block, 0) * ((low | (fifth >> place & 1) << 4) - 16)


def q8_0(block: bytes) -> Iterator[float]:
    yield from (half(block, 0) * value for value in struct.unpack("<32b", block[2:]))


def scale_and_least(packed: bytes, part: int) -> tuple[int, int]:
    """Of eight parts six bits each, the last four parts' upper two above the first four's."""
    if part < 4:
        return packed[part] & 63, packed[part + 4] & 63
    low = packed[part + 4]
    return (low & 15) | (packed[part - 4] >> 6) << 4, (low >> 4) | (packed[part] >> 6) << 4


def q4_k(block: bytes, fifth: bytes = bytes(32), codes: bytes | None = None) -> Iterator[float]:
    codes = block[16:] if codes is None else codes
    for part in range(8):
        scale, least = scale_and_least(block[4:16], part)
        for place in range(32):
            code = codes[32 * (part // 2) + place] >> (4 * (part % 2)) & 15
            code |= (fifth[place] >> part & 1) << 4
            yield half(block, 0) * scale * code - half(block, 2) * least


def q5_k(block: bytes) -> Iterator[float]:
    yield from q4_k(block, block[16:48], block[48:])


def q6_k(block: bytes) -> Iterator[float]:
    low, high, scales, whole = block[:128], block[128:192], struct.unpack("<16b", block[192:208]), half(block, 208)
    for place in range(256):
        side, rest = divmod(place, 128)
        quarter, at = divmod(rest, 32)
        code = low[64 * side + 32 * (quarter % 2) + at] >> (4 * (quarter // 2)) & 15
        code |= (high[32 * side + at] >> (2 * quarter) & 3) << 4
        yield whole * scales[8 * side + 2 * quarter + at // 16] * (code - 32)


TYPES: dict[str, tuple[Numbers, tuple[int, ...]]] = {
    "Q4_0": (q4_0, (0,)),
    "Q4_1": (q4_1, (0, 2)),
    "Q5_0": (q5_0, (0,)),
    "Q8_0": (q8_0, (0,)),
    "Q4_K": (q4_k, (0, 2)),
    "Q5_K": (q5_k, (0, 2)),
    "Q6_K": (q6_k, (208,)),
}
"""How a block is read, and where in it numbers in half precision stand."""

_PLACES = [f"{name}_proj" for name in ("gate", "up", "down")]


def blocks(name: str, seed: int) -> tuple[np.ndarray, Any]:
    """A matrix of [256, 256] in random blocks whose numbers in half precision are small."""
    kind = gguf.GGMLQuantizationType[name]
    width, size = gguf.GGML_QUANT_SIZES[kind]
    generator = np.random.default_rng(seed)
    made = generator.integers(0, 256, size=(256 * 256 // width, size), dtype=np.uint8)
    for place in TYPES[name][1]:
        made[:, place : place + 2] = generator.uniform(1e-4, 1e-3, len(made)).astype("<f2")[:, None].view(np.uint8)
    return made.reshape(256, -1), kind


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> tuple[Scorer, dict[str, tuple[str, np.ndarray]]]:
    """A model with a matrix of each type, and by the name of its weight the type and its bytes."""
    model = make_model(
        hidden_size=256, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4
    )
    stored, tensors = {}, {}
    for number, name in enumerate(TYPES):
        layer, place = divmod(number, 3)
        made, kind = blocks(name, number)
        stored[f"model.layers.{layer}.mlp.{_PLACES[place]}.weight"] = name, made
        tensors[f"blk.{layer}.ffn_{_PLACES[place].removesuffix('_proj')}.weight"] = made, kind
    halves = model.model.embed_tokens.weight.detach().to(torch.bfloat16)
    tensors["token_embd.weight"] = halves.view(torch.uint8).numpy(), gguf.GGMLQuantizationType.BF16
    norm = model.model.layers[0].self_attn.v_proj.weight.detach().half()
    tensors["blk.0.attn_v.weight"] = norm.numpy(), gguf.GGMLQuantizationType.F16
    path = write_gguf(tmp_path_factory.mktemp("types") / "mixed.gguf", model, tokenizer, tensors=tensors)
    return Scorer.from_pretrained(path), stored


@pytest.mark.parametrize("name", TYPES)
def test_weights_are_those_of_the_layout(mixed: tuple[Scorer, dict[str, tuple[str, np.ndarray]]], name: str) -> None:
    scorer, stored = mixed
    place, made = next((place, made) for place, (kind, made) in stored.items() if kind == name)
    found = dict(scorer.model.named_parameters())[place].double().numpy()
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][1]
    for row in (0, 1, 100, 255):
        raw = made[row].tobytes()
        right = [value for at in range(0, len(raw), size) for value in TYPES[name][0](raw[at : at + size])]
        # Two products and a difference in float32.
        assert np.abs(found[row] - right).max() <= 3 * 2**-24 * max(map(abs, right)) * 8


def test_the_signature_says_how_they_were_stored(mixed: tuple[Scorer, dict[str, Any]], tmp_path: Path) -> None:
    scorer, _ = mixed
    assert scorer.signature()["stored"] == "Q4_0+Q4_1+Q4_K+Q5_0+Q5_K+Q6_K+Q8_0"
    assert "quantization:" not in str(scorer.signature())  # plain float32 in memory, so bits are kept
    assert scorer.keeps_bits and scorer.score("the cat").num_scored > 0


def test_plain_numbers_are_not_said_to_be_quantised(make_gguf: Any) -> None:
    assert "stored:" not in str(Scorer.from_pretrained(make_gguf(), engine="reference").signature())
