"""Whether all systems compute the same thing: equal scores of every request, in every repetition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .workloads import BenchmarkError, Workload

TOLERANCES: Mapping[str, tuple[float, float]] = {
    "float64": (1e-9, 1e-11),
    "float32": (1e-4, 2e-5),
    "float16": (0.2, 0.005),
    "bfloat16": (3.0, 0.05),
}
"""(nats, nats a token): two systems' scores of n tokens may differ by as much as the first + n times the second.

Measured on the default model against float64. float32: torch's log_softmax over 49,152 words makes every token about
8e-6 nats too likely (lm-eval, plain transformers), target - logsumexp does not (4e-7; seqscore, minicons); on sentences
of 5 to 10 tokens a system is off by up to 1.3e-5 a token, on single tokens by up to 2e-5. So systems differ by about
8e-6 a token as a matter of course, and the tolerance is twice that, with room for single tokens. bfloat16 was off by
2.2 nats on sentences and by 0.03 a token on paragraphs, float16 by 0.13 and 0.004, systems in float64 by 1e-13. A wrong
start token, or a token left out or scored twice, is off by whole nats.
"""


def require_equal(
    workload: Workload,
    scores: Mapping[str, Sequence[float]],
    *,
    num_targets: Sequence[int],
    tolerance: tuple[float, float],
) -> float:
    """The largest difference between two systems' scores of a request, in nats.

    Raises:
        BenchmarkError: it is larger than the tolerance, or a score is missing or not a number.
    """
    largest = 0.0
    short = {name: len(one) for name, one in scores.items() if len(one) != len(num_targets)}
    if short:
        raise BenchmarkError(f"{workload.name}: expected {len(num_targets)} scores, got {short}")
    for i, n in enumerate(num_targets):
        values = [one[i] for one in scores.values()]
        spread = max(values) - min(values) if all(map(math.isfinite, values)) else math.inf
        allowed = tolerance[0] + n * tolerance[1]
        if not spread <= allowed:
            got = ", ".join(f"{name} {one[i]:.6f}" for name, one in scores.items())
            raise BenchmarkError(
                f"{workload.name}: the scores differ, so times mean nothing. Request {i}, {n} tokens, "
                f"{''.join(workload.requests[i])[-60:]!r}: {got} nats; expected to agree within {allowed:.2g}"
            )
        largest = max(largest, spread)
    return largest
