"""What a masked model runs: a row for each target, its text with a stretch masked, side by side where widths agree.

A row's width follows from its own length, and rows that fill their width stand apart from those that are padded (a
model may take another way where nothing is): so what is computed of a row is the same whatever runs beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.requests import Request

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class MaskedRows:
    """Targets that are run side by side.

    Shape: ``owners`` [b]: the request of each, by number; ``numbers`` [b]: which of its targets it is; ``order`` [b]:
    which of all targets of all requests.
    """

    requests: Sequence[Request]
    width: int
    owners: IntArray
    numbers: IntArray
    order: IntArray

    def part(self, rows: slice) -> MaskedRows:
        """Some of them."""
        return MaskedRows(self.requests, self.width, self.owners[rows], self.numbers[rows], self.order[rows])

    @property
    def places(self) -> IntArray:
        """[b]: where the target of each row stands."""
        firsts = np.array([self.requests[owner].first_target for owner in self.owners.tolist()], np.int64)
        return firsts + self.numbers

    @property
    def targets(self) -> IntArray:
        """[b], ids."""
        places = zip(self.owners.tolist(), self.places.tolist(), strict=True)
        return np.array([self.requests[owner].ids[place] for owner, place in places], np.int64)

    def masked(self, mask: int, padding: int) -> tuple[IntArray, IntArray]:
        """[b, width]: the ids, the stretch of each row masked, padded on the right; and 1 where a token stands."""
        ids = np.full((len(self.owners), self.width), padding, np.int64)
        seen = np.zeros_like(ids)
        for row, (owner, number) in enumerate(zip(self.owners.tolist(), self.numbers.tolist(), strict=True)):
            request = self.requests[owner]
            length = len(request.ids)
            ids[row, :length], seen[row, :length] = request.ids, 1
            begin, end = hidden_by(request, number)
            ids[row, begin:end] = mask
        return ids, seen


def hidden_by(request: Request, number: int) -> tuple[int, int]:
    """The stretch of a request's ids that is masked to score one of its targets."""
    if request.hidden is None:
        return request.first_target + number, request.first_target + number + 1
    begin, end = request.hidden[number].tolist()
    return begin, end


def masked_rows(
    requests: Sequence[Request], *, width_of: Callable[[int], int], sizes: Callable[[int, int], Sequence[int]]
) -> Iterator[MaskedRows]:
    """A row for every target, widest first.

    Args:
        requests: what is asked.
        width_of: how wide a row of so many tokens runs.
        sizes: given a width and how many rows of it there are, how many run at once each time.
    """
    counts = np.array([request.num_targets for request in requests], np.int64)
    offsets = np.cumsum(counts) - counts
    groups: dict[tuple[int, bool], list[int]] = {}
    for owner, request in enumerate(requests):
        width = width_of(len(request.ids))
        groups.setdefault((width, len(request.ids) == width), []).append(owner)
    for (width, _), members in sorted(groups.items(), reverse=True):
        owners = np.repeat(np.array(members, np.int64), counts[members])
        numbers = np.concatenate([np.arange(counts[owner]) for owner in members])
        whole = MaskedRows(requests, width, owners, numbers, offsets[owners] + numbers)
        begin = 0
        for size in sizes(width, len(owners)):
            yield whole.part(slice(begin, begin + size))
            begin += size
