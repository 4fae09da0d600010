"""log(softmax(z)) beside log_softmax(z) in four number formats; nothing here is used for scoring."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqscore.errors import InputError
from seqscore.explain.numbers.float_formats import FORMATS, FloatArray, FormatName, rounded

SOFTMAX_EXAMPLE = (2.0, 1.0, 0.1)
"""Three logits whose softmax is 0.659, 0.242, 0.099; multiplied by a scale they grow as a network's logits do."""


def loss_of(probability: float) -> float:
    """-ln p: what a prediction costs that gave the right answer probability p, in nats; infinite for p = 0."""
    return math.inf if probability == 0.0 else -math.log(probability) + 0.0


def naive_softmax(logits: ArrayLike, dtype: FormatName) -> NDArray[Any]:
    """softmax(z)_i = exp(z_i) / sum_j exp(z_j), in ``dtype``: nan where exp overflows, 0 where it underflows.

    Shape: ``logits`` [..., V], sums over the last axis. The sum is a tree of additions, each rounded to ``dtype``.
    """
    with np.errstate(all="ignore"):
        powers = np.exp(_logits(logits, dtype))
        return np.asarray(powers / _tree_sum(powers))


def naive_log_softmax(logits: ArrayLike, dtype: FormatName) -> NDArray[Any]:
    """log(softmax(z)), the logarithm of :func:`naive_softmax`, in ``dtype``: nan or -inf once that has failed."""
    with np.errstate(all="ignore"):
        return np.asarray(np.log(naive_softmax(logits, dtype)))


def log_softmax(logits: ArrayLike, dtype: FormatName) -> NDArray[Any]:
    """log_softmax(z)_i = (z_i - max z) - log sum_j exp(z_j - max z), in ``dtype``: no exponential can overflow.

    Shape: ``logits`` [..., V], sums over the last axis. The sum is a tree of additions, each rounded to ``dtype``.
    """
    with np.errstate(all="ignore"):
        z = _logits(logits, dtype)
        shifted = z - z.max(axis=-1, keepdims=True)
        return np.asarray(shifted - np.log(_tree_sum(np.exp(shifted))))


def _logits(logits: ArrayLike, dtype: FormatName) -> NDArray[Any]:
    try:
        values = np.asarray(logits, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"logits must be an array of numbers: {error}") from error
    if values.ndim == 0 or values.shape[-1] == 0:
        raise InputError(f"logits must have shape [..., V] with V of at least 1, got {list(values.shape)}")
    return rounded(values, dtype)


def _tree_sum(values: NDArray[Any]) -> NDArray[Any]:
    """Pairwise sum over the last axis, kept as an axis of length 1; about log2 V roundings for each summand."""
    while (n := values.shape[-1]) > 1:
        half = n // 2
        pairs = values[..., :half] + values[..., half : 2 * half]
        values = np.concatenate([pairs, values[..., 2 * half :]], axis=-1)
    return values


@dataclass(frozen=True, slots=True)
class SoftmaxOutcome:
    """What one formula gave for the logarithms of the probabilities: how many are no finite number."""

    num_nan: int
    num_inf: int
    num_minus_inf: int

    @property
    def failed(self) -> bool:
        """Whether any value is not finite."""
        return bool(self.num_nan or self.num_inf or self.num_minus_inf)


@dataclass(frozen=True, slots=True)
class SoftmaxTrial:
    """log(softmax(scale * z)) and log_softmax(scale * z) in one format."""

    dtype: FormatName
    scale: float
    naive: SoftmaxOutcome
    stable: SoftmaxOutcome


@dataclass(frozen=True, slots=True)
class SoftmaxComparison:
    """Trials over formats and scales, in that order."""

    trials: tuple[SoftmaxTrial, ...]


def compare_softmax(logits: ArrayLike, scales: Iterable[float] = (1.0, 10.0, 100.0, 1000.0)) -> SoftmaxComparison:
    """log(softmax(scale * z)) beside log_softmax(scale * z) in every format, as the logits grow.

    The logits are multiplied in float64 and then rounded to the format. Shape: ``logits`` [V] or [..., V], finite.

    Raises:
        InputError: the logits are no array of finite numbers.
    """
    values = np.asarray(_logits(logits, "float64"), dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError("logits must be finite to be compared, got nan or inf among them")
    listed = tuple(scales)
    with np.errstate(all="ignore"):
        return SoftmaxComparison(tuple(_trial(values * scale, name, scale) for name in FORMATS for scale in listed))


def _trial(scaled: FloatArray, name: FormatName, scale: float) -> SoftmaxTrial:
    return SoftmaxTrial(
        dtype=name,
        scale=scale,
        naive=_outcome(naive_log_softmax(scaled, name)),
        stable=_outcome(log_softmax(scaled, name)),
    )


def _outcome(values: NDArray[Any]) -> SoftmaxOutcome:
    got = values.astype(np.float64)
    return SoftmaxOutcome(
        num_nan=int(np.isnan(got).sum()),
        num_inf=int(np.isposinf(got).sum()),
        num_minus_inf=int(np.isneginf(got).sum()),
    )
