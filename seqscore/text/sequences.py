"""Items to token sequences: start token, context/continuation boundary, what is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, SeqscoreError
from seqscore.policies import BoundaryPolicy, SpecialTokensPolicy
from seqscore.text.boundary import NO_TOKEN, Boundary, BoundaryFlag, Joined
from seqscore.text.chat import is_chat, render_chat, render_turns, spelled_special_tokens
from seqscore.text.codec.encoder import Encoded, TextEncoder
from seqscore.text.codec.inside import encode_inside
from seqscore.text.codec.unknown import UnknownTokens, find_unknown
from seqscore.text.given import require_ids
from seqscore.text.items import Chat, Item, Pair
from seqscore.text.start import StartToken
from seqscore.text.turns import TurnSpan, encode_turns

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

    @property
    def model_ids(self) -> NDArray[np.int64]:
        """[n] or [n + 1]: what the model reads, the start token in front where there is one."""
        if self.start_token is None:
            return self.ids
        return np.concatenate([np.array([self.start_token], dtype=np.int64), self.ids])


@dataclass(frozen=True, slots=True)
class SequenceBuilder:
    """Builds token sequences under one set of policies.

    ``encoder`` honours ``special_tokens``; ``markup_encoder`` always parses them, for rendered chat templates.
    """

    tokenizer: Any
    encoder: TextEncoder
    markup_encoder: TextEncoder
    start: StartToken
    boundary: BoundaryPolicy
    special_tokens: SpecialTokensPolicy

    def build(self, items: Sequence[Item], *, first_index: int = 0) -> list[TokenSequence | SeqscoreError]:
        """One sequence an item, in order; an item that cannot be encoded gives its error, naming its index."""
        built: list[TokenSequence | SeqscoreError] = [InputError("not encoded")] * len(items)
        texts = [i for i, item in enumerate(items) if isinstance(item, str)]
        for i, encoded in zip(texts, self._encode_texts([str(items[i]) for i in texts]), strict=True):
            built[i] = encoded if isinstance(encoded, SeqscoreError) else self._plain(encoded, merge=self._merges_text)
        for i, item in enumerate(items):
            if not isinstance(item, str):
                try:
                    built[i] = self._other(item)
                except SeqscoreError as error:
                    built[i] = error
        unknown = find_unknown(self.tokenizer, self.encoder.unknown)
        return [
            one.for_item(first_index + i) if isinstance(one, SeqscoreError) else _marked(one, item, unknown)
            for i, (item, one) in enumerate(zip(items, built, strict=True))
        ]

    def _other(self, item: Item) -> TokenSequence:
        if isinstance(item, Pair):
            return self._pair(item.resolved())
        return self._chat(item) if isinstance(item, Chat) else self._ids(item)  # type: ignore[arg-type]

    def _encode_texts(self, texts: list[str]) -> list[Encoded | SeqscoreError]:
        """All at once, which is fast; one by one where one of them is bad, to know which."""
        try:
            return list(self.encoder.encode_batch(texts))
        except SeqscoreError:
            return [self._encode_or_error(text) for text in texts]

    def _encode_or_error(self, text: str) -> Encoded | SeqscoreError:
        try:
            return self.encoder.encode(text)
        except SeqscoreError as error:
            return error

    @property
    def _merges_text(self) -> bool:
        """Whether a text whose first token is the start token brings it along: where special tokens are parsed, and by
        lm-eval's rule. In a literal text that token (a line break, say) is text like any other."""
        return self.start.kind == "lm-eval" or (self.start.kind == "auto" and self.special_tokens == "parse")

    @property
    def _merges_ids(self) -> bool:
        """Whether token ids that begin with the start token bring it along."""
        return self.start.kind != "token"

    def _plain(self, encoded: Encoded, *, merge: bool) -> TokenSequence:
        """A text or token ids on their own: everything is scored that something stands before."""
        whole = TokenSequence(
            text=encoded.text,
            context=None,
            ids=encoded.ids,
            starts=encoded.starts,
            ends=encoded.ends,
            exact=encoded.exact,
            start_token=self.start.token_id,
            first_scored=0,
            is_pair=False,
            boundary=None,
        )
        return _settle_start(whole, merge=merge)

    def _ids(self, ids: Sequence[int]) -> TokenSequence:
        require_ids(ids)
        return self._plain(self.encoder.from_ids(ids), merge=self._merges_ids)

    def _pair(self, pair: Pair) -> TokenSequence:
        if isinstance(pair.continuation, str) and isinstance(pair.context, str):
            return self._text_pair(pair.context, pair.continuation)
        if isinstance(pair.continuation, str) and is_chat(pair.context):
            context = render_chat(self.tokenizer, pair.context, special_tokens=self.special_tokens)  # type: ignore[arg-type]
            if not context:
                raise InputError(
                    "the chat template writes nothing before the answer, so its first token has no context"
                )
            return self._behind_template()._text_pair(context, pair.continuation, rendered=True)
        if isinstance(pair.continuation, str) or isinstance(pair.context, str):
            raise InputError(
                f"a Pair is two texts, two lists of token ids, or chat messages and a text; got "
                f"{type(pair.context).__name__} and {type(pair.continuation).__name__}"
            )
        return self._ids_pair(pair.context, pair.continuation)  # type: ignore[arg-type]

    def _chat(self, chat: Chat) -> TokenSequence:
        if self.boundary not in ("auto", "separate"):
            raise InputError(f"boundary={self.boundary!r} is for Pairs; a Chat takes 'auto' or 'separate'")
        rendered = render_turns(self.tokenizer, chat, special_tokens=self.special_tokens)
        whole, turns, flag = encode_turns(rendered, self.markup_encoder, separate=self.boundary == "separate")
        context = rendered.text[: rendered.stretches[0][0]]
        joined = Joined(whole, turns[0].first_token, flag)
        return replace(self._behind_template()._joined(joined, context, with_start=True), turns=turns)

    def _behind_template(self) -> SequenceBuilder:
        """The builder for what a template rendered: nothing stands in front that the template did not write."""
        return replace(self, start=StartToken("none", None)) if self.start.kind == "auto" else self

    def _ids_pair(self, context: Sequence[int], continuation: Sequence[int]) -> TokenSequence:
        for part in (context, continuation):
            require_ids(part)
        before, after = self.encoder.from_ids(context), self.encoder.from_ids(continuation)
        if not len(after.ids):
            raise InputError("the continuation has no tokens; a Pair needs at least one to score")
        whole = self.encoder.from_ids([*before.ids.tolist(), *after.ids.tolist()])
        joined = Joined(whole, len(before.ids), "separate")
        return self._joined(joined, before.text, with_start=True, merge=self._merges_ids)

    def _text_pair(self, context: str, continuation: str, *, rendered: bool = False) -> TokenSequence:
        if not continuation:
            raise InputError("the continuation is empty; a Pair needs at least one token to score")
        if not context:
            return self._joined(Joined(self._first(continuation), 0, "clean"), context, with_start=True)
        # Markup is parsed in a rendered context only: a continuation that spells a special token stands apart.
        literal = rendered and self.special_tokens == "literal"
        foreign = literal and bool(spelled_special_tokens(self.tokenizer, continuation))
        lm_eval = self.start.kind == "lm-eval"
        encoder = self.markup_encoder if rendered else self.encoder
        encode = encoder.encode_with_defaults if lm_eval else encoder.encode
        found = self._meet(
            Boundary(context, continuation, encoder, self.encoder, encode),
            foreign=foreign,
        )
        return self._joined(found, context, with_start=not lm_eval or found.first == 0)

    def _first(self, continuation: str) -> Encoded:
        """A continuation behind nothing: its tokens are those that it has behind a context, but for lm-eval."""
        lm_eval = self.boundary == "lm-eval"
        found = self.encoder.encode(continuation) if lm_eval else encode_inside(self.encoder, continuation, behind="")
        if not len(found.ids):
            raise InputError(NO_TOKEN)
        return found

    def _meet(self, boundary: Boundary, *, foreign: bool) -> Joined:
        """Context and continuation as this policy joins them."""
        if self.boundary == "separate" or foreign:
            return boundary.apart("separate" if self.boundary == "separate" else "apart")
        if self.boundary == "lm-eval":
            return boundary.lm_eval()
        found = boundary.healed() if self.boundary == "healed" else boundary.clean_or_apart()
        # A healed token needs something before it; tokenised apart, the context has it, and all of the text is scored.
        return boundary.apart("apart") if found.flag == "healed" and self._is_bare(found) else found

    def _is_bare(self, joined: Joined) -> bool:
        """Whether nothing stands before the first scored token, not even a start token."""
        start = self.start.token_id
        return not joined.first and (start is None or (self._merges_text and int(joined.whole.ids[0]) == start))

    def _joined(
        self, joined: Joined, context: str | None, *, with_start: bool, merge: bool | None = None
    ) -> TokenSequence:
        whole = joined.whole
        sequence = TokenSequence(
            text=whole.text,
            context=context,
            ids=whole.ids,
            starts=whole.starts,
            ends=whole.ends,
            exact=whole.exact,
            start_token=self.start.token_id if with_start else None,
            first_scored=joined.first,
            is_pair=True,
            boundary=joined.flag,
            alternatives=joined.alternatives,
        )
        lifted = sequence if with_start else _lift_start(sequence, self.start.token_id)
        settled = _settle_start(lifted, merge=self._merges_text if merge is None else merge)
        if settled.first_scored >= len(settled.ids):
            raise InputError(_NOTHING_BEFORE)
        return settled


def _marked(sequence: TokenSequence, item: Item, unknown: UnknownTokens) -> TokenSequence:
    """The sequence with its unknown tokens (in ids, as in a text, a special token may be meant) and its delimiter."""
    part = item.continuation if isinstance(item, Pair) else item
    if isinstance(part, str | Chat) and sequence.text is not None:
        found = unknown.in_text(sequence.text, sequence.ids, sequence.starts, sequence.ends)
    else:
        found = unknown.in_ids(sequence.ids)
    delimiter = item.taken_delimiter() if isinstance(item, Pair) else None
    return replace(sequence, unknown=found, exact=sequence.exact and not found.any(), delimiter=delimiter)


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
