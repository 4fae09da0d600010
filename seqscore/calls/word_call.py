"""One call of the scorer for the words of texts: its items cut into words, and what is asked at their borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.calls.notices import CallNotices
from seqscore.calls.prepared import Prepared
from seqscore.calls.text_call import PreparedText, TextCall
from seqscore.calls.token_call import TokenCall
from seqscore.errors import InputError, OptionError, SeqscoreError
from seqscore.models.base import LanguageModel
from seqscore.plan.requests import Request, Subset, Values
from seqscore.policies import Policies, check_choice
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.scores.word_scores import WordScores, word_scores
from seqscore.text.end import TargetBehind
from seqscore.text.given import require_ids
from seqscore.text.given_words import GivenWords, find_words
from seqscore.text.items import Chat, Item, Pair
from seqscore.text.segmentation import GIVEN, Segmentation, segmentation_of, words_at
from seqscore.text.sequences import TokenSequence
from seqscore.text.word_borders import Ask, BorderRule
from seqscore.text.word_tokens import PlacedWords, WordTokens, tokens_of

Correction: TypeAlias = Literal["auto", "none", "space", "punctuation"]
"""How a word's probability accounts for where the word ends. ``space``: the next token begins with white space, or the
text is over; ``punctuation``: or begins with punctuation; ``none``: it does not. ``auto``: ``space``, where words are
set apart by white space, as given ones are, and model and tokenizer have it; else ``none``."""

CORRECTIONS: tuple[Correction, ...] = ("auto", "none", "space", "punctuation")

WordItem: TypeAlias = Item | GivenWords
"""A text, a Pair, or given words."""

_LOGS: dict[Ask, int] = {"begins": 0, "unspaced": 1}
"""The subset whose mass a border asks for."""


@dataclass(frozen=True, slots=True)
class PreparedWords:
    """What is asked for one text: as for its score, with masses at borders of words.

    ``item``: what was given. ``placed``, ``tokens``: the words and their tokens, None where these are known once the
    text is scored. ``asks``: [n + 1], of the borders; None where nothing is corrected.
    """

    inner: Any
    requests: tuple[Any, ...]
    item: WordItem
    placed: PlacedWords | None = None
    tokens: WordTokens | None = None
    asks: Sequence[Ask] | None = None


@dataclass(frozen=True, slots=True)
class WordNotices:
    """``CallNotices`` for items among which there are given words."""

    inner: CallNotices

    def say(self, items: Sequence[WordItem | SeqscoreError], first_index: int) -> None:
        """See there."""
        self.inner.say([plain_item(item) for item in items], first_index)


@dataclass(frozen=True, slots=True)
class WordCall:
    """The way from items to the scores of their words.

    ``inner``: the call that scores the texts. ``rule``: what is asked at borders; None where nothing is corrected.
    ``subsets``: the tokens whose masses are asked for, see ``BorderRule``. ``plain``: the call for texts whose words
    are to be found, where the rule is for given words alone.
    """

    inner: TokenCall | TextCall
    segmentation: Segmentation
    rule: BorderRule | None = None
    subsets: tuple[Subset, ...] = ()
    plain: TokenCall | None = None

    def _rule_of(self, item: WordItem | SeqscoreError) -> BorderRule | None:
        """What is asked at the borders of an item's words."""
        return self.rule if self.plain is None or isinstance(item, GivenWords) else None

    @property
    def model(self) -> LanguageModel[Any, Any]:
        """What it is for."""
        return self.inner.model

    @property
    def policies(self) -> Policies:
        """As they were asked for."""
        return self.inner.policies

    @property
    def notices(self) -> WordNotices:
        """What there is to say of its items."""
        return WordNotices(self.inner.notices)

    def prepare(
        self, items: Sequence[WordItem | SeqscoreError], first_index: int
    ) -> list[PreparedWords | SeqscoreError]:
        """What to ask for each item; one that has no words gives its error, naming its index."""
        fit = [_with_text(item) for item in items]
        made = self._asked(fit, first_index)
        return [
            one.for_item(index) if isinstance(one, SeqscoreError) else self._prepared(one, item, index)
            for index, (one, item) in enumerate(zip(made, items, strict=True), start=first_index)
        ]

    def score(self, prepared: PreparedWords, told: Sequence[Any]) -> WordScores:
        """The scores of the words of a text whose requests gave ``told``.

        Raises:
            SeqscoreError: the text could not be scored, or has no words.
        """
        found: SequenceScore = self.inner.score(prepared.inner, told)
        placed, tokens, masses = prepared.placed, prepared.tokens, None
        if placed is None or tokens is None:
            placed = self._placed(prepared.item, found)
            tokens = tokens_of(placed, found.starts, found.ends, first=0 if found.context is None else _first(found))
        if prepared.asks is not None:
            masses = _border_masses(prepared.asks, tokens.borders, _token_masses(prepared.inner, told))
        name = GIVEN if isinstance(prepared.item, GivenWords) else self.segmentation.name
        rule = self._rule_of(prepared.item)
        # What parts words, and what the tokenizer marks.
        correction = "none" if rule is None else f"{rule.word_break}/{rule.marks.marks}"
        settings = _with_fields(found.settings, words=name, correction=correction)
        return word_scores(found, placed, tokens, masses=masses, settings=settings)

    def _asked(self, items: Sequence[WordItem | SeqscoreError], first_index: int) -> list[Any]:
        """What is asked for the texts of items, or their errors."""
        if self.plain is None:
            return list(self.inner.prepare([plain_item(item) for item in items], first_index))
        made: list[Any] = [None] * len(items)
        for call, is_given in ((self.inner, True), (self.plain, False)):
            places = [place for place, item in enumerate(items) if isinstance(item, GivenWords) == is_given]
            found = call.prepare([plain_item(items[place]) for place in places], first_index)
            for place, one in zip(places, found, strict=True):
                made[place] = one
        return made

    def _prepared(
        self, inner: Prepared | PreparedText, item: WordItem | SeqscoreError, index: int
    ) -> PreparedWords | SeqscoreError:
        assert not isinstance(item, SeqscoreError)
        if isinstance(inner, PreparedText):
            return PreparedWords(inner, inner.requests, item)
        sequence = self._without_end(inner.sequence)
        try:
            placed = self._placed(item, sequence)
        except SeqscoreError as error:
            return error.for_item(index)
        first = sequence.first_scored if sequence.is_pair else 0
        tokens = tokens_of(placed, sequence.starts, sequence.ends, first=first)
        rule = self._rule_of(item)
        if rule is None:
            return PreparedWords(inner, inner.requests, item, placed, tokens)
        asks = rule.asks(placed, tokens, sequence.ids)
        return PreparedWords(inner, self._asking(inner, asks, tokens.borders), item, placed, tokens, asks)

    def _without_end(self, sequence: TokenSequence) -> TokenSequence:
        """The text in which the words stand: without the end token that it spells, where that is scored."""
        behind = self.inner.behind if isinstance(self.inner, TokenCall) else None
        if behind is None or sequence.text is None or not behind.brought_by(sequence):
            return sequence
        text = sequence.text.encode()[: int(sequence.starts[-1])].decode("utf-8", "ignore")
        ids, starts, ends = sequence.ids[:-1], sequence.starts[:-1], sequence.ends[:-1]
        return replace(sequence, text=text, ids=ids, starts=starts, ends=ends)

    def _placed(self, item: WordItem, found: TokenSequence | SequenceScore) -> PlacedWords:
        """The words of a text that was cut into tokens."""
        if found.text is None:
            raise InputError("the text of these tokens is not known, so it has no words")
        context, delimiter = found.context or "", found.delimiter or ""
        text = found.text[len(context) + len(delimiter) :]
        given = find_words(item.words, text) if isinstance(item, GivenWords) else None
        words = self.segmentation.words(text) if given is None else words_at(text, given)
        begin = len(context.encode())
        return PlacedWords(words, found.text, begin + len(delimiter.encode()), begin)

    def _asking(self, inner: Prepared, asks: Sequence[Ask], borders: NDArray[np.int64]) -> tuple[Request, ...]:
        """The requests, with the mass that each border asks for at the token that stands there."""
        at = np.full(len(inner.sequence.ids) + 1, -1, np.int64)
        for ask, token in zip(asks, borders.tolist(), strict=True):
            if ask in _LOGS:
                at[token] = _LOGS[ask]
        return tuple(
            _with_subsets(request, self.subsets, at[first : first + request.num_targets])
            for first, request in zip(_firsts(inner), inner.requests, strict=True)
        )


def _firsts(inner: Prepared) -> list[int]:
    """The token that the first target of each request is."""
    start = 0 if inner.sequence.start_token is None else 1
    return [window.first_target - start + inner.num_source for window in inner.layout.windows]


def _with_subsets(request: Request, subsets: tuple[Subset, ...], at: NDArray[np.int64]) -> Request:
    """The request asking for ``subsets`` where it asks for none itself. (``healed`` asks at its first target.)"""
    own = np.full(request.num_targets, -1, np.int64) if request.subset_of is None else request.subset_of
    numbers = np.where(own >= 0, own, np.where(at >= 0, at + len(request.subsets), -1))
    if (numbers < 0).all():
        return request
    return replace(request, subsets=(*request.subsets, *subsets), subset_of=numbers)


def _token_masses(inner: Prepared, told: Sequence[Values]) -> NDArray[np.float64]:
    """[t + 1]: the mass that was asked for at each token and behind the last, NaN where none was."""
    masses = np.full(len(inner.sequence.ids) + 1, np.nan)
    for first, values in zip(_firsts(inner), told, strict=True):
        if values.masses is not None:
            masses[first : first + len(values.masses)] = values.masses
    return masses


def _border_masses(asks: Sequence[Ask], borders: NDArray[np.int64], masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n + 1]: log P(B) at each border, NaN where it is not known."""
    found = [
        0.0 if ask == "certain" else masses[token] if ask in _LOGS else np.nan
        for ask, token in zip(asks, borders.tolist(), strict=True)
    ]
    return np.array(found, np.float64)


def plain_item(item: WordItem | SeqscoreError) -> Item | SeqscoreError:
    """What of an item is scored."""
    return item.item() if isinstance(item, GivenWords) else item


def _with_text(item: WordItem | SeqscoreError) -> WordItem | SeqscoreError:
    """The item, or why it has no words."""
    if isinstance(item, str | GivenWords | SeqscoreError):
        return item
    if isinstance(item, Pair) and isinstance(item.continuation, str):
        return item
    if not isinstance(item, Pair | Chat):
        try:
            require_ids(item)
        except InputError as error:
            return error
    what = "a Chat" if isinstance(item, Chat) else "token ids"
    return InputError(f"words are those of a text, and here are {what}: give a text, a Pair of texts or GivenWords")


def _first(found: SequenceScore) -> int:
    """The first token that is scored."""
    return int(found.scored.argmax())


def _with_fields(settings: Signature, **fields: str) -> Signature:
    return Signature((*settings.fields, *fields.items()))


def open_word_call(inner: TokenCall | TextCall, *, words: str, correction: Correction) -> WordCall:
    """A call for words.

    Args:
        inner: the call that scores the texts.
        words: how words are found, see ``seqscore.text.segmentation``.
        correction: how their probabilities account for where they end.

    Returns:
        The call.

    Raises:
        OptionError: there is no such choice, or the correction is asked for by name and cannot be given.
        MissingDependencyError: a library is missing.

    Example:
        >>> from seqscore import Scorer
        >>> Scorer.from_pretrained().words("It rained.").settings["correction"]
        'space/begin'
    """
    check_choice("correction", correction, CORRECTIONS)
    segmentation = segmentation_of(words)
    if correction == "none":
        return WordCall(inner, segmentation)
    reason = _why_uncorrected(inner)
    if reason is not None:
        if correction == "auto":
            return WordCall(inner, segmentation)
        raise OptionError(f"correction={correction!r}: {reason}; use correction='none'")
    assert isinstance(inner, TokenCall)
    marks, anew = inner.builder.encoder.word_marks, inner.model.conditioning == "source"
    rule = BorderRule(marks, "space" if correction == "auto" else correction, begins_anew=anew)
    plain = None if correction != "auto" or segmentation.sets_apart else inner
    if rule.marks.marks == "end":
        return WordCall(inner, segmentation, rule, plain=plain)
    kinds = (rule.marks.begins(rule.word_break), rule.marks.unspaced())
    known = tuple(Subset(ids[ids < inner.model.vocabulary], peak=False) for ids in kinds)
    # What may stand behind the last word is known from a target there, whichever; it is no part of the score.
    return WordCall(replace(inner, behind=inner.behind or TargetBehind(0)), segmentation, rule, known, plain)


def _why_uncorrected(inner: TokenCall | TextCall) -> str | None:
    """Why words of this model are not corrected; None where they are."""
    model = inner.model
    if not isinstance(inner, TokenCall) or not inner.model.gives_masses or model.conditioning == "both":
        return f"a {model.kind} model does not give the probability of all tokens that begin a word"
    if inner.builder.encoder.word_marks.marks is None:
        return "no token of this tokenizer marks where a word begins or ends"
    return None
