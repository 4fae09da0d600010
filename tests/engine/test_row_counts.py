"""Row counts at which products keep a row's bits."""

from __future__ import annotations

import torch

from seqscore.engine.row_counts import CANDIDATES, steady_products, steady_row_counts
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


class _Noisy(torch.nn.Linear):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return super().forward(rows) + torch.rand(1)
