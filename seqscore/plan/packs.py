"""The rows of a trie cut into packs, and for each pack what its attention reads.

Rows run in depth-first order. Where a pack ends inside a path, the keys and values of that path (the carried path)
stay for the next pack, so every row runs once and the memory holds one path and one pack.

What a query computes must depend on its own prefix and its absolute position only, never on what stands beside it.
So the keys of a query are cut at absolute positions: queries of one block (``BLOCK`` positions) read together, their
local keys begin where their span (``SPAN`` positions) begins, and everything before that is the span's prefix. Its keys
are the same for all queries of the span, also for those of other branches: they are read where they lie, once for all
of them (as the shared prefix of cascade or "Hydragen" attention, Juravsky et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.cuts import cut_rows
from seqscore.plan.trie import Edge, Trie

IntArray = NDArray[np.int64]

BLOCK = 64
SPAN = 256
_QUERY_STEP = 16
_MAX_LOCAL_KEYS = 8192


@dataclass(frozen=True, slots=True, eq=False)
class LocalBlocks:
    """Blocks of queries of equal shape with the keys of their own span.

    Shape: ``query_rows``, ``query_positions`` [blocks, queries]: rows of the pack and their positions; what fills a
    block up repeats its last row. ``key_slots``, ``key_positions`` [blocks, keys]: keys behind a query are not seen;
    their slots are of the same path.
    """

    query_rows: IntArray
    query_positions: IntArray
    key_slots: IntArray
    key_positions: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class SharedPrefix:
    """Queries with the same keys before their span, all of which they see.

    Shape: ``query_rows``, ``query_positions`` [tiles, BLOCK], filled up like blocks. ``key_slots`` [keys]: by position,
    from 0. ``stretch``: the same as a slice, where the slots follow one another.
    """

    query_rows: IntArray
    query_positions: IntArray
    key_slots: IntArray
    stretch: slice | None


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Rows ``begin .. begin + num_rows - 1`` of a trie, filled up to a size that may be used.

    Keys and values of the carried path lie in slots 0 .. carried - 1, those of the pack's rows behind them. After the
    pack, slots ``kept`` move to ``kept_at``, ``kept_at`` + 1, ...: the next pack's carried path is then in place.

    Shape: ``tokens``, ``positions`` [T]. ``local_places`` [T]: where a row stands in the queries of ``local``, block
    after block (0 for padding). ``prefix_rows``, ``prefix_places`` [m]: rows with a shared prefix, and where they
    stand in the queries of ``prefixes``. ``targets``: the stretch of the trie's targets that stand on these rows.
    """

    begin: int
    num_rows: int
    carried: int
    tokens: IntArray
    positions: IntArray
    local: tuple[LocalBlocks, ...]
    local_places: IntArray
    prefixes: tuple[SharedPrefix, ...]
    prefix_rows: IntArray
    prefix_places: IntArray
    kept: IntArray
    kept_at: int
    targets: slice

    @property
    def size(self) -> int:
        """T: rows with padding."""
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class _Block:
    """Queries of one path within one block of positions: ``count`` rows of the pack from ``row`` on."""

    row: int
    position: int
    count: int
    local_slots: IntArray
    prefix: int

    @property
    def queries(self) -> int:
        return -(-self.count // _QUERY_STEP) * _QUERY_STEP

    @property
    def keys(self) -> int:
        return (self.position // BLOCK + 1) * BLOCK - self.position // SPAN * SPAN


def cut_packs(trie: Trie, sizes: Sequence[int], *, padding_position: int | None = None) -> Iterator[Pack]:
    """The packs of a trie in order; each has one of ``sizes`` rows, padding included.

    With ``padding_position`` every pack has padding, and it stands at that position: a model whose rotary embedding
    depends on the largest position of a pass sees it in every pack.
    """
    spare = 0 if padding_position is None else 1
    edges = _Edges(trie)
    path = np.empty(trie.longest, np.int64)
    begin = 0
    for rows, usable in cut_rows(trie.num_rows, [size - spare for size in sizes]):
        yield _pack(trie, edges, path, begin, rows, usable + spare, padding_position or 0)
        begin += rows


class _Edges:
    """The edges of a trie, read from the front, cut where a pack ends."""

    def __init__(self, trie: Trie) -> None:
        self._edges = trie.edges
        self._next = 0
        self._used = 0

    def take(self, count: int) -> Iterator[Edge]:
        """The next ``count`` rows."""
        while count:
            edge = self._edges[self._next]
            length = min(edge.length - self._used, count)
            yield Edge(edge.row + self._used, edge.position + self._used, length)
            count -= length
            self._used += length
            if self._used == edge.length:
                self._next, self._used = self._next + 1, 0


def _pack(trie: Trie, edges: _Edges, path: IntArray, begin: int, rows: int, size: int, padding_at: int) -> Pack:
    """One pack.

    ``path``: the slot of each position of the open path, kept up to date from pack to pack. The rows come depth first,
    so an edge overwrites the path from its own position on: what is left of it before that is its own prefix.
    """
    end = begin + rows
    carried = int(trie.positions[begin])
    path[:carried] = np.arange(carried)  # what the pack before has moved to the front
    blocks: list[_Block] = []
    number_of: dict[int, int] = {}
    prefix_slots: list[IntArray] = []
    for edge in edges.take(rows):
        first = carried + edge.row - begin
        path[edge.position : edge.position + edge.length] = np.arange(first, first + edge.length)
        for position, count in _cut_at_blocks(edge):
            span = position // SPAN * SPAN
            # A slot belongs to one row and a row has one path, so the last slot before the span names the whole prefix.
            number = number_of.setdefault(int(path[span - 1]), len(prefix_slots)) if span else -1
            if number == len(prefix_slots):
                prefix_slots.append(path[:span].copy())
            slots = path[span : position + count].copy()  # copied: the next edge overwrites the path
            blocks.append(_Block(edge.row - begin + position - edge.position, position, count, slots, number))
    local, local_places = _local(blocks, size)
    prefixes, prefix_rows, prefix_places = _prefixes(blocks, prefix_slots)
    # The next pack begins at a row whose prefix is the path up to its position; nothing else is needed any more.
    kept_at, kept = _kept(path, int(trie.positions[end]) if end < trie.num_rows else 0)
    filled = size - rows
    lo, hi = np.searchsorted(trie.target_rows, [begin, end])
    return Pack(
        begin=begin,
        num_rows=rows,
        carried=carried,
        tokens=np.concatenate([trie.tokens[begin:end], np.zeros(filled, np.int64)]),
        positions=np.concatenate([trie.positions[begin:end], np.full(filled, padding_at)]),
        local=local,
        local_places=local_places,
        prefixes=prefixes,
        prefix_rows=prefix_rows,
        prefix_places=prefix_places,
        kept=kept,
        kept_at=kept_at,
        targets=slice(int(lo), int(hi)),
    )


def _cut_at_blocks(edge: Edge) -> Iterator[tuple[int, int]]:
    """(position, count) of the pieces of an edge that lie in one block each."""
    position, end = edge.position, edge.position + edge.length
    while position < end:
        stop = min(end, (position // BLOCK + 1) * BLOCK)
        yield position, stop - position
        position = stop


def _local(blocks: Sequence[_Block], size: int) -> tuple[tuple[LocalBlocks, ...], IntArray]:
    """Blocks of equal shape together, as many as may be read at once; and where each row of the pack stands."""
    shapes: dict[tuple[int, int], list[_Block]] = {}
    for block in blocks:
        shapes.setdefault((block.queries, block.keys), []).append(block)
    groups: list[LocalBlocks] = []
    places = np.zeros(size, np.int64)
    done = 0
    for (queries, keys), alike in sorted(shapes.items()):
        at_once = max(1, _MAX_LOCAL_KEYS // keys)
        for first in range(0, len(alike), at_once):
            chosen = alike[first : first + at_once]
            groups.append(_local_group(chosen, queries, keys))
        for number, block in enumerate(alike):
            places[block.row : block.row + block.count] = done + number * queries + np.arange(block.count)
        done += len(alike) * queries
    return tuple(groups), places


def _local_group(blocks: Sequence[_Block], queries: int, keys: int) -> LocalBlocks:
    slots = np.empty((len(blocks), keys), np.int64)
    for number, block in enumerate(blocks):
        slots[number] = block.local_slots[-1]  # of its own path: what is not seen is read all the same, and may be NaN
        slots[number, : len(block.local_slots)] = block.local_slots
    within = np.minimum(np.arange(queries), np.array([block.count - 1 for block in blocks])[:, None])
    spans = np.array([block.position // SPAN * SPAN for block in blocks])
    return LocalBlocks(
        query_rows=np.array([block.row for block in blocks])[:, None] + within,
        query_positions=np.array([block.position for block in blocks])[:, None] + within,
        key_slots=slots,
        key_positions=spans[:, None] + np.arange(keys),
    )


def _prefixes(
    blocks: Sequence[_Block], slots: Sequence[IntArray]
) -> tuple[tuple[SharedPrefix, ...], IntArray, IntArray]:
    """The shared prefixes of the pack, each with all queries that read it; the rows that have one, and their places."""
    groups: list[SharedPrefix] = []
    rows_of: list[list[_Block]] = [[] for _ in slots]
    for block in blocks:
        if block.prefix >= 0:
            rows_of[block.prefix].append(block)
    all_rows, all_places, done = [_NOTHING], [_NOTHING], 0
    for keys, members in zip(slots, rows_of, strict=True):
        rows = np.concatenate([np.arange(block.row, block.row + block.count) for block in members])
        positions = np.concatenate([np.arange(block.position, block.position + block.count) for block in members])
        tiles = -(-len(rows) // BLOCK)
        filled = np.minimum(np.arange(tiles * BLOCK), len(rows) - 1).reshape(tiles, BLOCK)
        groups.append(SharedPrefix(rows[filled], positions[filled], keys, _stretch(keys)))
        all_rows.append(rows)
        all_places.append(done + np.arange(len(rows)))
        done += tiles * BLOCK
    return tuple(groups), np.concatenate(all_rows), np.concatenate(all_places)


def _stretch(slots: IntArray) -> slice | None:
    first = int(slots[0])
    return slice(first, first + len(slots)) if (slots == np.arange(first, first + len(slots))).all() else None


def _kept(path: IntArray, length: int) -> tuple[int, IntArray]:
    """(first slot to be written, slots to be read) that put the first ``length`` positions of the path in place."""
    moved = np.flatnonzero(path[:length] != np.arange(length))
    first = int(moved[0]) if len(moved) else length
    return first, path[first:length].copy()


_NOTHING: IntArray = np.empty(0, np.int64)
