"""One call of the scorer on token ids: from items to requests, and from their values to scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqscore.calls.alternatives import Subsets, given_alternatives
from seqscore.calls.notices import CallNotices
from seqscore.calls.prepared import Prepared, Reading, num_start
from seqscore.calls.refusals import fit_item, has_chat
from seqscore.errors import InputError, ModelError, SeqscoreError
from seqscore.models.base import TokenModel
from seqscore.plan.requests import Values
from seqscore.policies import Policies
from seqscore.scores.assemble import assemble
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.end import TargetBehind
from seqscore.text.items import Item, Prompt
from seqscore.text.masking import hidden_stretches
from seqscore.text.sequences import SequenceBuilder, TokenSequence


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
        subsets = Subsets(self.model.vocabulary)
        found = [self._prepare_one(one, index, subsets) for index, one in enumerate(one_each, start=first_index)]
        if self.model.conditioning == "both":
            self._say_cost(found, first_index)
        return found

    def score(self, prepared: Prepared, values: Sequence[Values]) -> SequenceScore:
        """The score of a sequence whose requests gave ``values``.

        Raises:
            NumericsError: a value is NaN; the message names the token.
        """
        sequence, windows, start = prepared.sequence, prepared.layout, num_start(prepared.sequence)
        if sequence.alternatives is not None:
            values = [given_alternatives(values[0]), *values[1:]]
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
        if self.behind is not None and self.behind.end is not None and has_chat(item):
            return InputError(
                f"eos={self.policies.eos!r} is for texts: a chat template writes what ends a turn itself; "
                f"Chat(messages, end='scored') scores that"
            )
        return fit_item(self.model, item)

    def _prepare_one(
        self, one: TokenSequence | SeqscoreError, index: int, subsets: Subsets
    ) -> Prepared | SeqscoreError:
        if isinstance(one, SeqscoreError):
            return one.for_item(index)
        try:
            one = one if self.behind is None else self.behind.put(one)
            self._check_vocabulary(one)
            return self._reading.prepare(one, subset=subsets.of(one), hidden=self._hidden(one))
        except SeqscoreError as error:
            return error.for_item(index)

    @property
    def _reading(self) -> Reading:
        keeps_start = self.builder.start.kind != "lm-eval"
        return Reading(self.model, self.policies.long, self.behind, keeps_start=keeps_start)

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
