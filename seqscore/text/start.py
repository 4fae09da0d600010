"""The start token: what stands before the first token of a text, so that this token too can be scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from seqscore.errors import OptionError

__all__ = ["StartPolicy", "StartToken", "resolve_start"]

StartPolicy: TypeAlias = str | int
"""``auto``, ``none``, ``lm-eval``, or a token (its text or its id)."""


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


def resolve_start(tokenizer: Any, policy: StartPolicy) -> StartToken:
    """The start token that ``policy`` means for ``tokenizer``.

    ``auto`` and ``lm-eval``: the tokenizer's BOS, else its EOS, else none. A name that is not one of the policies must
    be a single token of the vocabulary; an integer is a token id.

    Raises:
        OptionError: the policy is neither a known name nor a token.
    """
    if policy == "none":
        return StartToken("none", None)
    if policy == "auto" or policy == "lm-eval":
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        return StartToken("auto" if policy == "auto" else "lm-eval", bos if bos is not None else eos)
    return StartToken("token", _token_id(tokenizer, policy))


def _token_id(tokenizer: Any, policy: StartPolicy) -> int:
    if isinstance(policy, int) and not isinstance(policy, bool):
        if 0 <= policy < len(tokenizer):
            return policy
        raise OptionError(f"bos={policy} is no token id of this tokenizer; expected 0 to {len(tokenizer) - 1}")
    vocabulary = tokenizer.get_vocab()
    if isinstance(policy, str) and policy in vocabulary:
        return int(vocabulary[policy])
    raise OptionError(f"bos={policy!r} is neither 'auto', 'none', 'lm-eval' nor a single token of this tokenizer")
