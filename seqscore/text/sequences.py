"""Items to token sequences: what stands before the first token, and which tokens are targets.

Last step of the way of an item: it is written out (``text.written``), encoded (``text.encoding``), and made a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, SeqscoreError
from seqscore.policies import BoundaryPolicy, SpecialTokensPolicy
from seqscore.text.boundary import BoundaryFlag
from seqscore.text.codec.any_encoder import AnyEncoder
from seqscore.text.codec.unknown import UnknownTokens
from seqscore.text.encoding import EncodedItem, ItemEncoder
from seqscore.text.items import Item, Prompt
from seqscore.text.start import Frame, StartToken
from seqscore.text.turns import TurnSpan
from seqscore.text.written import Written, write_out

_NOTHING_BEFORE = (
    "nothing stands before the continuation's only token, so it has no probability: the context gives no token, and "
    "there is no start token in front of it; give a context, or a start token (bos)"
)


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """An item as tokens.

    Shape: ``ids``, ``starts``, ``ends`` [n]; the start token is not among them. ``first_scored`` indexes ``ids``:
    tokens from there on are targets. ``is_pair`` says whether the tokens before are a context. ``unknown`` [n]: which
    tokens are the tokenizer's unknown token; what such a token stands for cannot be told from it, so with one of them
    the spans are not ``exact``. ``alternatives``: where the first scored token is known to be one of some tokens, their
    ids; its probability is then taken given that.
    ``delimiter``: what was put between context and continuation. ``turns``: the only targets, where there are any.
    ``is_text``: it was written as text, not as ids. ``behind``: a target behind the last token, none of ``ids``.
    """

    text: str | None
    context: str | None
    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    exact: bool
    start_token: int | None
    first_scored: int
    is_pair: bool
    boundary: BoundaryFlag | None
    unknown: NDArray[np.bool_] | None = None
    alternatives: NDArray[np.int64] | None = None
    delimiter: str | None = None
    turns: tuple[TurnSpan, ...] = ()
    is_text: bool = True
    behind: int | None = None

    @property
    def model_ids(self) -> NDArray[np.int64]:
        """[n] to [n + 2]: the ids with the start token in front and the target behind, where there are any."""
        around = [[] if one is None else [one] for one in (self.start_token, self.behind)]
        if not any(around):
            return self.ids
        front, back = (np.array(one, dtype=np.int64) for one in around)
        return np.concatenate([front, self.ids, back])


@dataclass(frozen=True, slots=True)
class SequenceBuilder:
    """Builds token sequences under one set of policies.

    ``encoder`` honours ``special_tokens``; ``markup_encoder`` always parses them, for rendered chat templates.
    ``frame``: what stands around every text, whatever the text brings along. ``source_encoder``: see ``ItemEncoder``.
    """

    tokenizer: Any
    encoder: AnyEncoder
    markup_encoder: AnyEncoder
    start: StartToken
    boundary: BoundaryPolicy
    special_tokens: SpecialTokensPolicy
    frame: Frame | None = None
    source_encoder: AnyEncoder | None = None

    def build(self, items: Sequence[Item | Prompt], *, first_index: int = 0) -> list[TokenSequence | SeqscoreError]:
        """One sequence an item, in order; an item that cannot be encoded gives its error, naming its index."""
        written = [self._written(item) for item in items]
        encoder = ItemEncoder(
            self.encoder,
            self.markup_encoder,
            self.start,
            self.boundary,
            self.special_tokens,
            self.frame,
            self.source_encoder,
        )
        unknown = self.encoder.unknown_tokens(self.tokenizer)
        built = [_sequence_or_error(one, unknown) for one in encoder.encode_all(written)]
        return [one.for_item(first_index + i) if isinstance(one, SeqscoreError) else one for i, one in enumerate(built)]

    def _written(self, item: Item | Prompt) -> Written | SeqscoreError:
        try:
            return write_out(item, self.tokenizer, special_tokens=self.special_tokens, boundary=self.boundary)
        except SeqscoreError as error:
            return error


def _sequence_or_error(item: EncodedItem | SeqscoreError, unknown: UnknownTokens) -> TokenSequence | SeqscoreError:
    if isinstance(item, SeqscoreError):
        return item
    try:
        return _sequence(item, unknown)
    except SeqscoreError as error:
        return error


def _sequence(item: EncodedItem, unknown: UnknownTokens) -> TokenSequence:
    """The item's tokens with its start token settled and its unknown tokens marked."""
    tokens = item.tokens
    sequence = TokenSequence(
        text=tokens.text,
        context=item.context,
        ids=tokens.ids,
        starts=tokens.starts,
        ends=tokens.ends,
        exact=tokens.exact,
        start_token=None if item.has_defaults else item.start.token_id,
        first_scored=item.first,
        is_pair=item.flag is not None,
        boundary=item.flag,
        alternatives=item.alternatives,
        delimiter=item.delimiter,
        turns=item.turns,
        is_text=item.is_text,
    )
    lifted = _lift_start(sequence, item.start.token_id) if item.has_defaults else sequence
    settled = _settle_start(lifted, merge=item.merges_start)
    if settled.is_pair and settled.first_scored >= len(settled.ids):
        raise InputError(_NOTHING_BEFORE)
    return _marked(settled, unknown, is_text=item.is_text)


def _marked(sequence: TokenSequence, unknown: UnknownTokens, *, is_text: bool) -> TokenSequence:
    """The sequence with its unknown tokens; in ids, as in a text, a special token may be meant."""
    if is_text and sequence.text is not None:
        found = unknown.in_text(sequence.text, sequence.ids, sequence.starts, sequence.ends)
    else:
        found = unknown.in_ids(sequence.ids)
    return replace(sequence, unknown=found, exact=sequence.exact and (unknown.keeps_spans or not found.any()))


def _settle_start(sequence: TokenSequence, *, merge: bool) -> TokenSequence:
    """With ``merge`` never two start tokens; without one the first token has nothing before it and is not scored."""
    ids, start = sequence.ids, sequence.start_token
    if start is not None and not (merge and len(ids) and ids[0] == start):
        return sequence
    if sequence.first_scored:
        return replace(sequence, start_token=None)
    return replace(sequence, start_token=None, first_scored=1, alternatives=None)


def _lift_start(sequence: TokenSequence, start: int | None) -> TokenSequence:
    """The BOS that the tokenizer itself put in front, which stands for no byte of the text, is the start token."""
    if sequence.first_scored > 0 and sequence.ids[0] == start and sequence.ends[0] == 0:
        return replace(
            sequence,
            ids=sequence.ids[1:],
            starts=sequence.starts[1:],
            ends=sequence.ends[1:],
            start_token=int(sequence.ids[0]),
            first_scored=sequence.first_scored - 1,
        )
    return sequence
