"""What the way of an item asks of whatever makes tokens of texts: a tokenizer's encoder, or a model's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqscore.text.codec.encoder import Encoded
from seqscore.text.codec.unknown import UnknownTokens
from seqscore.text.codec.word_marks import WordMarks


class AnyEncoder(Protocol):
    """Text -> token ids and the bytes each token stands for; ``seqscore.text.codec.encoder.TextEncoder`` says more of
    each."""

    @property
    def unknown(self) -> int | None:
        """The id of the unknown token; None where there is none."""
        ...

    @property
    def marks_continued_words(self) -> bool:
        """Whether there are other tokens within a word than at its beginning."""
        ...

    @property
    def word_marks(self) -> WordMarks:
        """How its tokens mark where words begin and end."""
        ...

    @property
    def tells_words(self) -> bool:
        """Whether tokens tell which of them are of one word."""
        ...

    def token_words(self, text: str | None, ids: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """[n], ascending: which word of its text each token is part of."""
        ...

    def unknown_tokens(self, tokenizer: Any) -> UnknownTokens:
        """Which tokens stand for text that is not known; ``tokenizer``: the caller's, which may declare one."""
        ...

    def encode(self, text: str) -> Encoded:
        """The tokens of a text."""
        ...

    def encode_batch(self, texts: Sequence[str]) -> list[Encoded]:
        """Those of each text; errors name the item."""
        ...

    def encode_with_defaults(self, text: str) -> Encoded:
        """The tokens of a text with the special ones that are added by default."""
        ...

    def from_ids(self, ids: Sequence[int]) -> Encoded:
        """Token ids with the text that they stand for."""
        ...

    def piece(self, token_id: int) -> bytes:
        """The bytes that a token stands for."""
        ...

    def shown(self, token_id: int) -> str:
        """A token as people read it."""
        ...

    def is_verbatim(self, ids: NDArray[np.int64], text: str) -> bool:
        """Whether these tokens are the text's bytes, nothing added, changed or lost."""
        ...

    def adds_space(self, ids: NDArray[np.int64], text: str) -> bool:
        """Whether these tokens of a text begin with a space that it does not have."""
        ...

    def beginning_with(self, prefix: bytes, *, like: int) -> NDArray[np.int64]:
        """The ids of all tokens whose bytes begin with ``prefix``."""
        ...
