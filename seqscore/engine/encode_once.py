"""The engine of a model with an encoder: each source encoded once, each decoded stretch run once.

Only places that predict a target go through the head. Rows of one width run side by side, and a row's width follows
from its own length (``seqscore.plan.sources``), as many as leave its bits alone: so a text's bits do not depend on what
is scored beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.forward_passes import forward_passes
from seqscore.engine.head.by_rows import target_values
from seqscore.engine.head.masses import asked_of
from seqscore.engine.head.queue import HeadQueue, counts_for, head_row_counts
from seqscore.engine.kept_trials import tried
from seqscore.engine.row_counts import pack_row_counts
from seqscore.models.architecture.stacks import Stacks
from seqscore.plan.requests import Request, Values, common_subsets
from seqscore.plan.sources import DecodedRow, SourceGroup, by_source, equal_widths, width_of
from seqscore.policies import Extra

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

IntArray = NDArray[np.int64]

_SOURCE_SHARE = 4
"""The decoder reads of encoded sources at most so many times its own budget: they are repeated for each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the two stacks read besides what a request names.

    ``around``: token ids before a source and behind it. ``front``: before the ids of a request. ``padding``: where no
    token stands. ``source_limit``, ``limit``: positions that encoder and decoder read at most; None: no limit.
    """

    around: tuple[tuple[int, ...], tuple[int, ...]]
    front: tuple[int, ...]
    padding: int
    source_limit: int | None
    limit: int | None

    def around_source(self, ids: Sequence[int]) -> list[int]:
        """A source as the encoder reads it; an end of what stands around it that it brings along is not put there
        again."""
        before, behind = self.around
        brings_front = bool(before) and tuple(ids[: len(before)]) == before
        inner = list(ids[len(before) :] if brings_front else ids)
        brings_end = bool(behind) and tuple(inner[-len(behind) :]) == behind
        return [*before, *inner, *(() if brings_end else behind)]


class EncodeOnceEngine:
    """Runs a model of two stacks.

    Args:
        stacks: encoder, decoder and head.
        reading: what they read besides.
        batch_tokens: positions of a stack that run at once, padding included, or one row.
    """

    name: ClassVar[str] = "encode-once"

    def __init__(self, stacks: Stacks, reading: Reading, *, batch_tokens: int) -> None:
        self._stacks, self._reading, self.batch_tokens = stacks, reading, batch_tokens

    def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """log p of each target given those before it and its source."""
        if not asked:
            return []
        with self._passes():
            taken = _Taken(asked, len(self._reading.front))
            values = Values.concatenate(list(self._values(asked, taken, extras)))
        return values.take(taken.order()).split([one.num_targets for one in asked])

    def logits(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """[targets, V]."""
        if not requests:
            return np.empty((0, self._stacks.adapter.vocabulary))
        with self._passes():
            taken, found = _Taken(requests, len(self._reading.front)), []
            for states, rows in self._decoded(requests):
                places, _, _ = taken.take(rows, states.shape[1])
                chosen = states.flatten(0, 1)[_on_device(places, states)]
                logits = chosen if self._stacks.head is None else self._stacks.head.logits(chosen)
                found.append(logits.double().cpu().numpy())
        rows_of_all: NDArray[np.float64] = np.concatenate(found)[taken.order()]
        return rows_of_all

    def _values(self, asked: Sequence[Request], taken: _Taken, extras: frozenset[Extra]) -> Iterator[Values]:
        """The values of all targets, in the order in which they are ``taken``."""
        head, masses = self._stacks.head, asked_of(taken.subsets, np.empty(0, np.int64), self._stacks.adapter.device)
        queue = None if head is None else HeadQueue(head, counts_for(extras, head, self._head_rows), extras, masses)
        for states, rows in self._decoded(asked):
            places, targets, subsets = taken.take(rows, states.shape[1])
            flat = states.flatten(0, 1)
            if queue is None:
                where, words = _on_device(places, states), _on_device(targets, states)
                of_these = None if masses is None else masses.at(subsets)
                yield target_values(flat[where], None, words, extras=extras, asked=of_these)
            else:
                queue.add(flat, places, targets, subsets)
        if queue is not None:
            yield queue.finish()

    def _decoded(self, asked: Sequence[Request]) -> Iterator[tuple[Tensor, list[DecodedRow]]]:
        """What the decoder gives of rows side by side, [b, n, D] (or logits [b, n, V]), and the rows."""
        front, limit = list(self._reading.front), self._reading.limit
        for width, states, seen, groups in self._encoded(by_source(asked)):
            rows = [(place, row) for place, group in enumerate(groups) for row in group.rows]
            widths = [width_of(len(front) + len(row.ids), limit) for _, row in rows]
            for decoded, chosen in equal_widths(widths, partial(self._most_rows, source_width=width)):
                of_source = _on_device(np.array([rows[i][0] for i in chosen]), states)
                ids, _ = self._filled([[*front, *rows[i][1].ids.tolist()] for i in chosen], decoded)
                given = self._stacks.decode(ids, states[of_source], seen[of_source])
                yield given, [rows[i][1] for i in chosen]

    def _encoded(self, groups: Sequence[SourceGroup]) -> Iterator[tuple[int, Tensor, Tensor, list[SourceGroup]]]:
        """Sources side by side: their width, their states [b, m, D], where tokens stand [b, m], and the sources."""
        sources = [self._reading.around_source(group.source.tolist()) for group in groups]
        widths = [width_of(len(source), self._reading.source_limit) for source in sources]
        for width, chosen in equal_widths(widths, self._most_sources):
            ids, seen = self._filled([sources[i] for i in chosen], width)
            yield width, self._stacks.encode(ids, seen), seen, [groups[i] for i in chosen]

    def _filled(self, rows: Sequence[Sequence[int]], width: int) -> tuple[Tensor, Tensor]:
        """[b, width] int64: token ids, padded on the right, and 1 where a token stands."""
        ids = np.full((len(rows), width), self._reading.padding, np.int64)
        seen = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)], seen[place, : len(row)] = row, 1
        device = self._stacks.adapter.device
        return _to(ids, device), _to(seen, device)

    def _most_sources(self, width: int) -> int:
        """How many sources of this width may be encoded side by side."""
        return self._most(self._stacks.encoder, self.batch_tokens, width)

    def _most_rows(self, width: int, source_width: int) -> int:
        """How many rows of this width may be decoded side by side, their sources repeated for each."""
        decoder = self._stacks.decoder
        of_source = self._most(decoder, _SOURCE_SHARE * self.batch_tokens, source_width)
        return min(self._most(decoder, self.batch_tokens, width), of_source)

    def _most(self, stack: nn.Module, budget: int, width: int) -> int:
        """As many as the budget holds; where bits are kept, a power of two of them at which the stack's products give
        a row the bits that it has alone."""
        if not self.lays_rows:
            return max(1, budget // width)
        steady = set(pack_row_counts(stack, largest=max(budget, width)))
        most = 1
        while 2 * most * width <= budget and width in steady and 2 * most * width in steady:
            most *= 2
        return most

    @property
    def _head_rows(self) -> tuple[int, ...]:
        assert self._stacks.head is not None
        return head_row_counts(self._stacks.head, tried(self._stacks.adapter.model))

    @property
    def lays_rows(self) -> bool:
        """Whether rows are laid so that their bits may not depend on what stands beside them."""
        import torch

        exact = self._stacks.adapter.dtype in (torch.float32, torch.float64)
        return self._stacks.adapter.device.type == "cpu" and exact and self._stacks.head is not None

    @contextmanager
    def _passes(self) -> Iterator[None]:
        with forward_passes(self._stacks.adapter, batch_tokens=self.batch_tokens):
            self._stacks.require_unchanged()
            yield


class _Taken:
    """Which targets were taken from decoded rows, in the order in which they were. ``subsets``: of all requests.

    ``front``: how many positions stand before the first id of a request.
    """

    def __init__(self, requests: Sequence[Request], front: int) -> None:
        self._requests, self._front = requests, front
        self.subsets, self._subset_numbers = common_subsets(requests)
        self._owners: list[IntArray] = []

    def take(self, rows: Sequence[DecodedRow], width: int) -> tuple[IntArray, IntArray, IntArray]:
        """The places [p] that predict targets of these rows, each ``width`` wide, ascending; the targets [p]; which of
        the ``subsets`` is asked for there [p], -1: none."""
        places, targets, subsets, owners = [], [], [], []
        for row, decoded in enumerate(rows):
            for number in decoded.requests:
                request = self._requests[number]
                columns = np.arange(request.first_target - 1, request.num_inputs) + self._front
                places.append(row * width + columns)
                targets.append(request.targets)
                subsets.append(self._subset_numbers[number])
                owners.append(np.full(len(columns), number))
        order = np.argsort(np.concatenate(places), kind="stable")
        self._owners.append(np.concatenate(owners)[order])
        found = (np.concatenate(part)[order] for part in (places, targets, subsets))
        return next(found), next(found), next(found)

    def order(self) -> IntArray:
        """Where the targets of the first request stand among those that were taken, then those of the next, ..."""
        return np.argsort(np.concatenate(self._owners), kind="stable")


def _to(array: IntArray, device: torch.device) -> Tensor:
    import torch

    return torch.from_numpy(array).to(device)


def _on_device(array: IntArray, like: Tensor) -> Tensor:
    return _to(array, like.device)
