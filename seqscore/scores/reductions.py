"""Sums and means of token log-probabilities, exactly rounded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, get_args

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


Reduction: TypeAlias = Literal["prod", "mean", "gmean", "hmean"]
"""How the probabilities p_1 .. p_n of tokens become one, as lm-scorer (Simone Primarosa, 2020) names it.

``prod``: p_1 p_2 .. p_n; ``mean``: sum_t p_t / n; ``gmean``: (p_1 p_2 .. p_n)^(1 / n), one over the perplexity;
``hmean``: n / sum_t (1 / p_t).
"""

REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)


def reduced(logprobs: FloatArray, reduction: Reduction, *, log: bool = False) -> float | None:
    """The product or a mean of token probabilities, or with ``log`` its natural logarithm; None for no tokens.

    As logarithms: prod = sum_t l_t, mean = logsumexp_t l_t - log n, gmean = sum_t l_t / n, hmean = log n - logsumexp_t
    (-l_t), l_t = log p_t. Sums are rounded once. A product below 5e-324 is 0.0; its logarithm is not.

    Shape: ``logprobs`` [n], float64, nats, no NaN. (-inf: a token of probability zero.)

    Raises:
        OptionError: there is no such reduction.
    """
    if reduction not in REDUCTIONS:
        raise OptionError(f"reduction={reduction!r} is unknown; expected one of {', '.join(REDUCTIONS)}")
    if not len(logprobs):
        return None
    found = _LOGARITHMS[reduction](logprobs)
    return found if log else exp(found)


def _log_mean(logprobs: FloatArray) -> float:
    """log (sum_t exp(l_t) / n), [n] of at least one."""
    highest = float(logprobs.max())
    if math.isinf(highest):
        return highest
    return highest + math.log(math.fsum(np.exp(logprobs - highest).tolist()) / len(logprobs))


_LOGARITHMS: Mapping[Reduction, Callable[[FloatArray], float]] = {
    "prod": log_likelihood,
    "mean": _log_mean,
    "gmean": lambda logprobs: log_likelihood(logprobs) / len(logprobs),
    "hmean": lambda logprobs: -_log_mean(-logprobs),
}


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
