"""Scores of texts of which one is right."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seqscore.evaluation.tasks.rows import Stored


def alternative_scores(row: Stored) -> dict[str, list[float]]:
    """The scores of a stored row's choices, by the accuracy that they decide. A PMI compares the same tokens behind
    another context, or there is none."""
    by_role: dict[str, list[Stored]] = {}
    for item in row["items"]:
        by_role.setdefault(item["role"], []).append(item)
    choices = by_role.get("choice") or [*by_role.get("good", ()), *by_role.get("bad", ())]
    sums = [item["log_likelihood"] for item in choices]
    found = {
        "accuracy": sums,
        "accuracy_per_token": [per(item, item["num_scored"]) for item in choices],
        "accuracy_per_char": [per(item, item["numbers"]["num_chars"]) for item in choices],
        "accuracy_per_byte": [per(item, item["numbers"]["num_bytes"]) for item in choices],
    }
    for role, name in (("unconditional", "accuracy_pmi"), ("domain", "accuracy_domain_pmi")):
        if role in by_role and all(map(same_tokens, choices, by_role[role])):
            found[name] = [_minus(a, b["log_likelihood"]) for a, b in zip(sums, by_role[role], strict=True)]
    return found


OTHER_TOKENS = "a choice has other tokens behind its context than without it, so nothing can be subtracted"


def same_tokens(one: Stored, other: Stored) -> bool:
    """Whether two items score the same tokens."""
    return all(one[name] == other[name] for name in ("num_scored", "tokens_hash"))


def hit(scores: Sequence[float], gold: int) -> float:
    """1.0 where the score of ``gold`` is greater than all others; a tie is no hit."""
    return float(all(scores[gold] > score for place, score in enumerate(scores) if place != gold))


def per(item: Stored, length: float) -> float:
    """Log-likelihood divided by a length; of nothing the log-likelihood itself, 0."""
    return float(item["log_likelihood"]) / max(1, int(length))


def _minus(a: float, b: float) -> float:
    return a if a == -math.inf else float(a) - float(b)
