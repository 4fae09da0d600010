from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqscore.errors import InputError, NumericsError, OptionError
from seqscore.explain.numbers.float_formats import FORMATS, dtype_of
from seqscore.explain.numbers.naive import WORKED_EXAMPLE, compare_products, geometric_mean, naive_mean
from seqscore.explain.numbers.softmax import compare_softmax, log_softmax, naive_log_softmax, naive_softmax

# significant bits and exponent of the smallest subnormal, 2 ** e
SHAPES = {"float16": (11, -24), "bfloat16": (8, -133), "float32": (24, -149), "float64": (53, -1074)}

logprob_lists = st.lists(st.floats(min_value=-60.0, max_value=0.0), max_size=60)


def nearest(value: Fraction, name: str) -> Fraction:
    """``value`` (at most 1) rounded to a format, ties to even, subnormals and zero included; by rational arithmetic."""
    bits, least = SHAPES[name]
    if value == 0:
        return value
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if value < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** max(exponent - bits + 1, least)
    return round(value / unit) * unit


def in_format(value: Fraction, name: str) -> Fraction:
    """bfloat16 arithmetic is float32 arithmetic whose result is rounded again."""
    return nearest(nearest(value, "float32"), name) if name == "bfloat16" else nearest(value, name)


def products_by_fractions(logprobs: list[float], name: str) -> list[Fraction]:
    factors = [Fraction(float(np.exp(np.float64(one)))) for one in logprobs]
    products: list[Fraction] = []
    for factor in factors:
        rounded = in_format(factor, name)
        products.append(in_format(products[-1] * rounded, name) if products else rounded)
    return products


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60, deadline=None)
@given(logprobs=logprob_lists)
def test_every_running_product_is_rounded_as_its_format_rounds(name: str, logprobs: list[float]) -> None:
    one = compare_products(logprobs)[name]
    exact = products_by_fractions(logprobs, name)
    assert [Fraction(p) for p in one.products.tolist()] == exact
    bits, least = SHAPES[name]
    smallest_normal = Fraction(2) ** (least + bits - 1)
    assert one.first_zero == next((i for i, p in enumerate(exact) if p == 0), None)
    assert one.first_subnormal == next((i for i, p in enumerate(exact) if 0 < p < smallest_normal), None)
    assert one.product == (float(exact[-1]) if exact else 1.0)


@pytest.mark.parametrize("name", FORMATS)
def test_ties_in_the_subnormal_range_go_to_even(name: str) -> None:
    least = SHAPES[name][1]
    # 3 * 2**least, halved: 1.5 units, a tie that goes to 2; halved again and again: 1, then 0.5, a tie that goes to 0
    start = Fraction(3) * Fraction(2) ** least
    exact = [start]
    for _ in range(3):
        exact.append(nearest(exact[-1] / 2, name))
    assert exact == [start, 2 * start / 3, start / 3, 0]
    dtype = dtype_of(name)
    factors = np.array([float(start), 0.5, 0.5, 0.5]).astype(dtype)
    assert [Fraction(float(p)) for p in np.multiply.accumulate(factors)] == exact


def log_of(value: Fraction) -> Decimal:
    return Decimal(value.numerator).ln() - Decimal(value.denominator).ln()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.floats(min_value=1e-300, max_value=1.0, exclude_min=True, allow_subnormal=False), min_size=1, max_size=80
    )
)
def test_the_log_sum_is_the_log_of_the_exact_product(probabilities: list[float]) -> None:
    logprobs = [math.log(p) for p in probabilities]
    comparison = compare_products(logprobs)
    with localcontext() as context:
        context.prec = 60
        exact = log_of(math.prod(map(Fraction, probabilities)))
        # math.log is within one unit in the last place of each term, the sum is rounded once.
        bound = sum(math.ulp(one) for one in logprobs) + math.ulp(comparison.log_likelihood)
        assert abs(Decimal(comparison.log_likelihood) - exact) <= Decimal(bound)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(min_value=-1e308, max_value=0.0), max_size=40))
def test_each_running_sum_is_rounded_once(logprobs: list[float]) -> None:
    comparison = compare_products(logprobs)
    for t, got in enumerate(comparison.log_sums.tolist()):
        try:
            expected = math.fsum(logprobs[: t + 1])
        except OverflowError:
            expected = -math.inf
        assert got == expected
    assert comparison.log_likelihood == (comparison.log_sums[-1] if logprobs else 0.0)


def test_the_worked_example() -> None:
    comparison = compare_products(np.log(WORKED_EXAMPLE))
    assert round(comparison.log_likelihood, 2) == -20.72
    assert comparison["float64"].product == pytest.approx(1e-9, rel=4 * 2**-53)
    assert comparison["float32"].product == pytest.approx(1e-9, rel=6 * 2**-24)
    half = comparison["float16"]
    assert (half.first_subnormal, half.first_zero, half.perplexity) == (1, 2, math.inf)
    assert comparison.perplexity == pytest.approx(1000.0, rel=1e-14)


def test_a_text_of_some_hundred_tokens_underflows_to_zero_in_float32_and_float64() -> None:
    logprobs = np.full(400, math.log(0.05))
    comparison = compare_products(logprobs)
    deaths = [one.first_zero for one in comparison.formats]
    assert deaths == [products_by_fractions(logprobs.tolist(), name).index(Fraction(0)) for name in FORMATS]
    assert deaths == sorted(deaths) and deaths[-1] < 250
    assert all(one.product == 0.0 for one in comparison.formats)
    assert all(one.perplexity == math.inf for one in comparison.formats)
    assert comparison.perplexity == pytest.approx(20.0, rel=1e-13)
    assert comparison.log_likelihood == math.fsum(logprobs)


def test_a_product_that_lives_gives_the_right_perplexity() -> None:
    comparison = compare_products(np.log([0.5, 0.25]))
    assert comparison["float64"].perplexity == pytest.approx(8**0.5, rel=1e-15)
    assert comparison.perplexity == pytest.approx(8**0.5, rel=1e-15)


def test_perplexity_of_the_smallest_number_overflows_to_infinity() -> None:
    assert compare_products([math.log(5e-324)])["float64"].perplexity == math.inf


def test_no_tokens() -> None:
    comparison = compare_products([])
    assert (comparison.log_likelihood, comparison.perplexity) == (0.0, None)
    assert all(one.product == 1.0 and one.perplexity is None and one.first_zero is None for one in comparison.formats)
    assert all(one.products.shape == (0,) and one.products.dtype == np.float64 for one in comparison.formats)
    assert comparison.log_sums.dtype == np.float64


def test_a_token_of_probability_zero() -> None:
    comparison = compare_products([-1.0, -math.inf, -1.0])
    assert comparison.log_sums.tolist() == [-1.0, -math.inf, -math.inf]
    assert comparison.log_likelihood == -math.inf
    assert comparison.perplexity == math.inf
    assert [one.first_zero for one in comparison.formats] == [1, 1, 1, 1]
    assert [one.first_subnormal for one in comparison.formats] == [None] * 4


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([-1.0, 0.5], "log-probability 0.5 at token 1: expected a number of at most 0; pass the scored tokens only"),
        ([math.nan], "log-probability nan at token 0: expected a number of at most 0; pass the scored tokens only"),
        ([[-1.0]], "log-probabilities must be one list [n], got shape [1, 1]"),
        (-1.0, "log-probabilities must be one list [n], got shape []"),
        (["x"], "log-probabilities must be a list of numbers: could not convert string to float: 'x'"),
    ],
)
def test_values_that_are_no_logprobs(bad: object, message: str) -> None:
    for function in (compare_products, naive_mean, geometric_mean):
        with pytest.raises(InputError) as caught:
            function(bad)  # type: ignore[operator]
        assert str(caught.value) == message


def test_the_callers_array_is_neither_changed_nor_frozen() -> None:
    given_values = np.array([-1.0, -2.0])
    comparison = compare_products(given_values)
    given_values[0] = -5.0
    assert comparison.logprobs.tolist() == [-1.0, -2.0]
    with pytest.raises(ValueError, match="read-only"):
        comparison.logprobs[0] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        comparison["float16"].products[0] = 0.0


def test_a_thread_that_flushes_subnormals_is_told_so() -> None:
    before = compare_products(np.full(800, -1.0))["float64"].products
    switched = torch.set_flush_denormal(True)
    try:
        if switched:
            with pytest.raises(NumericsError, match=r"set_flush_denormal\(False\)"):
                compare_products([-1.0])
        else:
            assert (compare_products(np.full(800, -1.0))["float64"].products == before).all()
    finally:
        torch.set_flush_denormal(False)
    assert (compare_products(np.full(800, -1.0))["float64"].products == before).all()


def test_twenty_thousand_tokens_are_quick() -> None:
    comparison = compare_products(np.full(20_000, -3.3))
    assert comparison.log_likelihood == math.fsum([-3.3] * 20_000)


def test_means() -> None:
    logprobs = np.log([0.9, 0.1])
    assert naive_mean(logprobs) == pytest.approx(0.5, rel=1e-15)
    assert geometric_mean(logprobs) == pytest.approx(0.3, rel=1e-15)
    assert naive_mean([]) is None
    assert geometric_mean([]) is None
    assert naive_mean([0.0, -math.inf]) == 0.5
    assert geometric_mean([0.0, -math.inf]) == 0.0


def test_means_rank_texts_differently() -> None:
    uneven, even = np.log([0.9, 0.1]), np.log([0.4, 0.4])
    assert naive_mean(uneven) > naive_mean(even)
    assert geometric_mean(uneven) < geometric_mean(even)


@settings(max_examples=60, deadline=None)
@given(logprob_lists.filter(bool))
def test_geometric_mean_is_one_over_perplexity_and_never_above_the_arithmetic(logprobs: list[float]) -> None:
    geometric, arithmetic = geometric_mean(logprobs), naive_mean(logprobs)
    perplexity = compare_products(logprobs).perplexity
    # exp(x) exp(-x) of the same x: a rounding or two each.
    assert geometric * perplexity == pytest.approx(1.0, rel=5 * 2**-53)
    # The mean of the logs (at most 60) is rounded twice, in the sum and in the division, and exp makes that relative.
    assert geometric <= arithmetic * (1 + (2 * 60 + 8) * 2**-53)


def exact_log_softmax(logits: list[float]) -> list[Decimal]:
    with localcontext() as context:
        context.prec = 50
        exact = [Decimal(one) for one in logits]
        total = sum(one.exp() for one in exact).ln()
        return [one - total for one in exact]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(min_value=-500, max_value=500), min_size=1, max_size=33))
def test_log_softmax_is_finite_and_near_the_exact_one(name: str, logits: list[float]) -> None:
    rounded = np.array(logits).astype(dtype_of(name)).astype(np.float64).tolist()
    got = log_softmax(logits, name).astype(np.float64)
    unit = 2.0 ** -SHAPES[name][0]  # unit roundoff
    depth = math.ceil(math.log2(len(logits))) if len(logits) > 1 else 0
    # z - max is rounded (relative error u on values up to 1000), each exp a few u on top of that, the tree sum one u a
    # level, log and the last subtraction round values up to 1000 + log V again. exp of the rounded differences: an
    # error of u |d| matters only as far as exp(d) does, |d| exp(d) <= 1/e.
    spread = max(rounded) - min(rounded)
    bound = unit * (2 * spread + 2 * math.log(len(logits)) + (len(logits) / math.e + 4 + depth) * 2) + 1e-30
    with localcontext() as context:
        context.prec = 50
        for value, exact in zip(got.tolist(), exact_log_softmax(rounded), strict=True):
            assert math.isfinite(value)
            assert abs(Decimal(value) - exact) <= Decimal(bound)


def test_naive_softmax_on_small_logits_is_the_known_one() -> None:
    got = naive_softmax([2.0, 1.0, 0.1], "float64")
    assert [round(float(one), 3) for one in got] == [0.659, 0.242, 0.099]
    assert np.allclose(np.exp(log_softmax([2.0, 1.0, 0.1], "float64")), got, rtol=8 * 2**-53, atol=0)


# exp overflows above ln(largest finite number): 11.09, 88.7, 88.7, 709.8
@pytest.mark.parametrize(("name", "logit"), [("float16", 11.2), ("bfloat16", 89), ("float32", 89), ("float64", 710)])
def test_naive_softmax_overflows_to_nan_where_log_softmax_goes_on(name: str, logit: float) -> None:
    assert np.isnan(naive_softmax([logit, 0.0], name).astype(np.float64)[0])
    assert np.isfinite(log_softmax([logit, 0.0], name).astype(np.float64)).all()
    below = naive_softmax([logit - 1.2, 0.0], name).astype(np.float64)
    assert np.isfinite(below).all()


@pytest.mark.parametrize(("name", "logit"), [("float16", 18), ("bfloat16", 105), ("float32", 105), ("float64", 746)])
def test_log_of_naive_softmax_loses_the_unlikely(name: str, logit: float) -> None:
    assert naive_log_softmax([0.0, -logit], name)[1] == -math.inf
    assert float(log_softmax([0.0, -logit], name)[1]) == pytest.approx(-logit, rel=2.0 ** -SHAPES[name][0])


def test_softmax_results_have_the_format_asked_for() -> None:
    for function in (naive_softmax, naive_log_softmax, log_softmax):
        assert function([1.0, 2.0], "bfloat16").dtype == ml_dtypes.bfloat16
        assert function([[1.0, 2.0]], "float16").dtype == np.float16
        assert function([[1.0, 2.0]], "float16").shape == (1, 2)


def test_bfloat16_sums_over_a_vocabulary_do_not_stall() -> None:
    # Added one after the other, bfloat16 stops at 256.
    uniform = log_softmax(np.zeros(49_152), "bfloat16").astype(np.float64)
    assert uniform[0] == pytest.approx(-math.log(49_152), rel=2 * 2.0**-8)


def test_compare_softmax() -> None:
    comparison = compare_softmax([3.0, 1.0, -2.0, 0.5], scales=(1, 10, 100, 1000, 100_000))
    assert len(comparison.trials) == 20

    def first_failure(dtype: str, formula: str = "naive") -> float | None:
        failed = [one.scale for one in comparison.trials if one.dtype == dtype and getattr(one, formula).failed]
        return min(failed, default=None)

    assert {name: first_failure(name) for name in FORMATS} == {
        "float16": 10,
        "bfloat16": 100,
        "float32": 100,
        "float64": 1000,
    }
    # 300,000 is no float16 number: no formula can help there.
    assert first_failure("float16", "stable") == 100_000
    assert [first_failure(name, "stable") for name in FORMATS[1:]] == [None] * 3
    at = {(one.dtype, one.scale): one for one in comparison.trials}
    assert at["float32", 1000].naive.num_nan == 3
    assert at["float32", 1000].naive.num_minus_inf == 1
    assert at["float32", 100].naive.num_inf == 0


def test_comparing_softmax_wants_finite_logits_and_known_formats() -> None:
    with pytest.raises(InputError, match="finite"):
        compare_softmax([0.0, math.inf])
    with pytest.raises(InputError, match=r"V of at least 1, got \[0\]"):
        log_softmax([], "float32")
    with pytest.raises(InputError, match="array of numbers"):
        log_softmax(["a"], "float32")
    with pytest.raises(OptionError, match="'float8' is unknown; expected one of float16, bfloat16, float32, float64"):
        log_softmax([1.0], "float8")  # type: ignore[arg-type]
