"""Whether all systems compute the same thing: the same token ids before they run, equal scores after."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .jobs import BenchmarkError, Encoded, SystemName, Workload

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
start token, or a token left out or scored twice, shows in the token ids besides, which must be the same.
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the requests of a workload. ``asked``: positions that have to be read if each request runs alone and unpadded.
    ``unique``: distinct prefixes among them. ``scored``: targets.
    """

    asked: int
    unique: int
    scored: int


def count(encoded: Iterable[Encoded]) -> Counts:
    """Count the windows of all requests."""
    windows = [window for one in encoded for window in one]
    return Counts(
        asked=sum(len(window.inputs) for window in windows),
        unique=distinct_prefixes([window.inputs for window in windows]),
        scored=sum(len(window.targets) for window in windows),
    )


def distinct_prefixes(sequences: Iterable[tuple[int, ...]]) -> int:
    """Nodes of the trie of the sequences: in sorted order each adds what it does not share with the one before."""
    total, before = 0, ()
    for sequence in sorted(sequences):
        total += len(sequence) - _shared(before, sequence)
        before = sequence  # type: ignore[assignment]
    return total


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


@dataclass(frozen=True, slots=True)
class Common:
    """Of a workload what all systems run alike: ``left_out`` says how many requests are not, and why."""

    workload: Workload
    encoded: list[Encoded]
    left_out: dict[str, int]


def common_requests(workload: Workload, encoded: Mapping[SystemName, list[Encoded]], *, limit: int | None) -> Common:
    """The requests for which every system runs the same token ids in the same windows, none longer than ``limit``.

    Raises:
        BenchmarkError: there are none.
    """
    kept: list[int] = []
    left_out: dict[str, int] = {}
    for i, versions in enumerate(zip(*encoded.values(), strict=True)):
        if reason := _reason(versions, limit):
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            kept.append(i)
    if not kept:
        why = ", ".join(f"{number} {reason}" for reason, number in left_out.items())
        raise BenchmarkError(f"{workload.name}: {', '.join(encoded)} have no request in common ({why})")
    first = next(iter(encoded.values()))
    return Common(workload.choose(kept), [first[i] for i in kept], left_out)


def _reason(versions: Sequence[Encoded], limit: int | None) -> str | None:
    if not all(window.targets for window in versions[0]) or not versions[0]:
        return "with nothing to score"
    if limit is not None and any(len(window.inputs) > limit for one in versions for window in one):
        return "longer than the model's context"
    if any(one != versions[0] for one in versions[1:]):
        return "tokenised differently"
    return None


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
        if not spread <= tolerance[0] + n * tolerance[1]:
            raise BenchmarkError(_difference(workload, i, scores, n, tolerance))
        largest = max(largest, spread)
    return largest


def _difference(
    workload: Workload, i: int, scores: Mapping[str, Sequence[float]], n: int, tolerance: tuple[float, float]
) -> str:
    context, text = workload.requests[i]
    got = ", ".join(f"{name} {one[i]:.6f}" for name, one in scores.items())
    return (
        f"{workload.name}: the scores differ, so times mean nothing. Request {i}, {n} tokens, "
        f"{(context + text)[-60:]!r}: {got} nats; expected to agree within {tolerance[0] + n * tolerance[1]:.2g}"
    )
