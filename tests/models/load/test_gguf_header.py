from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from seqscore.errors import ModelError
from seqscore.models.load.gguf import read_header
from seqscore.models.load.gguf_header import check_header

Make = Callable[..., Path]


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def header(entries: bytes = b"", *, count: int = 1, tensors: int = 0, tail: int = 64) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, count) + entries + bytes(tail)


def array(kind: int, count: int, key: bytes = b"a") -> bytes:
    return text(key) + struct.pack("<IIQ", 9, kind, count)


def tensor(*shape: int) -> bytes:
    return (
        text(b"t") + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 0, 0)
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header(array(0, 2**40)), "1,099,511,627,776 bytes of elements of arrays are announced where 64 are left"),
        (header(array(8, 2**60)), "elements of arrays"),
        (header(array(8, 2) + struct.pack("<Q", 2**63)), "bytes of bytes"),
        (header(array(9, 3)), "a value of unknown type 9"),  # arrays within arrays
        (header(array(77, 3)), "unknown type 77"),
        (header(text(b"a") + struct.pack("<IQ", 8, 2**50)), "are left"),
        (header(struct.pack("<Q", 2**50)), "are left"),
        (header(count=2**40), "bytes of entries are announced"),
        (header(count=2**64 - 1), "bytes of entries are announced"),
        (header(count=0, tensors=2**50), "bytes of tensors are announced"),
        (header(tensor(2**30, 2**30), count=0, tensors=1), "a tensor of 1,152,921,504,606,846,976 weights"),
        (header(text(b"t") + struct.pack("<I", 2**31), count=0, tensors=1), "dimensions"),
        (header(array(0, 0) * 2, count=3, tail=0), "where 0 are left"),
        (b"GGUF", "it has 4 bytes"),
    ],
)
def test_a_small_file_that_announces_much_is_refused_at_once(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"not a whole GGUF file .*{said}"):
        read_header(path)


@pytest.mark.parametrize(
    "content",
    [
        header(array(8, 30_000_000)),  # empty texts, an object each
        header(array(0, 2**30)),
        header(count=2**20),
        header(array(0, 2**21) + bytes(2**21) + array(0, 2**21 + 1, b"b"), count=2),
    ],
)
def test_a_hole_in_a_file_is_no_excuse(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.gguf"
    with path.open("wb") as file:
        file.write(content)
        file.truncate(1 << 40)
    with pytest.raises(ModelError, match="announced, more than any model has"):
        check_header(path)


def test_whole_files_of_both_byte_orders_pass(make_gguf: Make, tmp_path: Path) -> None:
    check_header(make_gguf())
    import gguf
    import numpy as np

    path = tmp_path / "big.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=gguf.GGUFEndian.BIG)
    writer.add_array("words", ["a", "b"])
    writer.add_array("numbers", [1.5, 2.5])
    writer.add_bool("flag", True)
    writer.add_tensor("t", np.ones((2, 3), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    check_header(path)


@pytest.mark.parametrize(
    ("key", "said"), [("llama.block_count", "num_hidden_layers"), ("llama.vocab_size", "vocab_size")]
)
def test_counts_of_a_gguf_are_held_against_its_weights(make_gguf: Make, key: str, said: str) -> None:
    path = make_gguf()
    data = bytearray(path.read_bytes())
    place = data.index(key.encode()) + len(key) + 4  # behind the type
    data[place : place + 4] = struct.pack("<I", 10**9)
    path.write_bytes(bytes(data))
    with pytest.raises(ModelError, match=f"ask for {said} 1,000,000,000"):
        read_header(path)
