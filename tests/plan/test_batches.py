"""Padded batches hold every request once, under the budget, and say where each target stands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqscore.plan.batches import padded_batches
from seqscore.plan.chunks import ChunkLimits, chunks_of
from seqscore.plan.requests import Request


@st.composite
def some_requests(draw: st.DrawFn) -> list[Request]:
    lengths = draw(st.lists(st.integers(2, 30), max_size=20))
    return [Request(np.arange(n) + 100 * i, draw(st.integers(1, n - 1))) for i, n in enumerate(lengths)]


@given(some_requests(), st.integers(1, 100))
def test_every_target_stands_where_its_batch_says(requests: list[Request], budget: int) -> None:
    seen = []
    for batch in padded_batches(requests, batch_tokens=budget):
        seen.extend(batch.indices)
        assert batch.width == max(requests[i].num_inputs for i in batch.indices)
        assert len(batch.indices) == 1 or len(batch.indices) * batch.width <= budget
        found = [
            (requests[batch.indices[row]].inputs[column], target)
            for row, column, target in zip(batch.rows, batch.columns, batch.targets, strict=True)
        ]
        expected = [
            (requests[i].ids[t - 1], requests[i].ids[t])
            for i in batch.indices
            for t in range(requests[i].first_target, len(requests[i].ids))
        ]
        assert found == expected
    assert sorted(seen) == list(range(len(requests)))


def test_a_request_needs_a_target_and_something_before_it() -> None:
    for first_target in (0, 3, -1):
        with pytest.raises(ValueError, match="first_target must be 1 to 2"):
            Request(np.arange(3), first_target)


@given(st.lists(st.integers(0, 50)), st.integers(1, 5), st.integers(5, 9), st.integers(1, 120))
def test_chunks_are_the_items_in_order_and_bounded(items: list[int], first: int, largest: int, weight: int) -> None:
    limits = ChunkLimits(first=first, largest=largest, max_weight=weight)
    chunks = list(chunks_of(items, weigh=lambda item: item, limits=limits))
    assert [item for chunk in chunks for item in chunk] == items
    assert all(0 < len(chunk) <= largest and sum(chunk[:-1]) < weight for chunk in chunks)
    assert not chunks or len(chunks[0]) <= first


def test_a_chunk_reads_no_further_than_it_must() -> None:
    read: list[int] = []

    def items() -> object:
        for i in range(100):
            read.append(i)
            yield i

    next(chunks_of(items(), weigh=lambda _: 1, limits=ChunkLimits(first=4)))  # type: ignore[arg-type]
    assert read == [0, 1, 2, 3]


def test_what_was_read_before_an_error_is_handed_on() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    chunks = chunks_of(items(), weigh=lambda _: 1)
    assert next(chunks) == [1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(chunks)


@given(some_requests(), st.integers(1, 100), st.integers(1, 30))
def test_no_batch_holds_both_sides_of_a_switch(requests: list[Request], budget: int, split_at: int) -> None:
    batches = padded_batches(requests, batch_tokens=budget, split_at=split_at)
    for batch in batches:
        assert len({requests[i].num_inputs > split_at for i in batch.indices}) == 1
    assert sorted(i for batch in batches for i in batch.indices) == list(range(len(requests)))


def test_planning_needs_no_torch() -> None:
    code = "import sys, seqscore.plan.batches, seqscore.plan.chunks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.lists(st.integers(0, 5)), st.integers(1, 6), st.integers(1, 60))
def test_a_full_chunk_ends_between_items_that_do_not_belong_together(items: list[int], size: int, weight: int) -> None:
    limits = ChunkLimits(first=size, largest=size, max_weight=weight)
    chunks = list(chunks_of(items, weigh=lambda item: item, belongs=lambda a, b: a == b, limits=limits))
    assert [item for chunk in chunks for item in chunk] == items
    for chunk, following in pairwise(chunks):
        assert len(chunk) >= size or sum(chunk) >= weight  # it was full
        assert chunk[-1] != following[0] or len(chunk) >= 2 * size or sum(chunk) >= 2 * weight
