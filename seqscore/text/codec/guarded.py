"""A tokenizer whose every failure is an error of ours.

What a tokenizer raises is anybody's choice, and a panic of the Rust library (a splitter that gives up on ten million
spaces, a vocabulary with two tokens of one id) is no ``Exception`` at all: uncaught it would end a run for one row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from seqscore.errors import TokenizerError, failing_as
from seqscore.policies import SpecialTokensPolicy
from seqscore.text.codec.growth import check_growth
from seqscore.text.codec.sources import Offsets, TokenSource, open_source
from seqscore.text.codec.vocabulary import PieceStyle, state_of

P = ParamSpec("P")
T = TypeVar("T")


def guarded_source(tokenizer: Any, special_tokens: SpecialTokensPolicy) -> GuardedSource:
    """A source on a copy of ``tokenizer``, which itself stays as it was.

    Raises:
        TokenizerError: it cannot be copied or tried, puts special tokens into a text although asked not to, or would
            make texts immensely longer.
    """
    with failing_as(TokenizerError, f"the tokenizer ({type(tokenizer).__name__}) cannot be used"):
        backend = getattr(tokenizer, "backend_tokenizer", None) if getattr(tokenizer, "is_fast", False) else None
        for part in ("normalizer", "decoder"):
            check_growth(state_of(getattr(backend, part, None)), where=f"the tokenizer's {part}")
        return GuardedSource(open_source(tokenizer, special_tokens))


class GuardedSource:
    """``source``, with every failure of it a ``TokenizerError``."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    @property
    def style(self) -> PieceStyle:
        """How its vocabulary strings are to be read."""
        return _guarded("be read", lambda: self._source.style)

    @property
    def unknown(self) -> int | None:
        """The id of the unknown token, which may stand for any text."""
        return self._source.unknown

    @property
    def special(self) -> Mapping[int, str]:
        """Id -> content of every special token."""
        return self._source.special

    @property
    def added(self) -> frozenset[int]:
        """Ids of added tokens, which stand for their content."""
        return self._source.added

    def size(self) -> int:
        """One more than the highest token id."""
        return _guarded("be read", self._source.size)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, no special tokens added."""
        return _guarded("encode this text", self._source.ids, texts)

    def offsets(self, text: str) -> Offsets | None:
        """Character offsets of the tokens that :meth:`ids` gives; None where the tokenizer has none."""
        return _guarded("encode this text", self._source.offsets, text)

    def words(self, text: str) -> Sequence[int] | None:
        """For each token of :meth:`ids` the word that it was cut from, ascending; None: words are not cut first."""
        return _guarded("encode this text", self._source.words, text)

    def with_defaults(self, text: str) -> tuple[list[int], list[bool]]:
        """Token ids with the special tokens that the tokenizer adds by default, and which of them it added."""
        return _guarded("encode this text", self._source.with_defaults, text)

    def token(self, token_id: int) -> str | bytes | None:
        """The vocabulary string of a token, None where the id has none."""
        return _guarded(f"read its token {token_id}", self._source.token, token_id)

    def tokens(self) -> list[str | bytes | None]:
        """The vocabulary strings of all ids."""
        return _guarded("read its tokens", lambda: list(map(self._source.token, range(self._source.size()))))

    def decode(self, ids: Sequence[int]) -> str:
        """The tokenizer's own text for these tokens, special ones included, no spaces cleaned up."""
        return _guarded("decode these tokens", self._source.decode, ids)


def _guarded(what: str, call: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
    with failing_as(TokenizerError, f"the tokenizer cannot {what}"):
        return call(*arguments, **more)
