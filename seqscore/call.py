"""One call of the scorer: its policies, resolved, and what they make of items and of what an engine gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seqscore._version import __version__
from seqscore.errors import ModelError, SeqscoreError
from seqscore.models.load.find import LoadedModel
from seqscore.notices import CallNotices
from seqscore.plan.requests import Request, Subset, Values
from seqscore.policies import Extra, LongPolicy
from seqscore.scores.assemble import assemble
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.items import Item
from seqscore.text.sequences import SequenceBuilder, TokenSequence
from seqscore.text.windows import Layout, layout


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sequence with its windows, each of them a request to the engine."""

    sequence: TokenSequence
    layout: Layout
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """The way from items to requests, and from the values of requests to scores.

    ``max_length``: how many positions the model reads at once, None for no limit. ``vocabulary``: how many token ids
    it knows.
    """

    builder: SequenceBuilder
    notices: CallNotices
    long: LongPolicy
    max_length: int | None
    vocabulary: int
    extras: frozenset[Extra]
    signature: Signature

    def prepare(self, items: Sequence[Item | SeqscoreError], first_index: int) -> list[Prepared | SeqscoreError]:
        """Encode the items and lay their windows; an item that cannot be scored gives its error, naming its index."""
        built = iter(self.builder.build([item for item in items if not isinstance(item, SeqscoreError)]))
        one_each = [item if isinstance(item, SeqscoreError) else next(built) for item in items]
        subsets = _Subsets(self.vocabulary)
        return [self._prepare_one(one, index, subsets) for index, one in enumerate(one_each, start=first_index)]

    def score(self, prepared: Prepared, values: Sequence[Values]) -> SequenceScore:
        """The score of a sequence whose requests gave ``values``.

        Raises:
            NumericsError: a value is NaN; the message names the token.
        """
        start = _num_start(prepared.sequence)
        if prepared.sequence.alternatives is not None:
            values = [_given_alternatives(values[0]), *values[1:]]
        windows = prepared.layout
        # Positions at the front that nothing reads, the start token's own left out of the count of text tokens.
        unread = windows.windows[0].begin if windows.windows and not windows.head else 0
        sequence = replace(prepared.sequence, start_token=None) if unread and start else prepared.sequence
        cut = windows.num_cut - (start if windows.num_cut and windows.cut_begin < start else 0)
        return assemble(
            sequence,
            values,
            firsts=[window.first_target - start for window in windows.windows],
            num_cut=cut,
            num_unread=max(0, unread - start) if not windows.num_cut else 0,
            extras=self.extras,
            settings=self.signature,
        )

    def _prepare_one(
        self, one: TokenSequence | SeqscoreError, index: int, subsets: _Subsets
    ) -> Prepared | SeqscoreError:
        if isinstance(one, SeqscoreError):
            return one.for_item(index)
        try:
            self._check_vocabulary(one)
            windows = self._layout(one)
            return Prepared(one, windows, _requests(one, windows, subsets.of(one)))
        except SeqscoreError as error:
            return error.for_item(index)

    def _layout(self, sequence: TokenSequence) -> Layout:
        start = _num_start(sequence)
        return layout(
            len(sequence.ids) + start,
            first_target=sequence.first_scored + start,
            max_inputs=self.max_length,
            long=self.long,
            is_pair=sequence.is_pair,
            head=0 if self.builder.start.kind == "lm-eval" else start,
        )

    def _check_vocabulary(self, sequence: TokenSequence) -> None:
        ids = sequence.model_ids
        if len(ids) and int(ids.max()) >= self.vocabulary:
            raise ModelError(
                f"token id {int(ids.max())} is outside the model's vocabulary of {self.vocabulary}: "
                f"the tokenizer does not belong to this model"
            )


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
        raise ValueError("the engine gave no mass of the subset that it was asked for")
    logprobs = values.logprobs.copy()
    if logprobs[0] != -np.inf:
        logprobs[0] = np.minimum(logprobs[0] - values.masses[0], 0.0)
    greedy = None if values.greedy is None else values.greedy.copy()
    if greedy is not None:
        greedy[0] = values.logprobs[0] == values.peaks[0]
    return replace(values, logprobs=logprobs, greedy=greedy)


def _requests(sequence: TokenSequence, windows: Layout, subset: Subset | None) -> tuple[Request, ...]:
    """A request a window. Of the first target of all, which the first window holds, the mass of ``subset`` is asked."""
    ids, head = sequence.model_ids, windows.head
    requests: list[Request] = []
    for window in windows.windows:
        stretch = ids[window.begin : window.end + 1]
        if head:
            stretch = np.concatenate([ids[:head], stretch])
        first = window.first_target - window.begin + head
        if subset is None or requests:
            requests.append(Request(stretch, first))
        else:
            places = np.full(len(stretch) - first, -1, np.int64)
            places[0] = 0
            requests.append(Request(stretch, first, (subset,), places))
    return tuple(requests)


def call_signature(about: LoadedModel, *, config: str, engine: str, **choices: str) -> Signature:
    """What a call's scores depend on: program, model, the call's ``choices``, libraries."""
    import torch
    import transformers

    return Signature.of(
        {
            "seqscore": __version__,
            "model": about.name if about.revision is None else f"{about.name}@{about.revision}",
            "weights": about.weights,
            "config": config,
            "tokenizer": about.tokenizer_id,
            "dtype": about.dtype,
            **({} if about.quantization is None else {"quantization": about.quantization}),
            "device": about.device.split(":")[0],
            "engine": engine,
            **choices,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
    )
