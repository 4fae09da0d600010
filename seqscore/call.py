"""One call of the scorer: its policies, resolved, and what they make of items and of what an engine gives back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from seqscore._version import __version__
from seqscore.engine.base import Extra, TargetValues
from seqscore.errors import ModelError, SeqscoreError
from seqscore.models.load import LoadedModel
from seqscore.plan.requests import Request
from seqscore.scores.assemble import ScoredTargets, assemble
from seqscore.scores.sequence import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.items import BoundaryPolicy, Item, LongPolicy, SpecialTokensPolicy
from seqscore.text.sequences import SequenceBuilder, TokenSequence
from seqscore.text.start import StartPolicy
from seqscore.text.windows import Layout, layout

__all__ = ["Call", "Policies", "Prepared", "call_signature"]


class Policies(TypedDict, total=False):
    """The named choices of a call.

    ``bos``: what stands before the first token, as context only: ``auto`` (the tokenizer's BOS, else its EOS),
    ``none`` (the first token is then not scored), ``lm-eval``, or a token (its text or id).
    ``long``: a sequence longer than the model's context is scored in overlapping ``windows``, is cut (``truncate``;
    how much is on the record), or is an ``error``.
    ``boundary``: context and continuation are tokenised as one text (``joint``) or ``separate``.
    ``special_tokens``: text that spells a special token is ordinary text (``literal``) or that token (``parse``).
    ``extras``: per-token values to compute as well, ``rank`` and ``entropy``.
    """

    bos: StartPolicy
    long: LongPolicy
    boundary: BoundaryPolicy
    special_tokens: SpecialTokensPolicy
    extras: Iterable[Extra]


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
    long: LongPolicy
    max_length: int | None
    vocabulary: int
    extras: frozenset[Extra]
    signature: Signature

    def prepare(self, items: Sequence[Item | SeqscoreError], first_index: int) -> list[Prepared | SeqscoreError]:
        """Encode the items and lay their windows; an item that cannot be scored gives its error, naming its index."""
        built = iter(self.builder.build([item for item in items if not isinstance(item, SeqscoreError)]))
        one_each = [item if isinstance(item, SeqscoreError) else next(built) for item in items]
        return [self._prepare_one(one, index) for index, one in enumerate(one_each, start=first_index)]

    def score(self, prepared: Prepared, values: Sequence[TargetValues]) -> SequenceScore:
        """The score of a sequence whose requests gave ``values``.

        Raises:
            NumericsError: a value is NaN; the message names the token.
        """
        start = _num_start(prepared.sequence)
        targets = [
            ScoredTargets(window.first_target - start, one.logprobs, one.greedy, one.ties, one.ranks, one.entropies)
            for window, one in zip(prepared.layout.windows, values, strict=True)
        ]
        windows = prepared.layout
        # Positions at the front that nothing reads, the start token's own left out of the count of text tokens.
        unread = windows.windows[0].begin if windows.windows and not windows.head else 0
        sequence = replace(prepared.sequence, start_token=None) if unread and start else prepared.sequence
        cut = windows.num_cut - (start if windows.num_cut and windows.cut_begin < start else 0)
        return assemble(
            sequence,
            targets,
            num_cut=cut,
            num_unread=max(0, unread - start) if not windows.num_cut else 0,
            extras=self.extras,
            settings=self.signature,
        )

    def _prepare_one(self, one: TokenSequence | SeqscoreError, index: int) -> Prepared | SeqscoreError:
        if isinstance(one, SeqscoreError):
            return one.for_item(index)
        try:
            self._check_vocabulary(one)
            windows = self._layout(one)
            return Prepared(one, windows, _requests(one, windows))
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


def _num_start(sequence: TokenSequence) -> int:
    return 0 if sequence.start_token is None else 1


def _requests(sequence: TokenSequence, windows: Layout) -> tuple[Request, ...]:
    ids, head = sequence.model_ids, windows.head
    requests = []
    for window in windows.windows:
        stretch = ids[window.begin : window.end + 1]
        if head:
            stretch = np.concatenate([ids[:head], stretch])
        requests.append(Request(stretch, window.first_target - window.begin + head))
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
            "device": about.device.split(":")[0],
            "engine": engine,
            **choices,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
    )
