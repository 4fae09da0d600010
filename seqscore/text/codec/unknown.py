"""Tokens that stand for text which the tokenizer has no token for: n-gram tools count these as out of vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_OTHER_ROLES = ("bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id", "mask_token_id")


@dataclass(frozen=True, slots=True)
class UnknownTokens:
    """The unknown token of a tokenizer.

    ``spellings``: id -> how a text spells that token; two entries where the class and its Rust tokenizer disagree.
    ``own``: those that have no other task. GPT-2 declares its end of text as unknown token too, and never makes it
    of a text, since every byte is a token. ``keeps_spans``: it is known which bytes each of them stands for.
    """

    spellings: Mapping[int, str]
    own: frozenset[int]
    keeps_spans: bool = False

    def in_ids(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[n]: which of token ids, given as such, are the unknown token."""
        return np.isin(ids, list(self.own))

    def in_text(
        self, text: str, ids: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """[n]: which tokens of a text are the unknown token, but for those that the text itself spells out."""
        found = np.zeros(len(ids), np.bool_)
        for number in self.spellings:
            found |= ids == number
        data = text.encode() if found.any() else b""
        for index in np.flatnonzero(found).tolist():
            spelled = data[int(starts[index]) : int(ends[index])].strip()
            found[index] = spelled != self.spellings[int(ids[index])].encode()
        return found


def find_unknown(tokenizer: Any, model_unknown: int | None) -> UnknownTokens:
    """The unknown token that ``tokenizer`` declares, and that which its model really gives (None: it gives none)."""
    declared = getattr(tokenizer, "unk_token_id", None)
    others = {getattr(tokenizer, role, None) for role in _OTHER_ROLES}
    numbers = {int(number) for number in (declared, model_unknown) if number is not None}
    spellings = {number: str(tokenizer.convert_ids_to_tokens([number])[0]) for number in numbers}
    return UnknownTokens(spellings, frozenset(numbers - others))
