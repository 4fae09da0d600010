"""What goes wrong without the logarithm: running products and naive means beside their log forms.

Nothing here is used for scoring. Everything is computed really in the number format that it is about: float16, float32
and float64 by NumPy, bfloat16 by ml_dtypes (which, like processors and torch, works in float32 and rounds the result).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqscore.errors import InputError, NumericsError
from seqscore.explain.numbers.float_formats import FORMATS, FloatArray, FormatName, dtype_of, smallest_normal
from seqscore.scores.reductions import perplexity

WORKED_EXAMPLE = (0.001, 0.002, 0.0005)
"""Three token probabilities: their product is 1e-9, whose natural logarithm is -20.72."""


@dataclass(frozen=True, eq=False, slots=True)
class FormatFailure:
    """The product p_1 p_2 ... p_t multiplied step by step in one floating-point format.

    Shape: ``products`` [n], each an exact value of that format, given as float64. ``first_subnormal`` and
    ``first_zero`` are the indices of the tokens at which the running product first is subnormal (below the format's
    smallest normal number, where digits are lost) and first exactly 0.0; None where that does not happen.
    ``perplexity`` is product ** (-1 / n): inf where the product is zero, None where there are no tokens.
    """

    dtype: FormatName
    products: FloatArray
    first_subnormal: int | None
    first_zero: int | None
    product: float
    perplexity: float | None


@dataclass(frozen=True, eq=False, slots=True)
class ProductComparison:
    """The running log-sum beside the running product in each format.

    Shape: ``logprobs`` and ``log_sums`` [n], float64, nats; ``log_sums[t]`` is log p_1 + ... + log p_t rounded once.
    ``log_likelihood`` is the last of them (0.0 where there is none) and ``perplexity`` exp(-log_likelihood / n).
    """

    logprobs: FloatArray
    log_sums: FloatArray
    log_likelihood: float
    perplexity: float | None
    formats: tuple[FormatFailure, ...]

    def __getitem__(self, dtype: str) -> FormatFailure:
        return next(one for one in self.formats if one.dtype == dtype)


def compare_products(logprobs: ArrayLike) -> ProductComparison:
    """prod_t p_t in float16, bfloat16, float32 and float64 beside sum_t log p_t.

    A factor is exp(log p_t), computed in float64 and rounded to the format; every multiplication is rounded to it too.

    Shape: ``logprobs`` [n], nats, of the scored tokens only; -inf (a token of probability zero) is allowed.

    Raises:
        InputError: a value is NaN or greater than 0, or the values are no list of numbers.
        NumericsError: this thread flushes subnormal numbers to zero, so that the formats would not be what they are.
    """
    values = _checked_logprobs(logprobs)
    _require_subnormals()
    log_sums = np.array(list(_running_sums(values.tolist())), dtype=np.float64)
    total = float(log_sums[-1]) if len(log_sums) else 0.0
    formats = tuple(_multiply(values, name) for name in FORMATS)
    for array in (values, log_sums):
        array.flags.writeable = False
    return ProductComparison(values, log_sums, total, perplexity(total, len(values)), formats)


def naive_mean(logprobs: ArrayLike) -> float | None:
    """(p_1 + ... + p_n) / n, the arithmetic mean of the token probabilities; None for no tokens.

    It is often taken for a length-normalised probability of the sequence, and it is none. A sequence's probability is
    a product, so the mean that belongs to it is the geometric one, (p_1 ... p_n) ** (1 / n), see
    :func:`geometric_mean`. The arithmetic mean is made up by the easy tokens: it stays high when a token is impossible
    (the sequence then has probability zero), and it ranks texts differently: (0.9, 0.1) has mean 0.5 and product 0.09,
    (0.4, 0.4) has mean 0.4 and product 0.16.
    """
    values = _checked_logprobs(logprobs)
    return math.fsum(np.exp(values).tolist()) / len(values) if len(values) else None


def geometric_mean(logprobs: ArrayLike) -> float | None:
    """exp((log p_1 + ... + log p_n) / n) = 1 / perplexity; None for no tokens."""
    values = _checked_logprobs(logprobs)
    return math.exp(math.fsum(values.tolist()) / len(values)) if len(values) else None


def _checked_logprobs(logprobs: ArrayLike) -> FloatArray:
    """A float64 copy of the log-probabilities."""
    try:
        values = np.array(logprobs, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"log-probabilities must be a list of numbers: {error}") from error
    if values.ndim != 1:
        raise InputError(f"log-probabilities must be one list [n], got shape {list(values.shape)}")
    bad = np.flatnonzero(~(values <= 0.0))
    if len(bad):
        at = int(bad[0])
        raise InputError(
            f"log-probability {values[at]} at token {at}: expected a number of at most 0; pass the scored tokens only"
        )
    return values


def _running_sums(values: Sequence[float]) -> Iterator[float]:
    """Running sums, each rounded once from the exact one."""
    finite = next((i for i, value in enumerate(values) if value == -math.inf), len(values))
    for total in accumulate(map(Fraction, values[:finite])):
        try:
            yield float(total)
        except OverflowError:
            yield -math.inf
    yield from (-math.inf for _ in values[finite:])


def _multiply(logprobs: FloatArray, name: FormatName) -> FormatFailure:
    """The running product in one format and what becomes of it."""
    dtype = dtype_of(name)
    with np.errstate(all="ignore"):
        factors = np.exp(logprobs).astype(dtype)
        products = np.multiply.accumulate(factors).astype(np.float64)
    products.flags.writeable = False
    product = float(products[-1]) if len(products) else 1.0
    return FormatFailure(
        dtype=name,
        products=products,
        first_subnormal=_first((products > 0.0) & (products < smallest_normal(name))),
        first_zero=_first(products == 0.0),
        product=product,
        perplexity=_root(product, len(products)),
    )


def _root(product: float, n: int) -> float | None:
    if n == 0:
        return None
    with np.errstate(divide="ignore", over="ignore"):
        return float(np.power(np.float64(product), -1.0 / n))


def _first(mask: NDArray[np.bool_]) -> int | None:
    where = np.flatnonzero(mask)
    return int(where[0]) if len(where) else None


def _require_subnormals() -> None:
    """Some libraries switch a thread to treating subnormal numbers as zero; the results would then not be IEEE's."""
    smallest = np.array([1, 1], dtype=np.int64).view(np.float64)
    if not (smallest * 1.0 > 0.0).all():
        raise NumericsError(
            "this thread flushes subnormal numbers to zero, so running products would die too early; switch it off, "
            "for instance with torch.set_flush_denormal(False)"
        )
