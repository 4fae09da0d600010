"""Padded batches hold every path of a tree once, under the budget, and every target is taken once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqscore.plan.batches import Batch, TargetsOnce, padded_batches, sides_of
from seqscore.plan.chunks import ChunkLimits, chunks_of
from seqscore.plan.requests import Request
from seqscore.plan.trie import Trie, build_trie


@st.composite
def some_requests(draw: st.DrawFn) -> list[Request]:
    """Of three words, so that many begin alike."""
    texts = draw(st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=10), max_size=12))
    return [Request(np.array(ids), draw(st.integers(1, len(ids) - 1))) for ids in texts]


def read_so_far(trie: Trie, batches: list[Batch]) -> Iterator[tuple[Batch, list[list[int]]]]:
    """What each batch makes a model read, prefixes included, as the batches claim to run."""
    open_prefixes: list[list[int]] = []
    for batch in batches:
        del open_prefixes[batch.depth :]
        before = open_prefixes[-1] if batch.depth else []
        assert len(before) == batch.prefix and len(open_prefixes) == batch.depth
        tokens = [before + trie.tokens[row[row >= 0]].tolist() for row in batch.rows]
        if batch.opens:
            assert len(tokens) == 1
            open_prefixes.append(tokens[0])
        yield batch, tokens


def check_targets(requests: list[Request], trie: Trie, batches: list[Batch]) -> None:
    """Every target is taken once, at a place where what was read is what stands before it."""
    taken, found = TargetsOnce(trie), {}
    for batch, tokens in read_so_far(trie, batches):
        rows, columns, targets = taken.take(batch)
        for row, column, target in zip(rows.tolist(), columns.tolist(), targets.tolist(), strict=True):
            assert target not in found
            found[target] = (*tokens[row][: batch.prefix + column + 1], int(trie.target_tokens[target]))
    assert taken.order().tolist() == np.argsort(list(found)).tolist()
    for request, places in zip(requests, trie.places, strict=True):
        for place, target in enumerate(places.tolist()):
            assert found[target] == tuple(request.ids[: request.first_target + place + 1].tolist())


@settings(max_examples=40)
@given(some_requests(), st.integers(1, 60))
def test_every_target_stands_where_its_batch_says(requests: list[Request], budget: int) -> None:
    trie = build_trie(requests)
    batches = padded_batches(trie, batch_tokens=budget)
    if batches:
        check_targets(requests, trie, batches)
    for batch in batches:
        assert len(batch.rows) == 1 or batch.rows.size <= budget
        assert (batch.rows >= 0).all(1).any()
    widths = [batch.rows.shape[1] for batch in batches]
    assert widths == sorted(widths, reverse=True)


@settings(max_examples=40)
@given(some_requests())
def test_what_is_the_beginning_of_another_text_does_not_run(requests: list[Request]) -> None:
    inputs = {tuple(request.inputs.tolist()) for request in requests}
    maximal = [one for one in inputs if not any(other[: len(one)] == one for other in inputs - {one})]
    batches = padded_batches(build_trie(requests), batch_tokens=30)
    assert sum(batch.num_run for batch in batches) == sum(map(len, maximal))


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


@settings(max_examples=40)
@given(some_requests(), st.integers(1, 12))
def test_both_sides_of_a_switch_are_apart(requests: list[Request], switch: int) -> None:
    short, long = sides_of(requests, switch)
    assert sorted(short + long) == list(range(len(requests)))
    assert all(requests[i].num_inputs <= switch for i in short) and all(requests[i].num_inputs > switch for i in long)
    assert sides_of(requests, None) == [list(range(len(requests)))]


def test_planning_needs_no_torch() -> None:
    code = "import sys, seqscore.plan.prefixes, seqscore.plan.chunks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.lists(st.integers(0, 5)), st.integers(1, 6), st.integers(1, 60))
def test_a_full_chunk_ends_between_items_that_do_not_belong_together(items: list[int], size: int, weight: int) -> None:
    limits = ChunkLimits(first=size, largest=size, max_weight=weight)
    chunks = list(chunks_of(items, weigh=lambda item: item, belongs=lambda a, b: a == b, limits=limits))
    assert [item for chunk in chunks for item in chunk] == items
    for chunk, following in pairwise(chunks):
        assert len(chunk) >= size or sum(chunk) >= weight  # it was full
        assert chunk[-1] != following[0] or len(chunk) >= 2 * size or sum(chunk) >= 2 * weight
