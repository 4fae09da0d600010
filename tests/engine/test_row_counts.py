"""Row counts at which products keep a row's bits."""

from __future__ import annotations

import torch

from seqscore.engine.row_counts import CANDIDATES, pack_row_counts, steady_products, steady_row_counts
from tests.tiny_models import tiny_model


def test_counts_that_change_a_bit_are_left_out() -> None:
    def product(rows: torch.Tensor) -> torch.Tensor:
        out = rows @ torch.eye(8)
        return out + 1e-6 if len(rows) == 48 else out

    assert steady_products(product, 8, like=torch.empty(0), candidates=(16, 48, 64)) == (16, 64)


def test_rows_are_tried_at_the_front_and_at_the_back() -> None:
    def product(rows: torch.Tensor) -> torch.Tensor:
        out = rows.clone()
        if len(rows) == 32:
            out[-1] += 1e-6
        return out

    assert steady_products(product, 8, like=torch.empty(0), candidates=(16, 32, 64)) == (16, 64)


def test_counts_fill_whole_vectors() -> None:
    """128 bytes are 32 float32: layers of one output need row counts that are multiples of it."""
    narrow = torch.nn.Sequential(torch.nn.Linear(4, 1))
    assert all(count % 32 == 0 for count in steady_row_counts(narrow))


def test_some_count_is_always_left() -> None:
    noise = torch.nn.Sequential(_Noisy(4, 64))
    assert steady_row_counts(noise) == (max(CANDIDATES),)
    assert set(steady_row_counts(tiny_model("llama"))) <= set(CANDIDATES)


def test_packs_larger_than_the_candidates_agree_with_these() -> None:
    plain, noise = torch.nn.Sequential(torch.nn.Linear(4, 64)), torch.nn.Sequential(_Noisy(4, 64))
    assert pack_row_counts(plain, largest=2500)[-3:] == (512, 1024, 2048)
    assert pack_row_counts(noise, largest=2500) == (512,)
    assert pack_row_counts(plain, largest=40) == tuple(count for count in steady_row_counts(plain) if count <= 40)
    assert pack_row_counts(plain, largest=1) == (min(steady_row_counts(plain)),)


class _Noisy(torch.nn.Linear):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return super().forward(rows) + torch.rand(1)
