"""A sequence that is ready for a model: its windows, laid by what a target may see, and the request of each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqscore.calls.window_requests import window_requests
from seqscore.models.base import TokenModel
from seqscore.plan.requests import Request, Subset
from seqscore.policies import LongPolicy
from seqscore.text.end import TargetBehind
from seqscore.text.sequences import TokenSequence
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
class Reading:
    """How a call has its model read sequences.

    ``keeps_start``: whether the start token stands before a context that was cut. ``behind``: see ``TokenCall``.
    """

    model: TokenModel
    long: LongPolicy
    behind: TargetBehind | None
    keeps_start: bool

    def prepare(
        self, sequence: TokenSequence, *, subset: Subset | None = None, hidden: NDArray[np.int64] | None = None
    ) -> Prepared:
        """The sequence with its windows.

        ``subset``, ``hidden``: see ``window_requests``; no model that reads a source is asked for these.

        Raises:
            ContextLengthError: it is too long, and may not be cut.
            InputError: the source cannot be read.
        """
        if self.model.conditioning == "source":
            return self._behind_source(sequence)
        windows = self._both_sides(sequence) if self.model.conditioning == "both" else self._to_the_left(sequence)
        requests = window_requests(sequence, windows, self.model.codec.behind, subset=subset, hidden=hidden)
        return Prepared(sequence, windows, requests)

    def _to_the_left(self, sequence: TokenSequence) -> Layout:
        start = num_start(sequence)
        length = len(sequence.ids) + start
        found = layout(
            length,
            first_target=sequence.first_scored + start,
            max_inputs=self.model.max_inputs,
            long=self.long,
            is_pair=sequence.is_pair,
            head=start if self.keeps_start else 0,
        )
        return self._with_behind(sequence, found, length)

    def _both_sides(self, sequence: TokenSequence) -> Layout:
        start, behind, limit = num_start(sequence), len(self.model.codec.behind), self.model.max_inputs
        return layout_both_sides(
            len(sequence.ids) + start,
            first_target=sequence.first_scored + start,
            room=None if limit is None else limit - start - behind,
            long=self.long,
            is_pair=sequence.is_pair,
            head=start,
            num_behind=behind,
        )

    def _behind_source(self, sequence: TokenSequence) -> Prepared:
        """The context is what an encoder reads, given which the rest is scored behind the start token."""
        count = sequence.first_scored
        decoded = replace(sequence, ids=sequence.ids[count:], first_scored=0)
        windows = self._decoded(decoded)
        requests = window_requests(decoded, windows, self.model.codec.behind)
        source, num_cut = self.model.fit_source(sequence.ids[:count], self.long)
        return Prepared(sequence, windows, tuple(replace(one, source=source) for one in requests), count, num_cut)

    def _decoded(self, sequence: TokenSequence) -> Layout:
        start, limit = num_start(sequence), self.model.max_inputs
        length = len(sequence.ids) + start
        found = layout_decoded(length, max_inputs=limit, long=self.long, is_pair=sequence.is_pair, head=start)
        return self._with_behind(sequence, found, length)

    def _with_behind(self, sequence: TokenSequence, found: Layout, length: int) -> Layout:
        """With the target behind a sequence, where there is one; one that is not reported is no reason for an error."""
        if sequence.behind is None or self.behind is None:
            return found
        optional = self.behind.end is None
        return with_end(found, length, max_inputs=self.model.max_inputs, long=self.long, optional=optional)


def num_start(sequence: TokenSequence) -> int:
    """How many start tokens stand in front: one, or none."""
    return 0 if sequence.start_token is None else 1
