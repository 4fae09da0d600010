"""The end token: what a model gives where a text is over, scored behind the last token given all of the text.

It is a target behind a text and no part of it. Where it is reported (``eos="scored"``) it is the last row among the
tokens of a score, and the last one among its words, which stand in the text before it: also where the text spells it.
Where only the distribution at its place is asked for (the mass of what may follow a last word), it is run and left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from seqscore.errors import OptionError
from seqscore.policies import EndPolicy
from seqscore.text.sequences import TokenSequence
from seqscore.text.start import declared_token, named_token, special_token_ids


@dataclass(frozen=True, slots=True)
class EndToken:
    """An end policy resolved for one tokenizer: the token's id, and its name for people."""

    kind: Literal["scored", "token"]
    token_id: int
    name: str

    def describe(self) -> str:
        """As it stands in a signature: the policy and the id of the token."""
        return f"{self.kind}/{self.token_id}"


@dataclass(frozen=True, slots=True)
class TargetBehind:
    """A target behind every text of a call.

    ``end``: the end token that it is, a row of every score and part of its sums; None: it is run for the distribution
    at its place, whatever the target, and is no part of a score. ``token_id``: the target. ``in_texts``: whether a text
    may spell the end token; one that does, or ids that end with it, bring it along, and no second one is put there.
    """

    token_id: int
    end: EndToken | None = None
    in_texts: bool = False

    def brought_by(self, sequence: TokenSequence) -> bool:
        """Whether the last token of a sequence is its end token."""
        ids, may = sequence.ids, self.end is not None and (self.in_texts or not sequence.is_text)
        return may and len(ids) > 0 and int(ids[-1]) == self.token_id

    def put(self, sequence: TokenSequence) -> TokenSequence:
        """The sequence with this target behind it, where it does not bring it along."""
        return sequence if self.brought_by(sequence) else replace(sequence, behind=self.token_id)

    def reported(self, sequence: TokenSequence) -> TokenSequence:
        """What a score lists: the sequence with its end token as the last row, which stands for no byte."""
        if sequence.behind is None or self.end is None:
            return replace(sequence, behind=None)
        end = len(sequence.text.encode()) if sequence.text is not None else 0
        unknown = sequence.unknown
        return replace(
            sequence,
            ids=np.append(sequence.ids, self.token_id),
            starts=np.append(sequence.starts, end),
            ends=np.append(sequence.ends, end),
            unknown=None if unknown is None else np.append(unknown, False),
            behind=None,
        )


def resolve_end(tokenizer: Any, policy: EndPolicy, *, declared: int | None = None) -> EndToken | None:
    """The end token that ``policy`` means for ``tokenizer``; None for ``none``.

    ``scored``: the tokenizer's EOS, else the one that the model's configuration declares (``declared``). Any other text
    must spell a special token; a whole number, also as text, is the id of any token.

    Raises:
        OptionError: the policy is neither a known name nor a token, or there is no end token.
    """
    if policy == "none":
        return None
    if policy != "scored":
        number = named_token(tokenizer, policy, option="eos", names="'none', 'scored'")
        return EndToken("token", number, _name(tokenizer, number))
    own = getattr(tokenizer, "eos_token_id", None)
    found = own if isinstance(own, int) else declared
    if found is None:
        raise OptionError(
            "eos='scored' needs the token that ends a text, and neither the tokenizer nor the model's configuration "
            "names one; name it (eos='</s>', or its id), or leave it out"
        )
    return EndToken("scored", found, _name(tokenizer, found))


def declared_end(tokenizer: Any, configs: Sequence[Any], *, vocabulary: int) -> int | None:
    """The ``eos_token_id`` that a model's configurations declare, the first one where it is a list."""
    return declared_token(tokenizer, configs, name="eos_token_id", vocabulary=vocabulary)


def _name(tokenizer: Any, number: int) -> str:
    """A special token as it is spelled, another one by its text."""
    spelled = {found: text for text, found in special_token_ids(tokenizer).items()}
    return spelled[number] if number in spelled else str(tokenizer.decode([number]))
