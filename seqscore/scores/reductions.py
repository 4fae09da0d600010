"""Sums and means of token log-probabilities, exactly rounded."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import OptionError

Unit: TypeAlias = Literal["nats", "bits"]
"""Unit of a logarithm: base e or base 2."""

FloatArray: TypeAlias = NDArray[np.float64]


def log_likelihood(logprobs: FloatArray) -> float:
    """log p = sum_t log p(x_t | x_<t), in nats, rounded once (``math.fsum``); 0.0 for no tokens.

    Shape: [n], float64, nats, no NaN. -inf is a possible value: a token of probability zero.
    """
    return math.fsum(logprobs.tolist())


def perplexity(total: float, count: float) -> float | None:
    """exp(-total / count) for a log-likelihood in nats; None where nothing was scored, inf where it overflows."""
    return None if count == 0 else exp(-total / count)


def exp(value: float) -> float:
    """e to the value, inf where that is too large for a float64."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def bits_per(total: float, count: int) -> float | None:
    """-total / (count ln 2): bits a byte, a token or a word for a log-likelihood in nats; None for no count."""
    return None if count == 0 else -total / math.log(2) / count + 0.0


def in_unit(nats: float, unit: Unit) -> float:
    """A logarithm in nats expressed in ``unit``.

    Raises:
        OptionError: the unit is neither nats nor bits.
    """
    if unit == "nats":
        return nats
    if unit == "bits":
        return nats / math.log(2)
    raise OptionError(f"unit={unit!r} is unknown; expected 'nats' or 'bits'")
