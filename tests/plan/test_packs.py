"""Packs: every row once, every key a row's own prefix, whatever the requests and sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqscore.plan.packs import BLOCK, SPAN, Pack, cut_packs
from seqscore.plan.requests import Request
from seqscore.plan.trie import Trie, build_trie

Path = tuple[int, ...]


@st.composite
def requests(draw: st.DrawFn) -> list[Request]:
    """Sequences that often share prefixes, some longer than a span."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    stems = [generator.integers(0, 3, size=draw(st.sampled_from([1, 5, 63, 64, 65, 300, 700])))]
    made = []
    for _ in range(draw(st.integers(1, 12))):
        stem = stems[draw(st.integers(0, len(stems) - 1))]
        kept = draw(st.integers(0, len(stem)))
        ids = np.concatenate([stem[:kept], generator.integers(0, 3, size=draw(st.integers(1, 80)))])
        stems.append(ids)
        if len(ids) > 1:
            made.append(Request(ids, draw(st.integers(1, len(ids) - 1))))
    return made


sizes = st.lists(st.sampled_from([16, 32, 48, 64, 128, 256, 512]), min_size=1, max_size=4, unique=True)


def row_paths(trie: Trie) -> list[Path]:
    """The tokens from the root to each row, from positions and tokens alone."""
    paths: list[Path] = []
    current: list[int] = []
    for token, position in zip(trie.tokens.tolist(), trie.positions.tolist(), strict=True):
        current = [*current[:position], token]
        paths.append(tuple(current))
    return paths


def row_ancestors(trie: Trie) -> list[Path]:
    """The rows from the root to each row."""
    ancestors: list[Path] = []
    current: list[int] = []
    for row, position in enumerate(trie.positions.tolist()):
        current = [*current[:position], row]
        ancestors.append(tuple(current))
    return ancestors


@given(requests())
def test_every_request_is_read_back_from_its_targets(chosen: list[Request]) -> None:
    trie = build_trie(chosen)
    paths = row_paths(trie)
    for request, places in zip(chosen, trie.places, strict=True):
        rows, tokens = trie.target_rows[places], trie.target_tokens[places]
        np.testing.assert_array_equal(tokens, request.targets)
        for step, row in enumerate(rows.tolist()):
            assert paths[row] == tuple(request.ids[: request.first_target + step].tolist())


@given(requests())
def test_a_row_for_every_distinct_prefix_and_a_target_for_every_distinct_one(chosen: list[Request]) -> None:
    trie = build_trie(chosen)
    prefixes = {tuple(request.inputs[: n + 1].tolist()) for request in chosen for n in range(request.num_inputs)}
    assert sorted(row_paths(trie)) == sorted(prefixes)
    targets = {
        (tuple(request.ids[:n].tolist()), int(request.ids[n]))
        for request in chosen
        for n in range(request.first_target, len(request.ids))
    }
    assert len(trie.target_rows) == len(targets)
    assert trie.num_inputs == sum(request.num_inputs for request in chosen)


@given(requests(), st.randoms(use_true_random=False))
def test_the_order_of_the_requests_does_not_matter(chosen: list[Request], random: object) -> None:
    shuffled = list(chosen)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = build_trie(chosen), build_trie(shuffled)
    for name in ("tokens", "positions", "target_rows", "target_tokens"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.edges == other.edges


@given(requests())
def test_without_sharing_every_request_has_its_own_rows(chosen: list[Request]) -> None:
    trie = build_trie(chosen, sharing=False)
    assert trie.num_rows == trie.num_inputs
    paths = row_paths(trie)
    for request, places in zip(chosen, trie.places, strict=True):
        assert paths[trie.target_rows[places[-1]]] == tuple(request.inputs.tolist())


class Memory:
    """What the slots hold while packs run: the row of the trie that was written there last."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}

    def write(self, pack: Pack) -> None:
        for row in range(pack.num_rows):
            self.rows[pack.carried + row] = pack.begin + row

    def keep(self, pack: Pack) -> None:
        moved = [self.rows[slot] for slot in pack.kept.tolist()]
        self.rows.update(enumerate(moved, start=pack.kept_at))


def seen_keys(pack: Pack, memory: Memory) -> dict[int, list[int]]:
    """The rows of the trie that each row of the pack attends to, in the order of the keys."""
    shared: dict[int, list[int]] = {}
    for number, row in enumerate(pack.prefix_rows.tolist()):
        group, place = locate([prefix.query_rows.size for prefix in pack.prefixes], int(pack.prefix_places[number]))
        assert pack.prefixes[group].query_rows.reshape(-1)[place] == row
        shared[row] = [memory.rows[slot] for slot in pack.prefixes[group].key_slots.tolist()]
    seen = {}
    for row in range(pack.num_rows):
        group, place = locate([local.query_rows.size for local in pack.local], int(pack.local_places[row]))
        local = pack.local[group]
        block, query = divmod(place, local.query_rows.shape[1])
        assert local.query_rows[block, query] == row
        position = local.query_positions[block, query]
        assert position == pack.positions[row]
        visible = local.key_slots[block][local.key_positions[block] <= position]
        seen[row] = shared.get(row, []) + [memory.rows[slot] for slot in visible.tolist()]
    return seen


def locate(counts: Sequence[int], place: int) -> tuple[int, int]:
    for group, count in enumerate(counts):
        if place < count:
            return group, place
        place -= count
    raise AssertionError("a place behind all queries")


@settings(deadline=None, max_examples=60)
@given(requests(), sizes, st.booleans())
def test_no_row_sees_anything_but_its_own_prefix(chosen: list[Request], allowed: list[int], sharing: bool) -> None:
    trie = build_trie(chosen, sharing=sharing)
    ancestors = row_ancestors(trie)
    memory = Memory()
    done = 0
    for pack in cut_packs(trie, allowed):
        assert pack.begin == done and pack.size in allowed and 0 < pack.num_rows <= pack.size
        memory.write(pack)
        for row, keys in seen_keys(pack, memory).items():
            assert tuple(keys) == ancestors[pack.begin + row]
        memory.keep(pack)
        done += pack.num_rows
    assert done == trie.num_rows


@settings(deadline=None, max_examples=30)
@given(requests(), sizes)
def test_slots_are_bounded_by_one_path_and_one_pack(chosen: list[Request], allowed: list[int]) -> None:
    trie = build_trie(chosen)
    targets = []
    for pack in cut_packs(trie, allowed):
        assert pack.carried + pack.num_rows <= trie.longest + max(allowed)
        targets.extend(range(pack.targets.start, pack.targets.stop))
        np.testing.assert_array_equal(
            (trie.target_rows[pack.targets] >= pack.begin) & (trie.target_rows[pack.targets] < pack.begin + pack.size),
            True,
        )
    assert targets == list(range(len(trie.target_rows)))


def shapes(pack: Pack, row: int) -> tuple[int, int, int]:
    """What the arithmetic of a row may depend on: its position in its block, and how many keys are read."""
    group, place = locate([local.query_rows.size for local in pack.local], int(pack.local_places[row]))
    local = pack.local[group]
    block = place // local.query_rows.shape[1]
    shared = np.flatnonzero(pack.prefix_rows == row)
    return int(pack.positions[row]), local.key_slots.shape[1], int(local.key_positions[block, 0]) if len(shared) else 0


@settings(deadline=None, max_examples=30)
@given(requests(), sizes, sizes)
def test_the_keys_that_are_read_depend_on_the_position_only(
    chosen: list[Request], one: list[int], other: list[int]
) -> None:
    trie = build_trie(chosen)
    read: dict[int, set[tuple[int, int, int]]] = {}
    for allowed in (one, other):
        for pack in cut_packs(trie, allowed):
            for row in range(pack.num_rows):
                read.setdefault(int(pack.positions[row]), set()).add(shapes(pack, row))
    for position, forms in read.items():
        span = position // SPAN * SPAN
        assert forms == {(position, (position // BLOCK + 1) * BLOCK - span, span)}


def test_branches_of_one_path_read_their_prefix_together() -> None:
    stem = np.arange(300)
    chosen = [Request(np.concatenate([stem, [1000 + i, 2, 3]]), 300) for i in range(20)]
    (pack,) = cut_packs(build_trie(chosen), [512])
    (prefix,) = pack.prefixes
    assert prefix.stretch == slice(0, 256) and len(pack.prefix_rows) == 300 - 256 + 20 * 2
    assert prefix.query_rows.shape == (2, BLOCK)


def test_a_carried_path_is_moved_to_the_front() -> None:
    chosen = [Request(np.array([9, *[b] * 20, 1, 2]), 1) for b in range(4)]
    first, second, *_ = cut_packs(build_trie(chosen), [32])
    assert first.carried == 0 and second.carried == 11
    assert first.kept_at == 1 and first.kept.tolist() == list(range(22, 32))


def test_padding_stands_where_it_is_asked_to() -> None:
    for pack in cut_packs(build_trie([Request(np.arange(65), 1)]), [16, 32], padding_position=500):
        assert pack.size > pack.num_rows
        assert (pack.positions[pack.num_rows :] == 500).all()


def test_nothing_to_run() -> None:
    trie = build_trie([])
    assert trie.num_rows == trie.longest == trie.num_inputs == 0 and list(cut_packs(trie, [16])) == []


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 100, 511, 512, 513, 3000])
def test_few_rows_of_padding(count: int) -> None:
    trie = build_trie([Request(np.arange(count + 1), 1)] if count else [])
    run = sum(pack.size for pack in cut_packs(trie, [16, 32, 48, 256, 512]))
    assert count <= run <= max(count + 16, count * 1.1) or run == 256 >= count > 96
