"""What every engine offers, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.requests import Request

Extra: TypeAlias = Literal["rank", "entropy"]
"""Per-target values that are computed on request."""


@dataclass(frozen=True, slots=True)
class TargetValues:
    """What a model says about the targets of one request.

    Shape: [num_targets] each. ``logprobs`` float64, nats, computed as target_logit - logsumexp in float32 or better;
    ``greedy``: the target's logit is the maximum; ``ties``: it is, and another logit equals it; ``ranks``: 1 + number
    of strictly greater logits; ``entropies``: float64, nats. A NaN logprob means that the forward pass gave NaN.
    ``masses``: where a request names a subset S of the vocabulary, log sum_(v in S) p(v), float64, nats, NaN elsewhere;
    ``peaks``: likewise log max_(v in S) p(v). Both may be None where a request names none.
    """

    logprobs: NDArray[np.float64]
    greedy: NDArray[np.bool_]
    ties: NDArray[np.bool_]
    ranks: NDArray[np.int64] | None
    entropies: NDArray[np.float64] | None
    masses: NDArray[np.float64] | None = None
    peaks: NDArray[np.float64] | None = None


class Engine(Protocol):
    """Runs requests on a model. An engine may share, sort and cut them as it likes; results are in request order."""

    name: ClassVar[str]
    shares_prefixes: ClassVar[bool]
    """Whether requests with a common prefix run it once."""

    def run(self, requests: Sequence[Request], *, extras: frozenset[Extra]) -> list[TargetValues]:
        """The values of each request's targets, in the order of the requests.

        Raises:
            DeviceError: the device has not enough memory for the batch.
        """
        ...
