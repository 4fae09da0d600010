"""The first role of the logarithm: a product of token probabilities becomes a sum, which does not underflow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from seqscore.errors import InputError
from seqscore.explain.numbers.naive import (
    WORKED_EXAMPLE,
    ProductComparison,
    compare_products,
    geometric_mean,
    naive_mean,
)
from seqscore.explain.numbers.softmax import SOFTMAX_EXAMPLE, SoftmaxComparison, compare_softmax
from seqscore.scorer import Scorer
from seqscore.scores.sequence_score import SequenceScore


@dataclass(frozen=True)
class UnderflowLesson:
    """A text's score, and what the naive ways make of the same probabilities.

    ``products``: the running product in each number format beside the running log-sum, over the scored tokens.
    ``softmax``: log(softmax(z)) beside log_softmax(z) as logits grow. ``arithmetic_mean`` and ``geometric_mean`` are of
    the token probabilities. ``example_product`` and ``example_log_sum``: three probabilities from a textbook.
    """

    name: ClassVar[str] = "product"

    score: SequenceScore
    products: ProductComparison
    softmax: SoftmaxComparison
    arithmetic_mean: float
    geometric_mean: float
    example: tuple[float, ...]
    example_product: float
    example_log_sum: float

    @property
    def scored_tokens(self) -> list[str]:
        """The text of each scored token; positions in ``products`` count these."""
        return [text for text, scored in zip(self.score.token_texts, self.score.scored.tolist(), strict=True) if scored]

    def to_dict(self) -> dict[str, Any]:
        """The lesson as plain values; a perplexity or logarithm that is infinite is None."""
        return {
            "text": self.score.text,
            "num_scored": self.score.num_scored,
            "log_likelihood": _finite(self.products.log_likelihood),
            "perplexity": _finite(self.products.perplexity),
            "arithmetic_mean": self.arithmetic_mean,
            "geometric_mean": self.geometric_mean,
            "formats": [
                {
                    "dtype": one.dtype,
                    "first_subnormal": one.first_subnormal,
                    "first_zero": one.first_zero,
                    "product": one.product,
                    "perplexity": _finite(one.perplexity),
                }
                for one in self.products.formats
            ],
            "signature": self.score.signature,
        }


def underflow_lesson(scorer: Scorer, text: str, **policies: Any) -> UnderflowLesson:
    """Score ``text`` and multiply the same token probabilities the naive way. ``policies`` as in ``Scorer.score``.

    Raises:
        InputError: the text has no token that can be scored.
    """
    score = scorer.score(text, **policies)
    if not score.num_scored:
        raise InputError("the text has no scored token, so there is no product to look at; give a longer text")
    logprobs = score.logprobs[score.scored]
    arithmetic, geometric = naive_mean(logprobs), geometric_mean(logprobs)
    assert arithmetic is not None and geometric is not None
    example = compare_products([math.log(p) for p in WORKED_EXAMPLE])
    return UnderflowLesson(
        score=score,
        products=compare_products(logprobs),
        softmax=compare_softmax(SOFTMAX_EXAMPLE),
        arithmetic_mean=arithmetic,
        geometric_mean=geometric,
        example=WORKED_EXAMPLE,
        example_product=example["float64"].product,
        example_log_sum=example.log_likelihood,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) != float("inf") else None
