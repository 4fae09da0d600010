"""One call of the scorer: its policies, resolved, and what they make of items and of what a model gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqscore._version import __version__
from seqscore.calls.notices import CallNotices, StartNotice
from seqscore.calls.window_requests import window_requests
from seqscore.errors import InputError, ModelError, OptionError, SeqscoreError
from seqscore.models.base import LanguageModel, TokenModel
from seqscore.plan.requests import Request, Subset, Values
from seqscore.policies import BoundaryPolicy, Policies
from seqscore.scores.assemble import assemble
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.chat import is_chat
from seqscore.text.end import EndToken, TargetBehind
from seqscore.text.items import Chat, Item, Pair, Prompt
from seqscore.text.joins import DELIMITER_AUTO
from seqscore.text.masking import hidden_stretches
from seqscore.text.sequences import SequenceBuilder, TokenSequence
from seqscore.text.start import Frame, StartToken
from seqscore.text.windows import Layout, layout, layout_both_sides, layout_decoded, with_end


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sequence with its windows, each of them a request to the model.

    ``num_source``: how many of its first tokens are what an encoder reads, in front of which no window begins;
    ``num_source_cut``: how many of them it does not read.
    """

    sequence: TokenSequence
    layout: Layout
    requests: tuple[Request, ...]
    num_source: int = 0
    num_source_cut: int = 0


@dataclass(frozen=True, slots=True)
class TokenCall:
    """The way from items to requests, and from the values of requests to scores.

    ``model``: what it is for. ``policies``: as they were asked for. ``signature``: with what they came to. ``behind``:
    a target behind every text, see ``seqscore.text.end``.
    """

    model: TokenModel
    policies: Policies
    builder: SequenceBuilder
    notices: CallNotices
    signature: Signature
    behind: TargetBehind | None = None

    def prepare(
        self, items: Sequence[Item | Prompt | SeqscoreError], first_index: int
    ) -> list[Prepared | SeqscoreError]:
        """Encode the items and lay their windows; an item that cannot be scored gives its error, naming its index."""
        fit = [self._fit(item) for item in items]
        built = iter(self.builder.build([item for item in fit if not isinstance(item, SeqscoreError)]))
        one_each = [item if isinstance(item, SeqscoreError) else next(built) for item in fit]
        subsets = _Subsets(self.model.vocabulary)
        found = [self._prepare_one(one, index, subsets) for index, one in enumerate(one_each, start=first_index)]
        if self.model.conditioning == "both":
            self._say_cost(found, first_index)
        return found

    def score(self, prepared: Prepared, values: Sequence[Values]) -> SequenceScore:
        """The score of a sequence whose requests gave ``values``.

        Raises:
            NumericsError: a value is NaN; the message names the token.
        """
        sequence, windows, start = prepared.sequence, prepared.layout, _num_start(prepared.sequence)
        if sequence.alternatives is not None:
            values = [_given_alternatives(values[0]), *values[1:]]
        listed = sequence if self.behind is None else self.behind.reported(sequence)
        has_row = len(listed.ids) > len(sequence.ids)
        return assemble(
            listed if windows.reads_start else replace(listed, start_token=None),
            values,
            firsts=[window.first_target - start + prepared.num_source for window in windows.windows],
            num_cut=windows.num_cut_tokens(start)
            + (has_row and windows.cuts_end(len(sequence.ids) - prepared.num_source + start))
            + prepared.num_source_cut,
            num_unread=windows.num_unread_tokens(start),
            extras=self.policies.asked,
            settings=self.signature,
            shown=self.builder.encoder.shown,
            end=None if self.behind is None else self.behind.end,
            leaves_last=windows.has_end and not has_row,
        )

    def _say_cost(self, found: Sequence[Prepared | SeqscoreError], first_index: int) -> None:
        for index, one in enumerate(found, start=first_index):
            if isinstance(one, Prepared):
                work = self.model.workload(one.requests)
                self.notices.say_cost(index, rows=work.num_targets or 0, positions=work.num_run or 0)

    def _fit(self, item: Item | Prompt | SeqscoreError) -> Item | Prompt | SeqscoreError:
        """The item, or why it cannot be scored so."""
        if self.behind is not None and self.behind.end is not None and _is_chat(item):
            return InputError(
                f"eos={self.policies.eos!r} is for texts: a chat template writes what ends a turn itself; "
                f"Chat(messages, end='scored') scores that"
            )
        return _for_this(self.model, item)

    def _prepare_one(
        self, one: TokenSequence | SeqscoreError, index: int, subsets: _Subsets
    ) -> Prepared | SeqscoreError:
        if isinstance(one, SeqscoreError):
            return one.for_item(index)
        try:
            one = one if self.behind is None else self.behind.put(one)
            self._check_vocabulary(one)
            if self.model.conditioning == "source":
                return self._with_source(one)
            windows = _LAYOUTS[self.model.conditioning](self, one)
            behind, hidden = self.model.codec.behind, self._hidden(one)
            requests = window_requests(one, windows, behind, subset=subsets.of(one), hidden=hidden)
            return Prepared(one, windows, requests)
        except SeqscoreError as error:
            return error.for_item(index)

    def _with_source(self, sequence: TokenSequence) -> Prepared:
        """The context is what an encoder reads, given which the rest is scored behind the start token."""
        count = sequence.first_scored
        decoded = replace(sequence, ids=sequence.ids[count:], first_scored=0)
        windows = _behind_a_source(self, decoded)
        requests = window_requests(decoded, windows, self.model.codec.behind)
        source, num_cut = self.model.fit_source(sequence.ids[:count], self.policies.long)
        return Prepared(sequence, windows, tuple(replace(one, source=source) for one in requests), count, num_cut)

    def _hidden(self, one: TokenSequence) -> NDArray[np.int64] | None:
        """What is masked to score each token; None: the token alone."""
        masking = self.policies.masking
        if masking == "original":
            return None
        words = self.builder.encoder.token_words(one.text, one.ids, one.starts)
        return hidden_stretches(words, masking, first=one.first_scored)

    def _check_vocabulary(self, sequence: TokenSequence) -> None:
        ids = sequence.model_ids
        if len(ids) and int(ids.max()) >= self.model.vocabulary:
            raise ModelError(
                f"token id {int(ids.max())} is outside the model's vocabulary of {self.model.vocabulary}: "
                f"the tokenizer does not belong to this model"
            )


def _to_the_left(call: TokenCall, sequence: TokenSequence) -> Layout:
    start, limit, long = _num_start(sequence), call.model.max_inputs, call.policies.long
    length = len(sequence.ids) + start
    found = layout(
        length,
        first_target=sequence.first_scored + start,
        max_inputs=limit,
        long=long,
        is_pair=sequence.is_pair,
        head=0 if call.builder.start.kind == "lm-eval" else start,
    )
    return _with_behind(call, sequence, found, length)


def _behind_a_source(call: TokenCall, sequence: TokenSequence) -> Layout:
    start, limit, long = _num_start(sequence), call.model.max_inputs, call.policies.long
    length = len(sequence.ids) + start
    found = layout_decoded(length, max_inputs=limit, long=long, is_pair=sequence.is_pair, head=start)
    return _with_behind(call, sequence, found, length)


def _with_behind(call: TokenCall, sequence: TokenSequence, found: Layout, length: int) -> Layout:
    """With the target behind a sequence, where there is one; one that is not reported is no reason for an error."""
    if sequence.behind is None or call.behind is None:
        return found
    optional = call.behind.end is None
    return with_end(found, length, max_inputs=call.model.max_inputs, long=call.policies.long, optional=optional)


def _to_both_sides(call: TokenCall, sequence: TokenSequence) -> Layout:
    start, behind, limit = _num_start(sequence), len(call.model.codec.behind), call.model.max_inputs
    return layout_both_sides(
        len(sequence.ids) + start,
        first_target=sequence.first_scored + start,
        room=None if limit is None else limit - start - behind,
        long=call.policies.long,
        is_pair=sequence.is_pair,
        head=start,
        num_behind=behind,
    )


_LAYOUTS: dict[str, Callable[[TokenCall, TokenSequence], Layout]] = {"left": _to_the_left, "both": _to_both_sides}
"""How windows are laid, by what a target of the model may see."""


def open_call(
    model: TokenModel,
    policies: Policies,
    about_start: StartNotice,
    *,
    behind: Literal["as asked", "always"] = "as asked",
) -> TokenCall:
    """The policies of a call, resolved for a model.

    ``behind="always"``: a target stands behind every text, also where none is scored there (``eos="none"``): its
    request says what the model expects behind the last token. The score is what it is without.

    Raises:
        OptionError: the model cannot do what a policy asks for.
    """
    check_extras(model, policies)
    start = model.codec.start(policies.bos)
    _check_conditioning(model, policies, start)
    _check_masking(model, policies)
    end = model.end(policies.eos)
    if policies.boundary == "healed" and not model.gives_masses:
        raise OptionError(
            f"boundary='healed' needs the probability of all tokens that begin alike, and {_named(model)} model does "
            f"not give it; use 'auto' or 'separate'"
        )
    boundary: BoundaryPolicy = (
        "lm-eval" if policies.boundary == "auto" and start.kind == "lm-eval" else policies.boundary
    )
    stands = start
    if model.conditioning == "source":  # what two stacks read has no token in common, and no start token but its own
        boundary, stands = "separate", StartToken("token", start.token_id)
    builder = SequenceBuilder(
        tokenizer=model.codec.tokenizer,
        encoder=model.codec.encoder(policies.special_tokens),
        markup_encoder=model.codec.encoder("parse"),
        start=stands,
        boundary=boundary,
        special_tokens=policies.special_tokens,
        frame=_frame_of(model, start),
        source_encoder=model.codec.source_encoder(policies.special_tokens) if model.conditioning == "source" else None,
    )
    signature = signature_of(
        model,
        bos=start.describe(),
        special=policies.special_tokens,
        boundary=boundary,
        long=f"{policies.long}/{'none' if model.max_inputs is None else model.max_inputs}",
        **({"masking": policies.masking} if model.conditioning == "both" else {}),
        **({} if end is None else {"eos": end.describe()}),
    )
    notices = CallNotices(model.codec.tokenizer, stands, about_start, said=model.conditioning == "source")
    return TokenCall(model, policies, builder, notices, signature, _behind(policies, end, behind))


def _behind(policies: Policies, end: EndToken | None, asked: str) -> TargetBehind | None:
    if end is not None:
        in_texts = policies.special_tokens == "parse" or policies.bos == "lm-eval"
        return TargetBehind(end.token_id, end, in_texts)
    return TargetBehind(0) if asked == "always" else None


def _frame_of(model: TokenModel, start: StartToken) -> Frame | None:
    if model.conditioning != "both" or start.token_id is None:
        return None
    return Frame(start.token_id, model.codec.behind)


def signature_of(model: LanguageModel[Any, Any], **choices: str) -> Signature:
    """What a call's scores depend on: program, model, the call's ``choices``, libraries."""
    identity = model.identity()
    sees = {} if model.conditioning == "left" else {"conditioning": model.conditioning}
    return Signature.of({"seqscore": __version__, **identity.fields, **sees, **choices, **identity.libraries})


def check_extras(model: LanguageModel[Any, Any], policies: Policies) -> None:
    """Refuse what the model cannot give.

    Raises:
        OptionError: it says what it gives.
    """
    missing = sorted(one for one in policies.extras if one not in model.offers)
    if missing:
        offered = ", ".join(sorted(map(str, model.offers))) or "none"
        raise OptionError(f"extras={missing[0]!r}: {_named(model)} model does not give it; it offers {offered}")
    asked, most = policies.top_k or 0, model.largest_top_k
    if asked > most:
        given = f"at most {most:,} tokens of a place" if most else "the text's own tokens alone"
        raise OptionError(f"top_k={asked}: {_named(model)} model gives the log-probabilities of {given}")


def _check_conditioning(model: TokenModel, policies: Policies, start: StartToken) -> None:
    """Refuse what has a meaning only where a token is predicted from those before it alone."""
    if model.conditioning == "left":
        return
    if model.conditioning == "both" and policies.eos != "none":
        raise OptionError(
            f"eos={policies.eos!r} is for models that read from left to right; {_named(model)} model reads every text "
            f"{_STANDS['both']}, given which all of it is scored"
        )
    if start.kind != "auto":
        raise OptionError(
            f"bos={policies.bos!r} is for models that read from left to right; {_named(model)} model reads every text "
            f"{_STANDS[model.conditioning]}: use bos='auto'"
        )
    if model.conditioning == "source" and start.token_id is None:
        raise OptionError(
            f"{_named(model)} model needs a start token in front of what it scores, and its codec has none"
        )
    if policies.boundary in ("healed", "lm-eval"):
        raise OptionError(
            f"boundary={policies.boundary!r} is for models that read from left to right; {_named(model)} model takes "
            f"'auto' or 'separate'"
        )


def _check_masking(model: TokenModel, policies: Policies) -> None:
    """Refuse words to be masked where nothing is, or where tokens do not tell words."""
    masking = policies.masking
    if masking == "original":
        return
    if model.conditioning != "both":
        raise OptionError(f"masking={masking!r} is for masked models, and this is {_named(model)} one")
    if not model.codec.encoder(policies.special_tokens).tells_words:
        raise OptionError(
            f"masking={masking!r}: no token of this tokenizer tells where a word begins; use masking='original'"
        )


def _named(model: LanguageModel[Any, Any]) -> str:
    """The kind with its article."""
    return f"{'an' if model.kind[0] in 'aeiou' else 'a'} {model.kind}"


_STANDS = {"both": "between its own start and end token", "source": "behind its own start token"}


def _for_this(model: TokenModel, item: Item | Prompt | SeqscoreError) -> Item | Prompt | SeqscoreError:
    """The item, or why such a model cannot score it."""
    if model.conditioning == "left":
        return item
    if model.conditioning == "source" and isinstance(item, Pair) and item.delimiter == DELIMITER_AUTO:
        item = replace(item, delimiter="")  # a source and what is decoded touch nowhere
    if _is_chat(item):
        return OptionError(
            f"chat messages are for models that read from left to right, and this is {_named(model)} one"
        )
    return item


def _is_chat(item: Item | Prompt | SeqscoreError) -> bool:
    return isinstance(item, Chat) or (isinstance(item, Pair | Prompt) and is_chat(item.context))


class _Subsets:
    """The tokens among which a sequence's first scored one is known to be, one object for all that share them."""

    def __init__(self, vocabulary: int) -> None:
        self._vocabulary = vocabulary
        self._made: dict[bytes, Subset] = {}

    def of(self, sequence: TokenSequence) -> Subset | None:
        """Those that the model knows; None where nothing is known."""
        if sequence.alternatives is None:
            return None
        key = sequence.alternatives.tobytes()
        if key not in self._made:
            self._made[key] = Subset(sequence.alternatives[sequence.alternatives < self._vocabulary])
        return self._made[key]


def _num_start(sequence: TokenSequence) -> int:
    return 0 if sequence.start_token is None else 1


def _given_alternatives(values: Values) -> Values:
    """The values of a window whose first target is known to be in the subset S that was asked for there:
    log p(t | S) = log p(t) - log p(S), at most 0 whatever rounding does; of an impossible token -inf."""
    if values.masses is None or values.peaks is None:
        raise ModelError("the model gave no mass of the subset that it was asked for: a defect of this kind of model")
    logprobs = values.logprobs.copy()
    if logprobs[0] != -np.inf:
        logprobs[0] = np.minimum(logprobs[0] - values.masses[0], 0.0)
    greedy = None if values.greedy is None else values.greedy.copy()
    if greedy is not None:
        greedy[0] = values.logprobs[0] == values.peaks[0]
    return replace(values, logprobs=logprobs, greedy=greedy)
