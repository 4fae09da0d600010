"""Attention in parts against softmax over all keys, in float64."""

from __future__ import annotations

import pytest
import torch

from seqscore.engine.attention.kernels import attend, merge, never_seen, with_sink


def parts(seed: int, keys: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(2, 3, 16, 8, generator=generator, dtype=torch.float64)
    key, value = (torch.randn(2, keys, 3, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    return query.to(dtype), key.to(dtype), value.to(dtype)


def scores_of(query: torch.Tensor, key: torch.Tensor, cap: float | None) -> torch.Tensor:
    scores = torch.einsum("ngrd,nsgd->ngrs", query.double(), key.double()) * 0.3
    return scores if cap is None else cap * (scores / cap).tanh()


@pytest.mark.parametrize("cap", [None, 0.5])  # with a cap: the plain way, which other devices take too
@pytest.mark.parametrize("keys", [1, 63, 64, 65, 300])
def test_parts_merge_into_the_whole(keys: int, cap: float | None) -> None:
    query, key, value = parts(keys, keys + 64)
    scores = scores_of(query, key, cap)
    expected = torch.einsum("ngrs,nsgd->ngrd", scores.softmax(-1), value)
    one = attend(query, key[:, :64], value[:, :64], mask=None, scale=0.3, cap=cap)
    other = attend(query, key[:, 64:], value[:, 64:], mask=None, scale=0.3, cap=cap)
    out, lse = merge(*one, *other)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(lse, scores.logsumexp(-1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("cap", [None, 0.5])
def test_keys_that_are_not_seen_weigh_nothing(cap: float | None) -> None:
    query, key, value = parts(1, 64)
    mask = torch.zeros(2, 1, 16, 64, dtype=torch.float64)
    mask[..., 10:] = never_seen(torch.float64)
    out, lse = attend(query, key, value, mask=mask, scale=0.3, cap=cap)
    scores = scores_of(query, key[:, :10], cap)
    torch.testing.assert_close(
        out, torch.einsum("ngrs,nsgd->ngrd", scores.softmax(-1), value[:, :10]), rtol=0, atol=1e-14
    )
    hidden = attend(query, key, value, mask=torch.full_like(mask, never_seen(torch.float64)), scale=0.3, cap=cap)
    merged, _ = merge(out, lse, *hidden)  # a part without any key changes nothing, not even a bit
    assert torch.equal(merged, out)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 2e-6), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
@pytest.mark.parametrize("cap", [None, 2.0])
def test_other_dtypes_cost_what_they_cost(dtype: torch.dtype, tolerance: float, cap: float | None) -> None:
    query, key, value = parts(2, 128, dtype)
    out, lse = attend(query, key, value, mask=None, scale=0.3, cap=cap)
    expected = torch.einsum("ngrs,nsgd->ngrd", scores_of(query, key, cap).softmax(-1), value.double())
    assert out.dtype == dtype and lse.dtype == torch.float32
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=tolerance)


def test_all_queries_may_read_the_same_keys() -> None:
    query, key, value = parts(3, 64)
    one = attend(query, key[:1], value[:1], mask=None, scale=0.3, cap=None)
    each = attend(query, key[:1].expand(2, -1, -1, -1), value[:1].expand(2, -1, -1, -1), mask=None, scale=0.3, cap=None)
    assert torch.equal(one[0], each[0]) and torch.equal(one[1], each[1])


def test_a_sink_takes_weight_and_gives_nothing() -> None:
    query, key, value = parts(4, 20)
    out, lse = attend(query, key, value, mask=None, scale=0.3, cap=None)
    sink = torch.tensor([0.5, -1.0, 3.0], dtype=torch.float64)
    scores = torch.cat([scores_of(query, key, None), sink.view(1, 3, 1, 1).expand(2, 3, 16, 1)], -1)
    expected = torch.einsum("ngrs,nsgd->ngrd", scores.softmax(-1)[..., :-1], value)
    got = with_sink(out.transpose(1, 2), lse.transpose(1, 2), sink)
    torch.testing.assert_close(got.transpose(1, 2), expected, rtol=0, atol=1e-14)
