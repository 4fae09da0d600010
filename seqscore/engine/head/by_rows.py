"""Values of targets, a tile of rows after another: all words of the vocabulary for some of the targets.

    log p(t) = z_t - logsumexp_v z_v

Also for logits that are there already. ``by_words`` cuts the other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seqscore.engine.head.masses import SubsetsAsked, masses_of_rows
from seqscore.engine.head.top import greatest
from seqscore.plan.requests import Values
from seqscore.policies import Extra, top_k_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from seqscore.models.architecture.adapter import Head

_TILE_BYTES = 32 * 2**20


def target_values(
    states: Tensor,
    head: Head | None,
    targets: Tensor,
    *,
    extras: frozenset[Extra],
    asked: SubsetsAsked | None = None,
) -> Values:
    """Values of targets [p] whose hidden states [p, D] (with ``head``) or logits [p, V] (without) are ``states``.

    Everything is computed in float32 or better, in tiles of rows that stay small whatever the vocabulary.
    """
    return Values.concatenate(
        [
            logits_values(logits, targets[rows], extras=extras, asked=None if asked is None else asked.part(rows))
            for rows, logits in _tiles(states, head, len(targets))
        ]
    )


def _tiles(states: Tensor, head: Head | None, count: int) -> Iterator[tuple[slice, Tensor]]:
    vocabulary = states.shape[-1] if head is None else head.weight.shape[0]
    rows = max(1, _TILE_BYTES // (vocabulary * 4))
    for begin in range(0, count, rows):
        part = slice(begin, begin + rows)
        yield part, (states[part] if head is None else head.logits(states[part]))


def logits_values(
    logits: Tensor, targets: Tensor, *, extras: frozenset[Extra], asked: SubsetsAsked | None = None
) -> Values:
    """Values of targets [p] given their logits [p, V] in float32 or float64."""
    target_logit = logits.gather(1, targets[:, None])
    logsumexp = logits.logsumexp(1)
    logsumexp = logsumexp.masked_fill(logsumexp == float("inf"), float("nan"))  # an overflow is no distribution
    maximum = logits.amax(1)
    greedy = target_logit[:, 0] == maximum
    ties = greedy & ((logits == maximum[:, None]).sum(1) > 1)
    ranks = (logits > target_logit).sum(1) + 1 if "rank" in extras else None
    entropies = _entropy(logits, logsumexp) if "entropy" in extras else None
    masses, peaks = (None, None) if asked is None else masses_of_rows(logits, logsumexp, asked)
    top_ids, top_logprobs = _most_probable(logits, logsumexp, top_k_of(extras))
    return Values(
        logprobs=(target_logit[:, 0] - logsumexp).double().cpu().numpy(),
        greedy=greedy.cpu().numpy(),
        ties=ties.cpu().numpy(),
        ranks=None if ranks is None else ranks.cpu().numpy(),
        entropies=None if entropies is None else entropies.double().cpu().numpy(),
        masses=masses,
        peaks=peaks,
        top_ids=top_ids,
        top_logprobs=top_logprobs,
    )


def _most_probable(
    logits: Tensor, logsumexp: Tensor, k: int
) -> tuple[NDArray[np.int64] | None, NDArray[np.float64] | None]:
    """Ids and log-probabilities [p, k], in the order of operations of the targets' own values."""
    if not k:
        return None, None
    values, places = greatest(logits, k)
    return places.cpu().numpy(), (values - logsumexp[:, None]).double().cpu().numpy()


def _entropy(logits: Tensor, logsumexp: Tensor) -> Tensor:
    """H = -sum_v p_v log p_v, [p], nats; a word of probability zero adds nothing."""
    logprobs = logits - logsumexp[:, None]
    probabilities = logprobs.exp()
    return -(probabilities * logprobs.where(probabilities > 0, 0.0)).sum(1)
