"""A first token whose first bytes are known (``boundary="healed"``): which ones it may be, and its value among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seqscore.errors import ModelError
from seqscore.plan.requests import Subset, Values
from seqscore.text.sequences import TokenSequence


class Subsets:
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


def given_alternatives(values: Values) -> Values:
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
