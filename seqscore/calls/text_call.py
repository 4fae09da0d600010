"""One call of the scorer on a model that is given texts and cuts them into tokens itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seqscore.calls.notices import CallNotices, StartNotice
from seqscore.calls.opening import signature_of
from seqscore.calls.refusals import check_extras
from seqscore.errors import InputError, OptionError, SeqscoreError
from seqscore.models.base import TextModel, TextValues
from seqscore.policies import Policies
from seqscore.scores.assemble import assemble
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.codec.encoder import checked_text
from seqscore.text.items import Item, Pair
from seqscore.text.sequences import TokenSequence
from seqscore.text.start import StartToken


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text that is asked for, behind its context where it has one."""

    requests: tuple[str, ...]
    context: str | None
    delimiter: str | None


@dataclass(frozen=True, slots=True)
class TextCall:
    """The way from items to texts, and from what the model says of texts to scores."""

    model: TextModel
    policies: Policies
    notices: CallNotices
    signature: Signature

    def prepare(self, items: Sequence[Item | SeqscoreError], first_index: int) -> list[PreparedText | SeqscoreError]:
        """The text of each item; what is no text gives its error, naming its index."""
        made = [item if isinstance(item, SeqscoreError) else _prepared(item) for item in items]
        return [
            one.for_item(index) if isinstance(one, SeqscoreError) else one
            for index, one in enumerate(made, start=first_index)
        ]

    def score(self, prepared: PreparedText, told: Sequence[TextValues | SeqscoreError]) -> SequenceScore:
        """The score of a text.

        Raises:
            SeqscoreError: the model could not score it, or a token of its own reaches over the end of the context.
        """
        (one,) = told
        assert not isinstance(one, SeqscoreError)
        encoded, first = one.encoded, one.first
        if prepared.context is not None:
            first = max(first, _first_behind(prepared.context, one))
        sequence = TokenSequence(
            text=encoded.text,
            context=prepared.context,
            ids=encoded.ids,
            starts=encoded.starts,
            ends=encoded.ends,
            exact=encoded.exact,
            start_token=None,
            first_scored=first,
            is_pair=prepared.context is not None,
            boundary=None if prepared.context is None else "clean",
            delimiter=prepared.delimiter,
        )
        values = one.values.take(slice(first - one.first, None))
        score = assemble(
            sequence,
            [values],
            firsts=[first],
            num_cut=0,
            num_unread=0,
            extras=self.policies.asked,
            settings=self.signature,
        )
        return score if one.top_texts is None else replace(score, top_texts=_texts_of_all(one, len(score), first))


def open_text_call(model: TextModel, policies: Policies, about_start: StartNotice) -> TextCall:
    """The policies of a call, for a model that decides itself what stands in front of a text and how it is cut.

    Raises:
        OptionError: the model cannot do what a policy asks for.
    """
    check_extras(model, policies)
    usual = Policies()
    for name in ("eos", "boundary", "long", "special_tokens", "masking"):
        value, only = getattr(policies, name), getattr(usual, name)
        if value != only:
            raise OptionError(
                f"{name}={value!r} is for models that are given token ids; a {model.kind} model takes {only!r}"
            )
    model, start = model.with_start(policies.bos)
    long = f"{policies.long}/{'none' if model.max_inputs is None else model.max_inputs}"
    signature = signature_of(model, bos=start, special="own", boundary="own", long=long)
    return TextCall(model, policies, CallNotices(None, StartToken("none", None), about_start), signature)


def _prepared(item: Item) -> PreparedText | SeqscoreError:
    if isinstance(item, str):
        return _checked(PreparedText((item,), None, None))
    if not isinstance(item, Pair) or not isinstance(item.context, str) or not isinstance(item.continuation, str):
        return InputError("this model is given texts: it scores a text, or a Pair of two")
    try:
        whole, delimiter = item.resolved(), item.taken_delimiter()
    except SeqscoreError as error:
        return error
    if not whole.continuation:
        return InputError("the continuation is empty; a Pair needs at least one token to score")
    return _checked(PreparedText((f"{whole.context}{whole.continuation}",), item.context, delimiter))


def _checked(prepared: PreparedText) -> PreparedText | SeqscoreError:
    """A text, or why it is none."""
    try:
        checked_text(prepared.requests[0], 0)
    except SeqscoreError as error:
        return error
    return prepared


def _texts_of_all(told: TextValues, num_tokens: int, first: int) -> tuple[tuple[str, ...], ...]:
    """The texts of the most probable tokens at each token, none at those before ``first``."""
    assert told.top_texts is not None
    return tuple(tuple(told.top_texts[place - told.first]) if place >= first else () for place in range(num_tokens))


def _first_behind(context: str, told: TextValues) -> int:
    """The token that begins where the context ends."""
    end = len(context.encode("utf-8"))
    first = int(np.searchsorted(told.encoded.starts, end))
    if first == len(told.encoded.ids) or told.encoded.starts[first] != end:
        raise InputError(
            "a token reaches over the end of the context, and this model cuts texts itself: end the context "
            "where a word ends, with the space in the continuation"
        )
    return first
