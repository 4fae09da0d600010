"""Rows of a masked model: every target once, side by side where widths agree."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqscore.plan.masks import masked_rows
from seqscore.plan.requests import Request

MASK, PADDING = 98, 99


def request(length: int, first: int, behind: int, width: int) -> Request:
    """Ids 0, 1, 2, ...; each target hides itself and up to ``width`` - 1 ids behind it (0: nothing is named)."""
    targets = np.arange(first, length - behind)
    hidden = np.stack([targets, np.minimum(targets + width, length)], axis=1) if width else None
    return Request(np.arange(length), first, num_behind=behind, hidden=hidden)


REQUESTS = st.lists(
    st.tuples(st.integers(3, 20), st.integers(1, 3), st.integers(0, 2), st.integers(0, 3))
    .filter(lambda one: one[1] < one[0] - one[2])
    .map(lambda one: request(*one)),
    max_size=6,
)


@given(REQUESTS, st.integers(1, 5))
def test_every_target_is_in_one_row_with_its_stretch_masked(requests: list[Request], most: int) -> None:
    def sizes(width: int, count: int) -> list[int]:
        return [min(most, count - begin) for begin in range(0, count, most)]

    found: dict[int, tuple[int, int]] = {}
    for rows in masked_rows(requests, width_of=lambda length: -(-length // 8) * 8, sizes=sizes):
        assert 1 <= len(rows.owners) <= most
        ids, seen = rows.masked(MASK, PADDING)
        assert ids.shape == seen.shape == (len(rows.owners), rows.width)
        lengths = [len(requests[owner].ids) for owner in rows.owners]
        assert {-(-length // 8) * 8 for length in lengths} == {rows.width}
        assert len({length == rows.width for length in lengths}) == 1  # padded ones and others stand apart
        for row, owner in enumerate(rows.owners.tolist()):
            asked, place = requests[owner], int(rows.places[row])
            begin, end = (place, place + 1) if asked.hidden is None else asked.hidden[place - asked.first_target]
            expected = [MASK if begin <= one < end else one for one in range(len(asked.ids))]
            assert ids[row].tolist() == expected + [PADDING] * (rows.width - len(expected))
            assert seen[row].sum() == len(expected) and seen[row, : len(expected)].all()
            assert rows.targets[row] == place and int(rows.order[row]) not in found
            found[int(rows.order[row])] = owner, place
    targets = [(n, place) for n, one in enumerate(requests) for place in one.targets.tolist()]
    assert [found[number] for number in range(len(found))] == targets
