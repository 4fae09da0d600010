"""One call of the scorer for what stands behind contexts: the most probable tokens, and given words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from seqscore.calls.notices import CallNotices, StartNotice
from seqscore.calls.opening import open_call
from seqscore.calls.prepared import Prepared
from seqscore.calls.token_call import TokenCall
from seqscore.errors import InputError, ModelError, NumericsError, OptionError, SeqscoreError
from seqscore.models.base import LanguageModel, TokenModel
from seqscore.plan.requests import Request, Values
from seqscore.policies import Policies, whole_number
from seqscore.scores.next_scores import NextTokens, NextWords, next_words
from seqscore.scores.word_scores import WordScores
from seqscore.text.chat import is_chat
from seqscore.text.items import Context, Pair, Prompt
from seqscore.text.joins import DELIMITER_AUTO

WHOLE = r"\S+(?:\s+\S+)*"
"""All of a continuation but the white space around it, as a pattern of ``seqscore.text.segmentation``."""


@dataclass(frozen=True, slots=True)
class PreparedNext:
    """A context, and the one request that asks what stands behind it, where a decoder has read something before that
    with the values of that as well."""

    inner: Prepared
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class NextCall:
    """The way from contexts to requests of one target each, and from their values to tokens."""

    inner: TokenCall

    @property
    def model(self) -> TokenModel:
        """What it is for."""
        return self.inner.model

    @property
    def policies(self) -> Policies:
        """As they were asked for."""
        return self.inner.policies

    @property
    def notices(self) -> CallNotices:
        """What there is to say of its contexts."""
        return self.inner.notices

    def prepare(self, items: Sequence[Prompt | SeqscoreError], first_index: int) -> list[PreparedNext | SeqscoreError]:
        """What to ask for each context; one behind which nothing can be expected gives its error, naming its index."""
        made = self.inner.prepare(items, first_index)
        return [
            one if isinstance(one, SeqscoreError) else _prepared(one, index)
            for index, one in enumerate(made, start=first_index)
        ]

    def score(self, prepared: PreparedNext, told: Sequence[Values]) -> NextTokens:
        """The tokens behind a context.

        Raises:
            NumericsError: the model gave NaN.
        """
        (values,) = told
        sequence, layout = prepared.inner.sequence, prepared.inner.layout
        if values.top_ids is None or values.top_logprobs is None or values.entropies is None:
            raise ModelError(
                f"the {self.model.kind} model gave no most probable tokens: a defect of this kind of model"
            )
        if np.isnan(values.entropies).any() or np.isnan(values.top_logprobs).any():
            raise NumericsError(
                "the model's forward pass gives NaN behind the context: its weights are damaged, or this dtype "
                "overflows; try dtype='float32'"
            )
        ids, source = values.top_ids[-1], sequence.context
        has_source = self.model.conditioning == "source"
        return NextTokens(
            context=source if has_source else sequence.text,
            target_begins=(sequence.text or "").removeprefix(source or "") if has_source else "",
            ids=ids,
            texts=tuple(self.inner.builder.encoder.shown(number) for number in ids.tolist()),
            logprobs=values.top_logprobs[-1],
            entropy=float(values.entropies[-1]),
            start_token=sequence.start_token if layout.reads_start else None,
            num_context=len(sequence.ids),
            num_unread=_num_unread(prepared, 0 if sequence.start_token is None else 1),
            settings=self.inner.signature,
        )


def _num_unread(prepared: PreparedNext, start: int) -> int:
    """Tokens that are not read for what comes next; of what is decoded, those before its last window."""
    layout = prepared.inner.layout
    if len(prepared.inner.requests) == 1:
        return layout.num_unread_tokens(start)
    return layout.windows[-1].begin - start


def _prepared(inner: Prepared, index: int) -> PreparedNext | SeqscoreError:
    if not inner.layout.has_end:
        return InputError(
            "nothing stands before the next token, so it has no probability: the context gives no token, and there is "
            "no start token in front of it; give a context, or a start token (bos)"
        ).for_item(index)
    return PreparedNext(inner, inner.requests[-1:])  # what a decoder read before has windows of its own


def open_next_call(
    model: LanguageModel[Any, Any], keywords: Mapping[str, Any], about_start: StartNotice, *, k: object
) -> NextCall:
    """A call for the ``k`` most probable tokens behind contexts, with these policies.

    Raises:
        OptionError: the model has no next token, or there is no such choice.
    """
    check_next(model, keywords, about="tokens")
    if keywords.get("long", "windows") == "truncate":
        raise OptionError(
            "long='truncate' cuts the end of a text that no continuation stands behind, and the next token is expected "
            "there; 'windows' reads as much of a context's end as fits"
        )
    policies = Policies.of({**keywords, "extras": ("entropy",), "top_k": whole_number("k", k, least=1)})
    assert isinstance(model, TokenModel)
    return NextCall(open_call(model, policies, about_start, behind="always"))


def check_next(
    model: LanguageModel[Any, Any], keywords: Mapping[str, Any], *, about: Literal["tokens", "words"]
) -> None:
    """Refuse what has no meaning behind a context, where its most probable tokens or given words are asked for.

    Raises:
        OptionError: it says why.
    """
    if model.conditioning == "both":
        raise OptionError(
            f"a {model.kind} model expects a token given those on both sides of it, and behind a context there are "
            f"none: next tokens are for models that read from left to right"
        )
    if not isinstance(model, TokenModel):
        raise OptionError(f"a {model.kind} model gives the probabilities of texts; its next tokens are not known")
    if about == "tokens" and "entropy" not in model.offers:
        raise OptionError(
            f"a {model.kind} model does not give the probabilities of all tokens behind a context, so it is not known "
            f"which are the most probable; given words have theirs: Scorer.next_words, or score with a context"
        )
    for name in ("eos", "extras", "top_k"):
        if _is_asked(name, keywords.get(name)):
            raise OptionError(
                f"{name}={keywords[name]!r} is no option here: the entropy is always given, k says how many tokens, "
                f"and the end token is one of them"
            )


def _is_asked(name: str, value: Any) -> bool:
    """Whether an option of a call is more than its default."""
    if name == "extras" and isinstance(value, Collection) and not isinstance(value, str):
        return len(value) > 0
    return value is not None and value != (0 if name == "top_k" else "none" if name == "eos" else None)


def word_items(context: Context, words: Sequence[str]) -> list[Pair]:
    """A Pair a word, which all share the context; a space between them where they would touch otherwise. White space
    behind a word is no part of it, and left out.

    Raises:
        InputError: the context is no text and no chat, or a word is none.
    """
    if isinstance(words, str):
        raise InputError(f"words must be several texts, got the single text {words[:60]!r}; give a list")
    if not isinstance(context, str) and not is_chat(context):
        raise InputError(
            "words stand behind a text or a list of messages; behind token ids it is not known how a word begins: "
            "next_tokens takes those"
        )
    for index, word in enumerate(words):
        if not isinstance(word, str) or not word.strip():
            raise InputError(f"{word!r} is no word; expected a text", item=index)
    return [Pair(context, word.rstrip(), DELIMITER_AUTO) for word in words]


def words_of(words: Sequence[str], found: Sequence[WordScores]) -> NextWords:
    """The words behind a context from the scores of their Pairs, each of which has one word.

    Raises:
        InputError: there are none.
    """
    if not found:
        raise InputError("there is no word; give one at least")
    return next_words(
        found[0].score.context,
        words,
        [len(one.score) - int(one.score.scored.argmax()) for one in found],
        log_likelihoods=[one.log_likelihood for one in found],
        corrected=[float(one.corrected[0]) if len(one) else float("nan") for one in found],
        num_unread=max(one.score.num_unread + one.score.num_cut for one in found),
        settings=found[0].settings,
    )
