"""Same text, same bits: the probes scored in other company, order, packs and numbers of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from seqscore.scorer import Scorer
from seqscore.text.items import Item
from seqscore.verify.findings import Finding, Outcome
from seqscore.verify.trials import Probes

FloatArray = NDArray[np.float64]

_BUDGETS = (64, 1024)


def same_bits(scorer: Scorer, probes: Probes, *, other: Callable[[int], Scorer]) -> Iterator[Finding]:
    """How far log-probabilities move, in nats, where nothing but the surroundings of a text changes.

    ``other``: the same scorer with another token budget. Where the scorer promises nothing (``Scorer.keeps_bits``) the
    figure is stated.
    """
    items = probes.texts
    alone = [logprobs(scorer, [item])[0] for item in items]
    promised = scorer.keeps_bits
    for what, values in _trials(scorer, items, other):
        moved = max(_largest(a, b) for a, b in zip(alone, values, strict=True))
        same = all(a.tobytes() == b.tobytes() for a, b in zip(alone, values, strict=True))
        outcome: Outcome = ("held" if same else "broken") if promised else "stated"
        yield Finding(
            topic="same bits",
            what=f"alone, and {what}",
            value=moved,
            unit="nats",
            limit=0.0 if promised else None,
            outcome=outcome,
            note="" if promised else "promised for engine packed in float32 and float64 on a CPU",
        )


def _trials(
    scorer: Scorer, items: Sequence[Item], other: Callable[[int], Scorer]
) -> Iterator[tuple[str, list[FloatArray]]]:
    yield f"beside {len(items) - 1} others, prefixes shared", logprobs(scorer, items)
    yield "in reverse order", logprobs(scorer, items[::-1])[::-1]
    for budget in _BUDGETS:
        yield f"at most {budget} tokens at once", logprobs(other(budget), items)
    if scorer.description.device == "cpu":
        for number in (1, 2):
            with threads(number):
                yield f"on {number} thread{'s' * (number > 1)}", logprobs(scorer, items)


def logprobs(scorer: Scorer, items: Sequence[Item]) -> list[FloatArray]:
    """The log-probabilities of each item's scored tokens."""
    return [score.logprobs[score.scored] for score in scorer.score(items)]


def _largest(a: FloatArray, b: FloatArray) -> float:
    return float(np.abs(a - b).max()) if len(a) else 0.0


@contextmanager
def threads(number: int) -> Iterator[None]:
    """torch uses so many threads within the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
