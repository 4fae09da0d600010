"""Softmax attention over some of a query's keys, and what two such parts are together.

For every query: lse = log sum_j exp(s_j), out = sum_j exp(s_j - lse) v_j, with scores s_j = scale * q k_j, softly
capped where the model does. Two parts with keys of their own make one by their log-sum-exps, as in FlashAttention
(Dao et al. 2022): lse = log sum_i exp(lse_i), out = sum_i exp(lse_i - lse) out_i.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def never_seen(dtype: torch.dtype) -> float:
    """Added to the score of a key that is not seen. Finite: a query that sees no key of a part gets no NaN, but a part
    whose weight in ``merge`` is exactly 0."""
    import torch

    return -30000.0 if dtype == torch.float16 else -1e30


def attend(
    query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None, scale: float, cap: float | None
) -> tuple[Tensor, Tensor]:
    """(out [n, G, r, d], lse [n, G, r]) of queries [n, G, r, d] over keys and values [n, S, G, d].

    r = q * fold: the query heads of one key head stand as rows of one block. The first dimension of keys and values may
    be 1: all queries read the same. ``mask`` [n, 1, r, S] is added to the scores. ``lse`` is in float32 (float64 for
    float64).

    On a CPU it is torch's blockwise kernel: one task for each head and tile of queries, each on one thread, so that
    neither threads nor neighbours reach into the arithmetic.
    """
    import torch

    key = key.transpose(1, 2).expand(len(query), -1, -1, -1)
    value = value.transpose(1, 2).expand(len(query), -1, -1, -1)
    if query.device.type == "cpu" and cap is None:
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, False, attn_mask=mask, scale=scale
        )
        return out, lse
    scores = torch.matmul(query, key.transpose(-1, -2)).to(torch.promote_types(query.dtype, torch.float32)) * scale
    if cap is not None:
        scores = scores.div_(cap).tanh_().mul_(cap)
    if mask is not None:
        scores = scores.add_(mask)
    lse = scores.logsumexp(-1)
    weights = scores.sub_(lse[..., None]).exp_().to(value.dtype)
    return torch.matmul(weights, value), lse


def merge(out: Tensor, lse: Tensor, other: Tensor, other_lse: Tensor) -> tuple[Tensor, Tensor]:
    """(out [..., d], lse [...]) of two parts of the keys."""
    import torch

    both = torch.maximum(lse, other_lse)
    weight, other_weight = (lse - both).exp_(), (other_lse - both).exp_()
    total = weight + other_weight
    merged = out * (weight / total)[..., None] + other * (other_weight / total)[..., None]
    return merged.to(out.dtype), both + total.log()


def with_sink(out: Tensor, lse: Tensor, sink: Tensor) -> Tensor:
    """Outputs [..., H, d] where each head has one more score, ``sink`` [H], that takes weight and gives nothing."""
    return (out / (1 + (sink - lse).exp_())[..., None]).to(out.dtype)
