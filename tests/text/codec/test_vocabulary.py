from __future__ import annotations

import pytest
from tokenizers import pre_tokenizers

from seqscore.text.codec.vocabulary import PieceStyle, PieceTable, candidate_styles, style_of_backend
from tests.tokenizers_for_tests import build, gpt2_alphabet


def test_gpt2_alphabet_reads_every_byte() -> None:
    letters = gpt2_alphabet()
    assert sorted(letters) == sorted(pre_tokenizers.ByteLevel.alphabet())  # the helper's table, against the library's
    style = PieceStyle("gpt2-bytes")
    assert [style.read(letter) for letter in letters] == [bytes([b]) for b in range(256)]


@pytest.mark.parametrize(
    ("style", "token", "added", "expected"),
    [
        (PieceStyle("gpt2-bytes"), "Ġthe", False, b" the"),
        (PieceStyle("gpt2-bytes"), "Ġthe", True, "Ġthe".encode()),  # an added token stands for its content
        (PieceStyle("gpt2-bytes"), "日", False, "日".encode()),  # not written in the alphabet
        (PieceStyle("marker"), "▁the", False, b" the"),
        (PieceStyle("marker"), "▁▁", True, b"  "),  # Gemma's runs of spaces, which merges reach too
        (PieceStyle("marker", marker="_"), "_the", False, b" the"),
        (PieceStyle("marker", byte_tokens=True), "<0xE4>", False, b"\xe4"),
        (PieceStyle("marker", byte_tokens=True), "<0xE4>>", False, b"<0xE4>>"),
        (PieceStyle("marker"), "<0xE4>", False, b"<0xE4>"),
        (PieceStyle("plain", prefix="##"), "##ing", False, b"ing"),
        (PieceStyle("plain", prefix="##"), "##", False, b"##"),
        (PieceStyle("plain", prefix="##"), "##ing", True, b"##ing"),
        (PieceStyle("plain", suffix="</w>"), "cat</w>", False, b"cat"),
        (PieceStyle("latin1"), "Ã¤", False, "ä".encode()),
        (PieceStyle("latin1"), "日", False, "日".encode()),
        (PieceStyle("plain"), b"\xe4", False, b"\xe4"),
        (PieceStyle("plain"), None, False, b""),
    ],
)
def test_reading(style: PieceStyle, token: str | bytes | None, added: bool, expected: bytes) -> None:
    assert style.read(token, added=added) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("byte-level", PieceStyle("gpt2-bytes")),
        ("byte-level-digits", PieceStyle("gpt2-bytes")),
        ("llama-2", PieceStyle("marker", byte_tokens=True)),
        ("llama-2-unknown", PieceStyle("marker", byte_tokens=True)),  # its decoder reads bytes, its vocabulary has none
        ("metaspace-first", PieceStyle("marker", byte_tokens=True)),
        ("gemma", PieceStyle("marker", byte_tokens=True)),
        ("unigram-nfkc", PieceStyle("marker")),
        ("wordpiece", PieceStyle("plain", prefix="##")),
        ("characters", PieceStyle("plain")),
        ("suffix-bpe", PieceStyle("plain", suffix="</w>")),
    ],
)
def test_style_of_backend(kind: str, expected: PieceStyle) -> None:
    assert style_of_backend(build(kind).backend_tokenizer) == expected


def test_style_without_a_decoder_comes_from_the_pre_tokenizer() -> None:
    backend = build("byte-level").backend_tokenizer
    backend.decoder = None
    assert style_of_backend(backend).alphabet == "gpt2-bytes"


def test_style_with_components_written_in_python() -> None:
    class Custom:
        def pre_tokenize(self, pretok: object) -> None:
            raise NotImplementedError

    backend = build("llama-2").backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(Custom())  # such a component shows no settings
    assert style_of_backend(backend) == PieceStyle("marker", byte_tokens=True)


def test_candidates_begin_with_the_simplest() -> None:
    assert candidate_styles()[0] == PieceStyle("plain")
    assert len(set(candidate_styles())) == len(candidate_styles())


def test_table_asks_for_each_token_once() -> None:
    asked: list[int] = []

    def token(token_id: int) -> str:
        asked.append(token_id)
        return "Ġa"

    table = PieceTable(token, style=PieceStyle("gpt2-bytes"), added=frozenset({7}))
    assert [table[3], table[3], table[7]] == [b" a", b" a", "Ġa".encode()]
    assert asked == [3, 7]
