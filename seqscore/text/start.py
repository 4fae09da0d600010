"""The start token: what stands before the first token of a text, so that this token too can be scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import OptionError
from seqscore.policies import SpecialTokensPolicy, StartPolicy


@dataclass(frozen=True, slots=True)
class StartToken:
    """A start policy resolved for one tokenizer.

    ``token_id`` is None where no token stands in front. ``kind`` says which rule applies.
    """

    kind: Literal["auto", "none", "lm-eval", "token"]
    token_id: int | None

    def describe(self) -> str:
        """As it stands in a signature: the policy and the id of the token."""
        return self.kind if self.kind == "none" else f"{self.kind}/{'none' if self.token_id is None else self.token_id}"

    def merges_text(self, special_tokens: SpecialTokensPolicy) -> bool:
        """Whether a text whose first token is the start token brings it along: where special tokens are parsed, and by
        lm-eval's rule. In a literal text that token (a line break, say) is text like any other."""
        return self.kind == "lm-eval" or (self.kind == "auto" and special_tokens == "parse")

    @property
    def merges_ids(self) -> bool:
        """Whether token ids that begin with the start token bring it along."""
        return self.kind != "token"

    def behind_template(self) -> StartToken:
        """The rule for what a chat template rendered: nothing stands in front that the template did not write."""
        return StartToken("none", None) if self.kind == "auto" else self


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every text of a model that sees both sides of a token: ``before`` it, and ``behind`` it."""

    before: int
    behind: tuple[int, ...]

    def inside(self, ids: NDArray[np.int64]) -> slice:
        """Where the text stands in ids [n] that may bring the frame along, or one end of it."""
        begin = int(len(ids) > 0 and ids[0] == self.before)
        end = len(ids) - len(self.behind)
        brings = bool(self.behind) and end >= begin and tuple(ids[end:].tolist()) == self.behind
        return slice(begin, end if brings else len(ids))


def resolve_start(tokenizer: Any, policy: StartPolicy, *, declared: int | None = None) -> StartToken:
    """The start token that ``policy`` means for ``tokenizer``.

    ``auto``: the tokenizer's BOS, else the one that the model's configuration declares (``declared``), else the
    tokenizer's EOS, else none. ``lm-eval`` knows the tokenizer's alone. Any other text must spell a special token (so
    that a misspelt policy is never taken for a word of the vocabulary); a whole number, also as text, is the id of any
    token.

    Raises:
        OptionError: the policy is neither a known name nor a token.
    """
    if policy == "none":
        return StartToken("none", None)
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if policy == "auto":
        return StartToken("auto", next((one for one in (bos, declared, eos) if one is not None), None))
    if policy == "lm-eval":
        return StartToken("lm-eval", bos if bos is not None else eos)
    return StartToken("token", named_token(tokenizer, policy, option="bos", names="'auto', 'none', 'lm-eval'"))


def declared_start(tokenizer: Any, configs: Sequence[Any], *, vocabulary: int) -> int | None:
    """The ``bos_token_id`` of the first of a model's configurations that declares one of its vocabulary.

    A number that only repeats the default of the configuration's class says nothing about this model: it counts where
    the tokenizer marks that token as special, and not as padding or unknown.
    """
    return declared_token(tokenizer, configs, name="bos_token_id", vocabulary=vocabulary)


def declared_token(tokenizer: Any, configs: Sequence[Any], *, name: str, vocabulary: int) -> int | None:
    """The token that the first of a model's configurations to declare one calls ``name``, see ``declared_start``; of
    several the first one."""
    special = set(special_token_ids(tokenizer).values()) - {tokenizer.pad_token_id, tokenizer.unk_token_id}
    size = min(vocabulary, len(tokenizer))
    for config in configs:
        value = getattr(config, name, None)
        number = value[0] if isinstance(value, list | tuple) and value else value
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < size:
            continue
        if number in special or number != _default_of(type(config), name):
            return number
    return None


def _default_of(kind: type, name: str) -> object:
    """What a configuration of this class about which nothing is known calls ``name``."""
    try:
        return getattr(kind(), name, None)
    except Exception:  # noqa: BLE001 - a class of anybody's, which may not be made without arguments
        return None


def named_token(tokenizer: Any, policy: str | int, *, option: str, names: str) -> int:
    """The id of the token that ``option`` names: the text of a special token, or any id, also as text.

    Raises:
        OptionError: it is none; the message says which ``names`` and tokens there are.
    """
    special = special_token_ids(tokenizer)
    if isinstance(policy, str) and policy in special:
        return special[policy]
    number: object = int(policy) if isinstance(policy, str) and policy.isdecimal() else policy
    if not isinstance(policy, bool) and isinstance(number, Integral):
        if 0 <= int(number) < len(tokenizer):
            return int(number)
        raise OptionError(f"{option}={number} is no token id of this tokenizer; expected 0 to {len(tokenizer) - 1}")
    some = ", ".join(list(special)[:5]) or "it has none"
    known = f"{names}, a special token of this tokenizer ({some}) or a token id"
    raise OptionError(f"{option}={policy!r} is unknown; expected {known}")


def special_token_ids(tokenizer: Any) -> dict[str, int]:
    """The special tokens of a tokenizer and their ids."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    named = dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
    return {**{token.content: int(number) for number, token in added.items() if token.special}, **named}
