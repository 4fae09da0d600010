"""How much longer a tokenizer's normaliser or decoder can make a text, found from its settings alone.

A few lines of ``tokenizer.json`` can replace ``a`` by a thousand ``a``, three times over: four letters then ask for
terabytes, and a failed allocation in Rust ends the process without an exception. So this is asked before any text, or
any added token, is run through it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from math import inf
from typing import Any

from seqscore.errors import TokenizerError

MAX_GROWTH = 256
"""Bytes that one byte of text may become. Those in use triple a space, and write some signs 33 times as long; one
after the other, 99."""

_MAX_STEPS = 1000


def check_growth(settings: Any, *, where: str) -> None:
    """Refuse a normaliser or decoder that makes some text more than ``MAX_GROWTH`` times as long.

    Args:
        settings: the component as ``tokenizer.json`` holds it.
        where: names the tokenizer, for the message.

    Raises:
        TokenizerError: it does.
    """
    if growth(settings) > MAX_GROWTH:
        raise TokenizerError(
            f"{where} makes texts more than {MAX_GROWTH} times as long (its replacements feed one another), which "
            "would take all memory: it is damaged, or meant to do harm"
        )


def growth(settings: Any) -> float:
    """The most bytes that one byte becomes where these replacements, in their order, feed one another.

    Found by following what each pattern becomes; a regular expression is taken to match every byte. Infinite where it
    is above ``MAX_GROWTH``, or would take too long to find.
    """
    steps = list(_replacements(settings))
    if len(steps) > _MAX_STEPS:
        return inf
    most = 1.0
    for begin, (pattern, content) in enumerate(steps):
        limit = MAX_GROWTH * max(1, len(pattern))
        text = content
        for then, by in steps[begin + 1 :]:
            text = _replaced(text, then, by, limit)
        if len(text) > limit:
            return inf
        most = max(most, len(text) / max(1, len(pattern)))
    return most


def _replaced(text: bytes, pattern: bytes, content: bytes, limit: int) -> bytes:
    """``text`` after one more replacement; anything longer than ``limit`` where it is, or becomes, longer."""
    count = text.count(pattern) if pattern else len(text)
    if len(text) > limit or len(text) + count * (len(content) - len(pattern or b".")) > limit:
        return text if len(text) > limit else text + bytes(limit)
    return text.replace(pattern, content) if pattern else content * count or text


def _replacements(settings: Any) -> Iterator[tuple[bytes, bytes]]:
    """Pattern (empty: any) and content of each replacement, in order; of a table, its longest content."""
    if isinstance(settings, list):
        for one in settings:
            yield from _replacements(one)
    elif isinstance(settings, dict):
        if settings.get("type") == "Replace":
            pattern = settings.get("pattern")
            plain = pattern.get("String") if isinstance(pattern, dict) else None
            yield _bytes(plain), _bytes(settings.get("content"))
        elif settings.get("type") == "Precompiled":
            yield b"", _longest(settings.get("precompiled_charsmap"))
        else:
            yield from _replacements([value for value in settings.values() if isinstance(value, dict | list)])


def _longest(table: Any) -> bytes:
    """The longest entry of SentencePiece's table: the size of its index, the index, then entries that end in NUL."""
    try:
        data = base64.b64decode(_bytes(table))
    except binascii.Error:
        return b""
    entries = data[4 + int.from_bytes(data[:4], "little") :]
    return max(entries.split(b"\0"), key=len)


def _bytes(text: Any) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b""
