"""Requests with sources: each source once, each decoded stretch once, rows of one width side by side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqscore.plan.requests import Request
from seqscore.plan.sources import by_source, equal_widths, width_of

REQUESTS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 2), max_size=2), st.lists(st.sampled_from([0, 1, 255, 70000]), min_size=2, max_size=5)
    ),
    max_size=12,
)


@given(REQUESTS)
def test_every_request_is_answered_once_by_a_row_that_begins_with_its_inputs(
    made: list[tuple[list[int], list[int]]],
) -> None:
    requests = [Request(np.array(ids), 1, source=np.array(source, np.int64)) for source, ids in made]
    groups = by_source(requests)
    assert len({tuple(group.source) for group in groups}) == len(groups) == len({tuple(source) for source, _ in made})
    answered = [number for group in groups for row in group.rows for number in row.requests]
    assert sorted(answered) == list(range(len(requests)))
    for group in groups:
        for row in group.rows:
            for number in row.requests:
                assert made[number][0] == group.source.tolist()
                assert row.ids[: requests[number].num_inputs].tolist() == requests[number].inputs.tolist()
        # no row is the beginning of another one
        rows = [tuple(row.ids) for row in group.rows]
        for i, one in enumerate(rows):
            assert not any(other[: len(one)] == one for j, other in enumerate(rows) if i != j)


def test_widths_follow_from_the_length_alone() -> None:
    assert [width_of(n, None) for n in (1, 16, 17, 33, 49, 65, 97, 385, 512)] == [16, 16, 32, 48, 64, 96, 128, 512, 512]
    assert [width_of(n, None) for n in (513, 576, 577, 5000)] == [576, 576, 640, 5056]
    assert [width_of(n, 40) for n in (3, 20, 33, 40)] == [16, 32, 40, 40]
    for n in range(1, 2000):
        assert n <= width_of(n, None) <= max(16, 2 * n)


@pytest.mark.parametrize("most", [1, 2, 3, 8])
def test_a_batch_holds_rows_of_one_width_a_power_of_two_of_them(most: int) -> None:
    widths = [16, 32, 16, 16, 48, 16, 16, 32, 16]
    batches = list(equal_widths(widths, lambda width: most))
    assert sorted(place for _, places in batches for place in places) == list(range(len(widths)))
    assert [width for width, _ in batches] == sorted((width for width, _ in batches), reverse=True)
    for width, places in batches:
        assert {widths[place] for place in places} == {width}
        assert len(places) <= most and len(places) in (1, 2, 4, 8)
    assert list(equal_widths([], lambda width: most)) == []
    assert list(equal_widths([16], lambda width: 0)) == [(16, [0])]
