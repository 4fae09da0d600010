"""Tokenizers behind one interface: texts -> ids, ids -> text, offsets where there are any. On copies only."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from seqscore.errors import TokenizerError
from seqscore.policies import SpecialTokensPolicy
from seqscore.text.codec.python_source import PythonSource
from seqscore.text.codec.rust_source import RustSource
from seqscore.text.codec.vocabulary import PieceStyle

Offsets: TypeAlias = Sequence[tuple[int, int]]
"""For each token its first character and the one after its last."""

_PROBES = ("a b", "Hello, world: 3 é 日本 😀\n\ta  b")


class TokenSource(Protocol):
    """What :class:`seqscore.text.codec.encoder.TextEncoder` needs of a tokenizer."""

    @property
    def style(self) -> PieceStyle:
        """How its vocabulary strings are to be read."""
        ...

    @property
    def unknown(self) -> int | None:
        """The id of the unknown token, which may stand for any text."""
        ...

    @property
    def added(self) -> frozenset[int]:
        """Ids of added tokens, which stand for their content."""
        ...

    @property
    def special(self) -> Mapping[int, str]:
        """Id -> content of every special token."""
        ...

    def size(self) -> int:
        """One more than the highest token id."""
        ...

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, no special tokens added."""
        ...

    def offsets(self, text: str) -> Offsets | None:
        """Character offsets of the tokens that :meth:`ids` gives; None where the tokenizer has none."""
        ...

    def words(self, text: str) -> Sequence[int] | None:
        """For each token of :meth:`ids` the word that it was cut from, ascending; None: words are not cut first."""
        ...

    def with_defaults(self, text: str) -> tuple[list[int], list[bool]]:
        """Token ids with the special tokens that the tokenizer adds by default, and which of them it added."""
        ...

    def token(self, token_id: int) -> str | bytes | None:
        """The vocabulary string of a token, None where the id has none."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The tokenizer's own text for these tokens, special ones included, no spaces cleaned up."""
        ...


def open_source(tokenizer: Any, special_tokens: SpecialTokensPolicy) -> TokenSource:
    """A source on a copy of ``tokenizer``, which itself stays as it was.

    Raises:
        TokenizerError: it cannot be copied, or puts special tokens into a text although asked not to.
    """
    try:
        twin = copy.deepcopy(tokenizer)
    except Exception as error:  # a tokenizer may be anybody's program
        raise TokenizerError(
            f"the tokenizer ({type(tokenizer).__name__}) cannot be copied, and seqscore never changes the caller's "
            f"own: {error}"
        ) from error
    special = _special_tokens(twin)
    backend = getattr(twin, "backend_tokenizer", None) if getattr(twin, "is_fast", False) else None
    source: TokenSource = PythonSource(twin, special, special_tokens)
    if backend is not None:
        direct = RustSource(backend, special, special_tokens)
        if _agree(direct, source):
            source = direct
    _check_nothing_added(source, special, unknown=twin.special_tokens_map.get("unk_token"))
    return source


def _special_tokens(tokenizer: Any) -> dict[int, str]:
    """Id -> content of every token that the tokenizer calls special."""
    special = {
        int(number): str(token.content)
        for number, token in getattr(tokenizer, "added_tokens_decoder", {}).items()
        if token.special
    }
    for content in tokenizer.all_special_tokens:
        number = tokenizer.convert_tokens_to_ids(content)
        if number is not None and tokenizer.convert_ids_to_tokens([number])[0] == content:
            special[int(number)] = content
    return special


def _agree(direct: TokenSource, call: TokenSource) -> bool:
    """Whether the tokenizer's class does no more than its Rust tokenizer."""
    for text in _PROBES:
        if direct.ids([text]) != call.ids([text]) or direct.with_defaults(text)[0] != call.with_defaults(text)[0]:
            return False
    return True


def _check_nothing_added(source: TokenSource, special: Mapping[int, str], *, unknown: str | None) -> None:
    text = _PROBES[0]
    for number in source.ids([text])[0]:
        content = special.get(number)
        if content is not None and number != source.unknown and content != str(unknown) and content not in text:
            raise TokenizerError(
                f"the tokenizer puts its special token {content!r} (id {number}) into the text {text!r} although "
                f"add_special_tokens=False; it cannot be used to score plain text"
            )
