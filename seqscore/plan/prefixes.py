"""Prefixes that run once, before the paths that have them in common, and the order in which all of it runs.

Prefixes run depth first. What a model keeps of a prefix is held for as long as something continues it, so that memory
holds the open path of prefixes and one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from seqscore.plan.batches import Batch, IntArray, Paths, like_lengths, paths_of, side_by_side
from seqscore.plan.forks import Forks, PassCosts
from seqscore.plan.trie import Trie


def prefix_batches(trie: Trie, *, batch_tokens: int, costs: PassCosts) -> list[Batch]:
    """Batches of all paths of the trie, the prefixes that pay before the paths that have them.

    A batch holds at most ``batch_tokens`` positions, those of padding and of each sequence's prefix included, or one
    sequence; so do the open prefixes together, each counted from the start.
    """
    paths = paths_of(trie)
    found = list(_in_order(paths, _choose(paths, batch_tokens, costs), batch_tokens))
    continued: set[int] = set()
    batches: list[Batch] = []
    for prefix, batch in reversed(found):
        batches.append(replace(batch, ends=prefix > 0 and prefix not in continued))
        continued.add(prefix)
    return batches[::-1]


@dataclass(slots=True)
class _Prefix:
    """A prefix that runs: up to position ``end``, from ``begin`` on, since the ``parent`` holds what stands before.

    ``depth``: prefixes that are open while it runs. ``held``: the positions of those that are needed afterwards, and
    its own. ``first``: the first path that has it. ``paths``: those that continue it, and no longer prefix.
    """

    parent: int
    depth: int
    begin: int
    end: int
    held: int
    first: int
    paths: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Nearest:
    """The last prefix that runs before what follows a fork: which one, which fork on the way is its own, and whether
    no fork that it leads to comes later."""

    prefix: int
    place: int
    is_last: bool


def _choose(paths: Paths, batch_tokens: int, costs: PassCosts) -> list[_Prefix]:
    """The prefixes that run, parents first; number 0 is the empty one, which needs no pass."""
    forks = Forks(paths)
    pays = forks.where_it_pays(costs, batch_tokens=batch_tokens)
    last_below = {forks.parent[fork]: fork for fork in forks.order[1:]}
    chosen = [_Prefix(0, -1, 0, 0, 0, 0)]
    nearest = {0: _Nearest(0, 0, True)}
    for fork in forks.order[1:]:
        above = nearest[forks.parent[fork]]
        parent, end = chosen[above.prefix], forks.end[fork]
        is_last = above.is_last and last_below[forks.parent[fork]] == fork
        held = parent.held + end - (parent.end if is_last else 0)
        if pays[fork][above.place] and (above.prefix == 0 or held <= batch_tokens):
            nearest[fork] = _Nearest(len(chosen), len(forks.ends[fork]) - 1, True)
            chosen.append(_Prefix(above.prefix, parent.depth + 1, parent.end, end, held, forks.first[fork]))
        else:
            nearest[fork] = replace(above, is_last=is_last)
    for path, fork in enumerate(forks.of_path):
        chosen[nearest[fork].prefix].paths.append(path)
    return chosen


def _in_order(paths: Paths, prefixes: Sequence[_Prefix], batch_tokens: int) -> Iterator[tuple[int, Batch]]:
    """Depth first, each batch with the number of the prefix that it continues."""
    of_prefix, behind = _rows(paths, prefixes)
    for number, prefix in enumerate(prefixes):
        if number:
            yield prefix.parent, Batch(of_prefix[number][None], prefix.begin, prefix.depth, opens=True)
        rows = [behind[path] for path in prefix.paths]
        for chosen in like_lengths(rows, batch_tokens=batch_tokens, prefix=prefix.end):
            yield number, Batch(side_by_side(chosen), prefix.end, prefix.depth + 1)


def _rows(paths: Paths, prefixes: Sequence[_Prefix]) -> tuple[list[IntArray], list[IntArray]]:
    """What runs of each prefix behind its parent, and of each path behind its prefix."""
    begins = np.zeros(len(paths), np.int64)
    first: dict[int, list[int]] = {}
    for number, prefix in enumerate(prefixes):
        begins[prefix.paths] = prefix.end
        first.setdefault(prefix.first, []).append(number)
    of_prefix: list[IntArray] = [np.empty(0, np.int64)] * len(prefixes)
    behind: list[IntArray] = []
    for path, rows in enumerate(paths.rows()):
        behind.append(rows[begins[path] :].copy())
        for number in first.get(path, ()):
            of_prefix[number] = rows[prefixes[number].begin : prefixes[number].end].copy()
    return of_prefix, behind
