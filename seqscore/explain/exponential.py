"""The second role of the logarithm: the exponential comes down, so that nothing overflows and gradients stay exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.explain.gradients import GradientTrial, gradient_trials
from seqscore.explain.numbers.float_formats import FORMATS, FormatName, largest_exponent, rounded
from seqscore.explain.numbers.softmax import (
    SOFTMAX_EXAMPLE,
    SoftmaxComparison,
    compare_softmax,
    log_softmax,
    loss_of,
    naive_log_softmax,
)
from seqscore.scorer import Scorer
from seqscore.scores.sequence_score import SequenceScore

FloatArray = NDArray[np.float64]

LOSS_TABLE = tuple((p, loss_of(p)) for p in (1.0, 0.9, 0.5, 0.1, 0.01))
"""p and -ln p: what a prediction costs that gave the right answer the probability p."""

_SCALES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
_CURVE = tuple(float(scale) for scale in np.geomspace(0.01, 1000.0, 51))
_MAX_PLACES = 32


@dataclass(frozen=True, slots=True, eq=False)
class GrowingLogits:
    """log p of one token as all logits are multiplied by a scale, in one format.

    Shape: ``scales``, ``naive`` (log(softmax)), ``stable`` (log_softmax) and ``exact`` (log_softmax of the same rounded
    logits in float64) [s], float64 numbers, nats; nan and -inf where the formula gives that.
    """

    dtype: FormatName
    scales: FloatArray
    naive: FloatArray
    stable: FloatArray
    exact: FloatArray

    @property
    def fails_from(self) -> float | None:
        """The smallest scale at which the naive formula gives no finite number; None where it always does."""
        bad = np.flatnonzero(~np.isfinite(self.naive))
        return float(self.scales[bad[0]]) if len(bad) else None


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Three ways to the loss of the model's own logits, averaged over ``num_tokens`` tokens, in nats, float64.

    ``cross_entropy``: torch's; ``nll_of_log_softmax``: its two halves one after the other; ``from_scores``: minus the
    mean log-probability that the scorer gave. ``apart``: the largest difference of the first two at any token,
    ``apart_from_scores`` that of the first and the scorer's (which computes in its own dtype).
    """

    num_tokens: int
    cross_entropy: float
    nll_of_log_softmax: float
    from_scores: float
    apart: float
    apart_from_scores: float


@dataclass(frozen=True, eq=False)
class ExponentialLesson:
    """What log-softmax does better than the logarithm of softmax, on logits of the model.

    ``logits`` [V] stand before the token ``token``, the least probable one of the text's beginning. ``softmax``: all V
    values in every format as the logits grow; ``curves``: the token's own. ``gradients``: of -log p(token) by autograd.
    ``losses``: p and -ln p; ``example``: three logits and their probabilities.
    """

    name: ClassVar[str] = "exponential"

    score: SequenceScore
    place: int
    token: str
    token_id: int
    logits: FloatArray
    softmax: SoftmaxComparison
    curves: tuple[GrowingLogits, ...]
    cross_entropy: CrossEntropy
    gradients: tuple[GradientTrial, ...]
    losses: tuple[tuple[float, float], ...]
    example: tuple[tuple[float, float], ...]

    @property
    def before(self) -> str:
        """The text before the token."""
        return (self.score.text or "").encode()[: int(self.score.starts[self.place])].decode("utf-8", "replace")

    @property
    def overflow(self) -> dict[str, float]:
        """ln of each format's largest number: a logit above it has no exponential."""
        return {dtype: largest_exponent(dtype) for dtype in FORMATS}

    def to_dict(self) -> dict[str, Any]:
        """The lesson as plain values; what is not finite as text."""
        return {
            "before": self.before,
            "token": self.token,
            "largest_logit": float(self.logits.max()),
            "smallest_logit": float(self.logits.min()),
            "log_probability": float(self.score.logprobs[self.place]),
            "losses": [{"p": p, "nats": loss} for p, loss in self.losses],
            "example": [{"logit": z, "probability": p} for z, p in self.example],
            "softmax": [
                {
                    "dtype": one.dtype,
                    "scale": one.scale,
                    "log_of_softmax": asdict(one.naive),
                    "log_softmax": asdict(one.stable),
                }
                for one in self.softmax.trials
            ],
            "cross_entropy": asdict(self.cross_entropy),
            "gradients": [one.to_dict() for one in self.gradients],
            "signature": self.score.signature,
        }


def exponential_lesson(scorer: Scorer, text: str, **policies: Any) -> ExponentialLesson:
    """The lesson on the logits of a text's first scored tokens (at most 32 of them).

    Raises:
        InputError: the text has no token that can be scored.
    """
    score = scorer.score(_beginning(scorer.score(text, **policies)), **policies)
    scored = np.flatnonzero(score.scored)
    if not len(scored):
        raise InputError("the text has no scored token, so there are no logits to look at; give a longer text")
    rows = scorer.logits(score.text or "", **policies)
    targets = score.token_ids[scored]
    worst = int(np.argmin(score.logprobs[scored]))
    logits = rows[worst]
    logits.flags.writeable = False
    place = int(scored[worst])
    example = np.asarray(np.exp(log_softmax(SOFTMAX_EXAMPLE, "float64")), np.float64)
    return ExponentialLesson(
        score=score,
        place=place,
        token=score.token_texts[place],
        token_id=int(targets[worst]),
        logits=logits,
        softmax=compare_softmax(logits, _SCALES),
        curves=tuple(_curve(logits, int(targets[worst]), dtype) for dtype in FORMATS),
        cross_entropy=_cross_entropy(rows, targets, score.logprobs[scored]),
        gradients=gradient_trials(logits, int(targets[worst]), (1.0, 10.0, 100.0)),
        losses=LOSS_TABLE,
        example=tuple(zip(SOFTMAX_EXAMPLE, example.tolist(), strict=True)),
    )


def _beginning(score: SequenceScore) -> str:
    """The text up to its 32nd token: a row of logits has 50,000 numbers and more."""
    text = score.text or ""
    if len(score) <= _MAX_PLACES:
        return text
    return text.encode()[: int(score.ends[_MAX_PLACES - 1])].decode("utf-8", "ignore")


def _curve(logits: FloatArray, token: int, dtype: FormatName) -> GrowingLogits:
    def at(formula: Any, scale: float, name: FormatName) -> float:
        return float(np.asarray(formula(logits * scale, name), np.float64)[token])

    values = [np.asarray(rounded(logits * scale, dtype), np.float64) for scale in _CURVE]
    return GrowingLogits(
        dtype=dtype,
        scales=np.array(_CURVE),
        naive=np.array([at(naive_log_softmax, scale, dtype) for scale in _CURVE]),
        stable=np.array([at(log_softmax, scale, dtype) for scale in _CURVE]),
        exact=np.array([float(log_softmax(one, "float64")[token]) for one in values]),
    )


def _cross_entropy(rows: FloatArray, targets: NDArray[np.int64], logprobs: Sequence[float]) -> CrossEntropy:
    import torch
    from torch.nn import functional

    z, right = torch.from_numpy(rows), torch.from_numpy(np.array(targets))
    whole = functional.cross_entropy(z, right, reduction="none")
    halves = functional.nll_loss(functional.log_softmax(z, dim=-1), right, reduction="none")
    own = -torch.from_numpy(np.array(logprobs))
    return CrossEntropy(
        num_tokens=len(targets),
        cross_entropy=float(whole.mean()),
        nll_of_log_softmax=float(halves.mean()),
        from_scores=float(own.mean()),
        apart=float((whole - halves).abs().max()),
        apart_from_scores=float((whole - own).abs().max()),
    )
