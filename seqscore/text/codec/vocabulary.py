"""What a token stands for: vocabulary string -> bytes, by the alphabet in which a tokenizer writes its vocabulary.

Three alphabets are in use. GPT-2's writes every byte as one printable character. SentencePiece's writes a space as
``U+2581`` and, where byte fallback is on, a single byte as ``<0xE4>``. All others write text plainly, some with a
mark for "continues a word" (WordPiece's ``##``) or "ends a word" (``</w>``). Added tokens stand for their content.

A reading found here is never trusted for a text: :mod:`seqscore.text.codec.spans` compares it with the text's bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Alphabet: TypeAlias = Literal["plain", "gpt2-bytes", "marker", "latin1"]
"""``latin1``: each character of a token is the byte of that number, as in ByT5."""

MARKER = "\u2581"
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")


@dataclass(frozen=True, slots=True)
class PieceStyle:
    """How vocabulary strings are to be read.

    Attributes:
        alphabet: the alphabet, see the module.
        marker: the character that stands for a space in the alphabet ``marker``.
        byte_tokens: whether ``<0xE4>`` stands for the byte E4.
        prefix: mark of a token that continues a word, empty where there is none.
        suffix: mark of a token that ends a word, empty where there is none.
    """

    alphabet: Alphabet = "plain"
    marker: str = MARKER
    byte_tokens: bool = False
    prefix: str = ""
    suffix: str = ""

    @property
    def marker_bytes(self) -> bytes | None:
        """The marker in UTF-8, None where the alphabet has none."""
        return self.marker.encode() if self.alphabet == "marker" else None

    def continues(self, token: str | bytes | None) -> bool:
        """Whether a vocabulary string is marked as one that continues a word."""
        return bool(self.prefix) and isinstance(token, str) and token.startswith(self.prefix) and token != self.prefix

    def ends(self, token: str | bytes | None) -> bool:
        """Whether a vocabulary string is marked as one that ends a word."""
        return bool(self.suffix) and isinstance(token, str) and token.endswith(self.suffix)

    def read(self, token: str | bytes | None, *, added: bool = False) -> bytes:
        """The bytes that a vocabulary string stands for. An added token is read literally, byte and marker apart."""
        if token is None:
            return b""
        if isinstance(token, bytes):
            return token
        if self.byte_tokens and (match := _BYTE_TOKEN.match(token)):
            return bytes([int(match.group(1), 16)])
        if self.alphabet == "marker":
            token = token.replace(self.marker, " ")
        if added:
            return _utf8(token)
        return self._alphabet_bytes(self._without_marks(token))

    def _without_marks(self, token: str) -> str:
        if self.continues(token):
            token = token[len(self.prefix) :]
        if self.suffix and token.endswith(self.suffix):
            token = token[: len(token) - len(self.suffix)]
        return token

    def _alphabet_bytes(self, token: str) -> bytes:
        try:
            if self.alphabet == "gpt2-bytes":
                return bytes([_GPT2_BYTE[character] for character in token])
            if self.alphabet == "latin1":
                return token.encode("latin-1")
        except (KeyError, UnicodeEncodeError):
            pass  # not written in that alphabet: a token that was put into the vocabulary as it stands
        return _utf8(token)


def _utf8(token: str) -> bytes:
    return token.encode("utf-8", "replace")


def _gpt2_byte_of_character() -> dict[str, int]:
    """GPT-2's alphabet: printable Latin-1 bytes are themselves, the others are numbered from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(0x100 + number): byte for number, byte in enumerate(hidden)})
    return table


_GPT2_BYTE = _gpt2_byte_of_character()


class PieceTable(dict[int, bytes]):
    """Token id -> the bytes it stands for, looked up in the vocabulary on first use.

    Args:
        token: gives the vocabulary string of an id, None for an id that has none.
        style: how that string is to be read.
        added: ids of added tokens.
    """

    def __init__(
        self, token: Callable[[int], str | bytes | None], *, style: PieceStyle, added: frozenset[int] = frozenset()
    ) -> None:
        super().__init__()
        self._token = token
        self._added = added
        self.style = style

    def __missing__(self, token_id: int) -> bytes:
        piece = self.style.read(self._token(token_id), added=token_id in self._added)
        self[token_id] = piece
        return piece


def candidate_styles() -> tuple[PieceStyle, ...]:
    """The styles that a tokenizer which does not tell its own may have, the simplest first."""
    return (
        PieceStyle("plain"),
        PieceStyle("latin1"),
        PieceStyle("gpt2-bytes"),
        PieceStyle("marker"),
        PieceStyle("marker", byte_tokens=True),
    )


def style_of_backend(backend: Any) -> PieceStyle:
    """The style of a ``tokenizers.Tokenizer``, from its pre-tokenizer, normaliser, decoder and model."""
    parts = [
        part
        for component in (backend.pre_tokenizer, backend.normalizer, backend.decoder)
        for part in _parts(state_of(component))
    ]
    kinds = {part.get("type") for part in parts}
    prefix = getattr(backend.model, "continuing_subword_prefix", None) or ""
    suffix = getattr(backend.model, "end_of_word_suffix", None) or ""
    if "ByteLevel" in kinds:
        return PieceStyle("gpt2-bytes", prefix=prefix, suffix=suffix)
    markers = [marker for part in parts if (marker := _marker(part))]
    return PieceStyle(
        "marker" if markers else "plain",
        marker=markers[0] if markers else MARKER,
        byte_tokens="ByteFallback" in kinds or bool(getattr(backend.model, "byte_fallback", False)),
        prefix=prefix,
        suffix=suffix,
    )


def state_of(component: Any) -> Any:
    """A component's settings; None for no component, or one written in Python, which has none to show."""
    if component is None:
        return None
    try:
        return json.loads(component.__getstate__())
    except Exception:  # noqa: BLE001 - the library raises just that
        return None


def _parts(state: Any) -> Iterator[dict[str, Any]]:
    """A component and all components within it."""
    if isinstance(state, dict):
        yield state
        for value in state.values():
            yield from _parts(value)
    elif isinstance(state, list):
        for value in state:
            yield from _parts(value)


def _marker(part: dict[str, Any]) -> str | None:
    """The character that this component writes for a space, or reads as one."""
    if part.get("type") == "Metaspace":
        marker = part.get("replacement") or part.get("str_rep")
        return marker if isinstance(marker, str) else None
    if part.get("type") != "Replace":
        return None
    pattern = part.get("pattern")
    written = pattern.get("String") if isinstance(pattern, dict) else None
    pair: Sequence[Any] = (written, part.get("content"))
    return MARKER if " " in pair and MARKER in pair else None
