"""Items through a model in pieces, their scores in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from seqscore.calls.answers import check_answer, check_count
from seqscore.calls.notices import StartNotice
from seqscore.calls.opening import open_call
from seqscore.calls.text_call import TextCall, open_text_call
from seqscore.calls.token_call import TokenCall
from seqscore.calls.word_call import Correction, WordCall, open_word_call, plain_item
from seqscore.errors import InputError, OptionError, SeqscoreError
from seqscore.models.base import LanguageModel, TextModel, TokenModel
from seqscore.plan.chunks import FULL, GROWING, ChunkPolicy, chunks_of
from seqscore.plan.totals import Totals
from seqscore.plan.workload import Workload
from seqscore.policies import EXTRAS, Policies
from seqscore.text.items import Item, item_weight, share_beginning

Call: TypeAlias = TokenCall | TextCall
Score_co = TypeVar("Score_co", covariant=True)
T = TypeVar("T")
Items: TypeAlias = Sequence[Item | SeqscoreError]
Errors: TypeAlias = Literal["raise", "record"]


class Notices(Protocol):
    """Says what there is to say of items."""

    def say(self, items: Any, first_index: int, /) -> None:
        """Warn about items that are going to be scored."""


class Scoring(Protocol[Score_co]):
    """A call, whatever it makes of what a model gives back."""

    @property
    def model(self) -> LanguageModel[Any, Any]:
        """What it is for."""

    @property
    def policies(self) -> Policies:
        """As they were asked for."""

    @property
    def notices(self) -> Notices:
        """What there is to say of its items."""

    def prepare(self, items: Any, first_index: int, /) -> Sequence[Any]:
        """What to ask for each item, or its error."""

    def score(self, prepared: Any, told: Any, /) -> Score_co:
        """What an item comes to."""


def call_of(model: LanguageModel[Any, Any], policies: Policies, about_start: StartNotice) -> Call:
    """The policies of a call, resolved for a model of either form.

    Raises:
        OptionError: the model cannot do what a policy asks for.
    """
    if isinstance(model, TextModel):
        return open_text_call(model, policies, about_start)
    assert isinstance(model, TokenModel)
    return open_call(model, policies, about_start)


def word_call_of(
    model: LanguageModel[Any, Any],
    keywords: Mapping[str, Any],
    about_start: StartNotice,
    *,
    words: str,
    correction: Correction,
) -> WordCall:
    """A call for words with these policies; without a word about ``extras`` those that the model offers.

    Raises:
        OptionError: the model cannot do what is asked for, or there is no such choice.
    """
    policies = Policies.of({"extras": model.offers & set(EXTRAS), **keywords})
    return open_word_call(call_of(model, policies, about_start), words=words, correction=correction)


def score_alone(call: Scoring[Score_co], item: Any) -> Score_co:
    """The score of a single item.

    Raises:
        SeqscoreError: it cannot be scored; the message names no place, since there is one item only.
    """
    (only,) = scores_of(call, [[item]], errors="record")
    if isinstance(only, SeqscoreError):
        raise type(only)(only.message) from only
    return only


def scores_all(call: Scoring[Score_co], items: Iterable[Any]) -> list[Score_co]:
    """The scores of items that are planned together, in order.

    Raises:
        SeqscoreError: one cannot be scored; the message names its index.
    """
    return [one for one in scores_of(call, [list(items)], errors="raise") if not isinstance(one, SeqscoreError)]


def scores_of(
    call: Scoring[Score_co], chunks: Iterable[Sequence[Any]], *, errors: Errors
) -> Iterator[Score_co | SeqscoreError]:
    """One score or error an item, in order. A chunk is prepared when the model asks for it, which may be before what
    was asked for earlier is answered.

    ``errors="raise"``: an item that cannot be prepared ends it before its chunk is run.

    Raises:
        ModelError: the model gave back more or fewer results than it was asked for.
    """
    asked: deque[tuple[int, list[Any]]] = deque()
    model = call.model
    requests, num_told = _requests(call, chunks, asked, errors), 0
    for num_told, values in enumerate(model.stream(requests, extras=call.policies.asked), start=1):
        if not asked:
            check_count(model.kind, "batches", num_told, num_told - 1)
        first_index, prepared = asked.popleft()
        fit = [one for one in prepared if not isinstance(one, SeqscoreError)]
        check_count(model.kind, "results", len(values), sum(len(one.requests) for one in fit))
        told = iter(values)
        for index, one in enumerate(prepared, start=first_index):
            score = one if isinstance(one, SeqscoreError) else _score(call, one, told, index)
            if errors == "raise" and isinstance(score, SeqscoreError):
                raise score
            yield score
    next(requests, None)  # what a model that left off early was not yet asked
    check_count(model.kind, "batches", num_told, num_told + len(asked))


def _requests(
    call: Scoring[Any], chunks: Iterable[Sequence[Any]], asked: deque[tuple[int, list[Any]]], errors: Errors
) -> Iterator[list[Any]]:
    """What to ask the model for each chunk; what it was made from waits in ``asked``."""
    index = 0
    for chunk in chunks:
        prepared: list[Any] = list(call.prepare(chunk, index))
        if errors == "raise":
            for one in prepared:
                if isinstance(one, SeqscoreError):
                    raise one
        call.notices.say(chunk, index)
        asked.append((index, prepared))
        index += len(chunk)
        yield [request for one in prepared if not isinstance(one, SeqscoreError) for request in one.requests]


def _score(call: Scoring[Score_co], prepared: Any, told: Iterator[Any], index: int) -> Score_co | SeqscoreError:
    own = [next(told) for _ in prepared.requests]
    try:
        for request, one in zip(prepared.requests, own, strict=True):
            if isinstance(one, SeqscoreError):
                raise one
            check_answer(call.model.kind, request, one)
        return call.score(prepared, own)
    except SeqscoreError as error:
        return error.for_item(index)


def totals_of(call: Call, texts: Sequence[str]) -> Totals | None:
    """What the scores of plain texts would come to; None where that is not to be had without them."""
    if not isinstance(call, TokenCall) or not call.model.gives_totals or call.policies.asked:
        return None
    start, behind = call.builder.start, None if call.behind is None else call.behind.end
    if start.kind != "auto" or call.policies.special_tokens != "literal":
        return None
    found = call.model.totals(texts, start=start.token_id, end=None if behind is None else behind.token_id)
    if found is None or not (found.log_likelihoods <= 0.0).all():
        return None
    call.notices.say(texts, 0)
    return found


def workload_of_chunks(call: Call, chunks: Iterable[Items]) -> Workload:
    """How much running these chunks would be."""
    total, index = Workload(), 0
    for chunk in chunks:
        fit = [one for one in call.prepare(chunk, index) if not isinstance(one, SeqscoreError)]
        requests: list[Any] = [request for one in fit for request in one.requests]
        model: LanguageModel[Any, Any] = call.model
        total += replace(model.workload(requests), num_items=len(fit))
        index += len(chunk)
    return total


def logits_of(call: Call, item: Item) -> NDArray[np.float64]:
    """The logits at each scored token of an item of one window, [num_scored, V].

    Raises:
        InputError: the item cannot be scored, or takes more than one window.
        OptionError: the model gives no logits.
    """
    if not isinstance(call, TokenCall):
        raise OptionError(f"a {call.model.kind} model gives log-probabilities, and no logits")
    (prepared,) = call.prepare([item], 0)
    if isinstance(prepared, SeqscoreError):
        raise type(prepared)(prepared.message) from prepared
    if len(prepared.requests) > 1:
        raise InputError(
            f"the text takes {len(prepared.requests)} windows; logits are given for texts of one, of at most "
            f"{call.model.max_inputs} tokens"
        )
    return call.model.logits(prepared.requests)


def cut(items: Iterable[T], policy: ChunkPolicy, *, both_sides: bool = False) -> Iterator[list[T]]:
    """The items in pieces that are planned at once. ``both_sides``: by a model that reads them so."""
    if policy == "whole":
        yield list(items)
        return
    limits = FULL if policy == "full" else GROWING
    weigh = partial(_weight, both_sides=both_sides)
    yield from chunks_of(items, weigh=weigh, belongs=_belong_together, limits=limits)


def _weight(item: Any, both_sides: bool) -> int:
    return item_weight(plain_item(item), both_sides=both_sides)


def _belong_together(one: Any, other: Any) -> bool:
    return share_beginning(plain_item(one), plain_item(other))
