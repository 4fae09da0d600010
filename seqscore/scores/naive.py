"""What goes wrong without the logarithm: running products, naive softmax and naive means beside their log forms.

Nothing here is used for scoring. Everything is computed really in the number format that it is about: float16, float32
and float64 by NumPy, bfloat16 by ml_dtypes (which, like processors and torch, works in float32 and rounds the result).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqscore.errors import InputError, NumericsError, OptionError
from seqscore.scores.reductions import perplexity

__all__ = [
    "FORMATS",
    "SOFTMAX_EXAMPLE",
    "WORKED_EXAMPLE",
    "FormatFailure",
    "FormatName",
    "ProductComparison",
    "SoftmaxComparison",
    "SoftmaxOutcome",
    "SoftmaxTrial",
    "compare_products",
    "compare_softmax",
    "geometric_mean",
    "largest_exponent",
    "log_softmax",
    "loss_of",
    "naive_log_softmax",
    "naive_mean",
    "naive_softmax",
    "rounded",
]

FormatName: TypeAlias = Literal["float16", "bfloat16", "float32", "float64"]
FORMATS: tuple[FormatName, ...] = get_args(FormatName)

WORKED_EXAMPLE = (0.001, 0.002, 0.0005)
"""Three token probabilities: their product is 1e-9, whose natural logarithm is -20.72."""

SOFTMAX_EXAMPLE = (2.0, 1.0, 0.1)
"""Three logits whose softmax is 0.659, 0.242, 0.099; multiplied by a scale they grow as a network's logits do."""

FloatArray: TypeAlias = NDArray[np.float64]


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
    log_product: float
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
    dtype = _dtype(name)
    with np.errstate(all="ignore"):
        factors = np.exp(logprobs).astype(dtype)
        products = np.multiply.accumulate(factors).astype(np.float64)
    products.flags.writeable = False
    product = float(products[-1]) if len(products) else 1.0
    return FormatFailure(
        dtype=name,
        products=products,
        first_subnormal=_first((products > 0.0) & (products < _smallest_normal(name))),
        first_zero=_first(products == 0.0),
        product=product,
        log_product=math.log(product) if product > 0.0 else -math.inf,
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


def _dtype(name: str) -> np.dtype[Any]:
    if name not in FORMATS:
        raise OptionError(f"number format {name!r} is unknown; expected one of {', '.join(FORMATS)}")
    if name == "bfloat16":
        import ml_dtypes

        name = ml_dtypes.bfloat16
    dtype: np.dtype[Any] = np.dtype(name)
    return dtype


def largest_exponent(name: FormatName) -> float:
    """ln of the largest number of a format: exp of anything greater overflows."""
    import ml_dtypes

    return math.log(float(ml_dtypes.finfo(_dtype(name)).max))  # type: ignore[no-untyped-call]


def _smallest_normal(name: FormatName) -> float:
    # bfloat16 has the exponents of float32, hence the same smallest normal number.
    return float(np.finfo("float32" if name == "bfloat16" else name).smallest_normal)


def _require_subnormals() -> None:
    """Some libraries switch a thread to treating subnormal numbers as zero; the results would then not be IEEE's."""
    smallest = np.array([1, 1], dtype=np.int64).view(np.float64)
    if not (smallest * 1.0 > 0.0).all():
        raise NumericsError(
            "this thread flushes subnormal numbers to zero, so running products would die too early; switch it off, "
            "for instance with torch.set_flush_denormal(False)"
        )


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


def rounded(values: FloatArray, dtype: FormatName) -> NDArray[Any]:
    """``values`` rounded to a format, infinite where they are too large for it."""
    with np.errstate(all="ignore"):
        return values.astype(_dtype(dtype))


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
    """What one formula gave for the logarithms of the probabilities: how many are no finite number, how wrong the rest.

    ``max_error`` is the largest absolute difference, in nats, from the log-softmax in float64 of the same (rounded)
    logits, over the finite values; None where none is finite.
    """

    num_nan: int
    num_inf: int
    num_minus_inf: int
    max_error: float | None

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

    def first_failure(self, dtype: str, formula: Literal["naive", "stable"] = "naive") -> float | None:
        """The smallest scale at which a formula fails in a format; None where it never does."""
        failed = [one.scale for one in self.trials if one.dtype == dtype and getattr(one, formula).failed]
        return min(failed, default=None)


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
    exact = np.asarray(log_softmax(_logits(scaled, name).astype(np.float64), "float64"), dtype=np.float64)
    return SoftmaxTrial(
        dtype=name,
        scale=scale,
        naive=_outcome(naive_log_softmax(scaled, name), exact),
        stable=_outcome(log_softmax(scaled, name), exact),
    )


def _outcome(values: NDArray[Any], exact: FloatArray) -> SoftmaxOutcome:
    got = values.astype(np.float64)
    finite = np.isfinite(got)
    return SoftmaxOutcome(
        num_nan=int(np.isnan(got).sum()),
        num_inf=int(np.isposinf(got).sum()),
        num_minus_inf=int(np.isneginf(got).sum()),
        max_error=float(np.abs(got - exact)[finite].max()) if finite.any() else None,
    )
