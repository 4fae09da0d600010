"""Items that are written out to tokens: how context and continuation are joined, which tokens are scored.

Second step of the way of an item (``text.written``, here, ``text.sequences``); the only one that asks the codec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, SeqscoreError
from seqscore.policies import BoundaryPolicy, SpecialTokensPolicy
from seqscore.text.boundary import NO_TOKEN, Boundary, BoundaryFlag, Joined, side_by_side
from seqscore.text.chat import RenderedChat
from seqscore.text.codec.any_encoder import AnyEncoder
from seqscore.text.codec.encoder import Encoded
from seqscore.text.codec.inside import encode_inside
from seqscore.text.start import Frame, StartToken
from seqscore.text.turns import TurnSpan, encode_turns
from seqscore.text.written import GivenIds, GivenIdsPair, Written, WrittenPair, WrittenPrompt, WrittenText


@dataclass(frozen=True, slots=True, eq=False)
class EncodedItem:
    """An item as tokens, before it is settled what stands in front of them.

    Attributes:
        tokens: all of its tokens.
        first: the first one that is scored, by its place; the tokens before are a context.
        start: the rule for the start token of this item.
        merges_start: whether a first token that is the start token counts as it, instead of a second one in front.
        has_defaults: whether the tokenizer put its own special tokens among the context's (lm-eval's rule).
        context: the text before the continuation; None for an item on its own.
        flag: how the two met; None for an item on its own.
        alternatives: ids [m] of which the first scored token is known to be one; None where nothing is known.
        delimiter: as in ``WrittenPair``; None for an item on its own.
        turns: the only targets, where there are any.
        is_text: whether it was written as text, so that an unknown token may be told from one that is spelled out.
    """

    tokens: Encoded
    start: StartToken
    merges_start: bool
    first: int = 0
    has_defaults: bool = False
    context: str | None = None
    flag: BoundaryFlag | None = None
    alternatives: NDArray[np.int64] | None = None
    delimiter: str | None = None
    turns: tuple[TurnSpan, ...] = ()
    is_text: bool = True


@dataclass(frozen=True, slots=True)
class ItemEncoder:
    """Encodes items under one set of policies.

    ``encoder`` honours ``special_tokens``; ``markup_encoder`` always parses them, for rendered chat templates.
    ``frame``: what stands around every text; the ends of it that an item brings along are taken off.
    ``source_encoder``: of contexts that another part of the model reads; they and what is scored are two texts then.
    """

    encoder: AnyEncoder
    markup_encoder: AnyEncoder
    start: StartToken
    boundary: BoundaryPolicy
    special_tokens: SpecialTokensPolicy
    frame: Frame | None = None
    source_encoder: AnyEncoder | None = None

    def encode_all(self, items: Sequence[Written | SeqscoreError]) -> list[EncodedItem | SeqscoreError]:
        """Each item's tokens, or the error why there are none; errors among the items stay what they are."""
        texts = iter(self._encode_texts([item.text for item in items if isinstance(item, WrittenText)]))
        return [next(texts) if isinstance(item, WrittenText) else self._encode_or_error(item) for item in items]

    def _encode_texts(self, texts: list[str]) -> list[EncodedItem | SeqscoreError]:
        """All at once, which is fast; one by one where one of them is bad, to know which."""
        try:
            return [self._text(one) for one in self.encoder.encode_batch(texts)]
        except SeqscoreError:
            return [self._encode_or_error(WrittenText(text)) for text in texts]

    def _encode_or_error(self, item: Written | SeqscoreError) -> EncodedItem | SeqscoreError:
        if isinstance(item, SeqscoreError):
            return item
        try:
            return self._encode(item)
        except SeqscoreError as error:
            return error

    def _encode(self, item: Written) -> EncodedItem:
        if isinstance(item, WrittenText):
            return self._text(self.encoder.encode(item.text))
        if isinstance(item, WrittenPair):
            return self._pair(item)
        if isinstance(item, RenderedChat):
            return self._chat(item)
        if isinstance(item, WrittenPrompt):
            return self._prompt(item)
        return self._ids(item) if isinstance(item, GivenIds) else self._ids_pair(item)

    def _text(self, tokens: Encoded) -> EncodedItem:
        merges = self.start.merges_text(self.special_tokens)
        return self._unframed(EncodedItem(tokens, self.start, merges))

    def _ids(self, item: GivenIds) -> EncodedItem:
        tokens = self.encoder.from_ids(item.ids)
        return self._unframed(EncodedItem(tokens, self.start, self.start.merges_ids, is_text=False))

    def _unframed(self, item: EncodedItem) -> EncodedItem:
        """The item without the ends of the frame that it brings along, if it may: they are put around it anyway."""
        if self.frame is None or not item.merges_start:
            return item
        inside = self.frame.inside(item.tokens.ids)
        if item.is_text:
            found, context = _part(item.tokens, inside), item.context
            cut = int(item.tokens.starts[inside.start]) if inside.start < len(item.tokens.ids) else 0
            context = None if context is None else context.encode()[cut:].decode()
        else:
            ids = item.tokens.ids
            found = self.encoder.from_ids(ids[inside].tolist())
            context = None if item.context is None else self._text_of(ids[inside.start : item.first])
        first = max(0, item.first - inside.start)
        if item.flag is not None and first >= len(found.ids):
            raise InputError(NO_TOKEN)
        return replace(item, tokens=found, context=context, first=first, merges_start=False)

    def _text_of(self, ids: NDArray[np.int64]) -> str | None:
        return self.encoder.from_ids(ids.tolist()).text

    def _ids_pair(self, item: GivenIdsPair) -> EncodedItem:
        before = (self.source_encoder or self.encoder).from_ids(item.context)
        after = self.encoder.from_ids(item.continuation)
        if not len(after.ids):
            raise InputError("the continuation has no tokens; a Pair needs at least one to score")
        return self._unframed(
            EncodedItem(
                self.encoder.from_ids([*before.ids.tolist(), *after.ids.tolist()])
                if self.source_encoder is None
                else side_by_side(before, after),
                self.start,
                self.start.merges_ids,
                first=len(before.ids),
                context=before.text,
                flag="separate",
                delimiter="",
                is_text=False,
            )
        )

    def _chat(self, chat: RenderedChat) -> EncodedItem:
        tokens, turns, flag = encode_turns(chat, self.markup_encoder, separate=self.boundary == "separate")
        start = self.start.behind_template()
        return EncodedItem(
            tokens,
            start,
            start.merges_text(self.special_tokens),
            first=turns[0].first_token,
            context=chat.text[: chat.stretches[0][0]],
            flag=flag,
            turns=turns,
        )

    def _prompt(self, prompt: WrittenPrompt) -> EncodedItem:
        """A context alone, none of its tokens a target."""
        if self.source_encoder is not None:
            return self._source_alone(prompt, self.source_encoder)
        if prompt.decoded is not None:
            raise InputError(
                "a context is a text, token ids or a list of messages, got a Pair, which is for models with an encoder"
            )
        if prompt.text is None:
            found = self._ids(GivenIds(prompt.ids))
        else:
            start = self.start.behind_template() if prompt.from_template else self.start
            encoder = self.markup_encoder if prompt.from_template else self.encoder
            has_defaults = start.kind == "lm-eval" and bool(prompt.text)
            tokens = encoder.encode_with_defaults(prompt.text) if has_defaults else encoder.encode(prompt.text)
            merges = start.merges_text(self.special_tokens)
            found = EncodedItem(tokens, start, merges, has_defaults=has_defaults)
        return replace(found, first=len(found.tokens.ids))

    def _source_alone(self, prompt: WrittenPrompt, source_encoder: AnyEncoder) -> EncodedItem:
        """A source, and how what is decoded given it begins."""
        source, decoded = prompt.ids if prompt.text is None else prompt.text, prompt.decoded or ""
        before = source_encoder.encode(source) if isinstance(source, str) else source_encoder.from_ids(source)
        after = self.encoder.encode(decoded) if isinstance(decoded, str) else self.encoder.from_ids(decoded)
        found = side_by_side(before, after) if len(after.ids) else before
        is_text = prompt.text is not None
        return EncodedItem(found, self.start, False, first=len(before.ids), context=before.text, is_text=is_text)

    def _pair(self, pair: WrittenPair) -> EncodedItem:
        start = self.start.behind_template() if pair.from_template else self.start
        merges = start.merges_text(self.special_tokens)
        if self.source_encoder is not None:
            joined = self._two_texts(pair, self.source_encoder)
        else:
            joined = self._joined(pair, start, merges) if pair.context else self._behind_nothing(pair.continuation)
        return self._unframed(
            EncodedItem(
                joined.whole,
                start,
                merges,
                first=joined.first,
                has_defaults=start.kind == "lm-eval" and joined.first > 0,
                context=pair.context,
                flag=joined.flag,
                alternatives=joined.alternatives,
                delimiter=pair.delimiter,
            )
        )

    def _two_texts(self, pair: WrittenPair, source_encoder: AnyEncoder) -> Joined:
        """A source and what is decoded given it, each with the tokens that it has as a text of its own."""
        before, after = source_encoder.encode(pair.context), self.encoder.encode(pair.continuation)
        if not len(after.ids):
            raise InputError(NO_TOKEN)
        return Joined(side_by_side(before, after), len(before.ids), "separate")

    def _behind_nothing(self, continuation: str) -> Joined:
        """A continuation without a context: its tokens are those that it has behind one, but for lm-eval."""
        lm_eval = self.boundary == "lm-eval"
        found = self.encoder.encode(continuation) if lm_eval else encode_inside(self.encoder, continuation, behind="")
        if not len(found.ids):
            raise InputError(NO_TOKEN)
        return Joined(found, 0, "clean")

    def _joined(self, pair: WrittenPair, start: StartToken, merges: bool) -> Joined:
        """Context and continuation as the policy joins them."""
        joint = self.markup_encoder if pair.from_template else self.encoder
        encode = joint.encode_with_defaults if start.kind == "lm-eval" else joint.encode
        boundary = Boundary(pair.context, pair.continuation, joint, self.encoder, encode)
        if self.boundary == "separate" or pair.spells_markup:
            return boundary.apart("separate" if self.boundary == "separate" else "apart")
        if self.boundary == "lm-eval":
            return boundary.lm_eval()
        if self.boundary == "auto":
            return boundary.clean_or_apart()
        found = boundary.healed()
        # A healed token needs something before it; tokenised apart, the context has it, and all of the text is scored.
        ids = found.whole.ids
        bare = not found.first and (start.token_id is None or (merges and int(ids[0]) == start.token_id))
        return boundary.apart("apart") if found.flag == "healed" and bare else found


def _part(tokens: Encoded, inside: slice) -> Encoded:
    """Consecutive tokens of a text, with the text that they stand for."""
    assert tokens.text is not None
    ids, starts, ends = tokens.ids[inside], tokens.starts[inside], tokens.ends[inside]
    begin, end = (int(starts[0]), int(ends[-1])) if len(ids) else (0, 0)
    text = tokens.text.encode()[begin:end].decode(errors="replace")
    return Encoded(text, ids, starts - begin, ends - begin, exact=tokens.exact)
