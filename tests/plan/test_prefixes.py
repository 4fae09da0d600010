"""Prefixes run before the paths that have them, depth first, within the budget, where they pay."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqscore.plan.batches import Batch, paths_of
from seqscore.plan.forks import Forks, PassCosts
from seqscore.plan.prefixes import prefix_batches
from seqscore.plan.requests import Request
from seqscore.plan.trie import Trie, build_trie
from tests.plan.test_batches import check_targets, read_so_far, some_requests

some_costs = st.builds(PassCosts, of_pass=st.integers(0, 6), stepwise=st.booleans())


def requests_of(*texts: list[int]) -> list[Request]:
    return [Request(np.array([*text, 0]), len(text)) for text in texts]


def passages(*, tokens: int, questions: int, answers: int) -> list[Request]:
    """A text of so many tokens, behind it questions of 30, behind each answers of 10."""
    generator = np.random.default_rng(0)
    passage, made = generator.integers(1, 99, tokens), []
    for _ in range(questions):
        question = np.append(passage, generator.integers(1, 99, 30))
        made += [np.append(question, generator.integers(1, 99, 10)) for _ in range(answers)]
    return [Request(ids, tokens + 30) for ids in made]


def held(batches: list[Batch]) -> list[int]:
    """Positions that a model keeps of open prefixes, after each batch."""
    kept: list[int] = []
    found = []
    for batch in batches:
        del kept[batch.depth :]
        if batch.ends:
            kept[-1] = 0
        if batch.opens:
            kept.append(batch.prefix + batch.rows.shape[1])
        found.append(sum(kept))
    return found


@settings(max_examples=40)
@given(some_requests(), st.integers(1, 60), some_costs)
def test_every_target_stands_behind_what_comes_before_it(
    requests: list[Request], budget: int, costs: PassCosts
) -> None:
    trie = build_trie(requests)
    batches = prefix_batches(trie, batch_tokens=budget, costs=costs)
    if batches:
        check_targets(requests, trie, batches)
    for batch in batches:
        assert len(batch.rows) == 1 or len(batch.rows) * (batch.prefix + batch.rows.shape[1]) <= budget
        assert batch.opens or not costs.stepwise or batch.depth <= 1
    longest = max((batch.prefix + batch.rows.shape[1] for batch in batches if batch.opens), default=0)
    assert max(held(batches), default=0) <= max(budget, longest)


@settings(max_examples=40)
@given(some_requests(), st.integers(1, 60), some_costs)
def test_a_prefix_ends_where_nothing_more_continues_it(requests: list[Request], budget: int, costs: PassCosts) -> None:
    batches = prefix_batches(build_trie(requests), batch_tokens=budget, costs=costs)
    open_at: list[int] = []
    last_use: dict[int, int] = {}
    for number, batch in enumerate(batches):
        del open_at[batch.depth :]
        if batch.depth:
            last_use[open_at[-1]] = number
        if batch.opens:
            open_at.append(number)
    assert sorted(last_use.values()) == [number for number, batch in enumerate(batches) if batch.ends]
    assert len(last_use) == sum(batch.opens for batch in batches)


def cost(batches: list[Batch], costs: PassCosts) -> int:
    """What is reckoned: positions, and two passes for each prefix."""
    return sum(batch.num_run + 2 * costs.of_pass * batch.opens for batch in batches)


def cheapest(trie: Trie, costs: PassCosts) -> int:
    """The least sum over every choice of prefixes."""
    forks, paths = Forks(paths_of(trie)), paths_of(trie)

    @lru_cache
    def below(fork: int, prefix: int) -> int:
        """What follows a fork costs, behind a prefix that ran."""
        own = sum(int(length) - prefix for path, length in enumerate(paths.lengths) if forks.of_path[path] == fork)
        return own + sum(
            min(
                below(child, prefix),
                forks.end[child] - prefix + 2 * costs.of_pass + below(child, forks.end[child]),
            )
            for child in forks.order[1:]
            if forks.parent[child] == fork
        )

    return below(0, 0)


@settings(max_examples=40)
@given(some_requests(), st.integers(0, 6))
def test_the_choice_is_the_cheapest(requests: list[Request], of_pass: int) -> None:
    trie, costs = build_trie(requests), PassCosts(of_pass=of_pass)
    assert cost(prefix_batches(trie, batch_tokens=10**6, costs=costs), costs) == cheapest(trie, costs)


@settings(max_examples=40)
@given(some_requests())
def test_where_passes_cost_nothing_every_position_runs_once(requests: list[Request]) -> None:
    trie = build_trie(requests)
    batches = prefix_batches(trie, batch_tokens=10**6, costs=PassCosts(of_pass=0))
    assert sum(batch.num_run for batch in batches) == trie.num_rows
    assert sorted(row for batch in batches for row in batch.rows[batch.rows >= 0].tolist()) == list(
        range(trie.num_rows)
    )


def test_a_prefix_that_saves_less_than_its_passes_does_not_run() -> None:
    requests = requests_of([1, 2, 3, 4], [1, 2, 3, 5])
    for of_pass, prefixes in ((1, 1), (2, 0)):
        batches = prefix_batches(build_trie(requests), batch_tokens=100, costs=PassCosts(of_pass=of_pass))
        assert sum(batch.opens for batch in batches) == prefixes


@pytest.mark.parametrize("stepwise", [False, True])
def test_a_passage_runs_once(stepwise: bool) -> None:
    """Then each question, and its answers side by side; by steps all that follows the passage side by side."""
    trie = build_trie(passages(tokens=400, questions=12, answers=2))
    batches = prefix_batches(trie, batch_tokens=4096, costs=PassCosts(of_pass=12, stepwise=stepwise))
    followed = [(9, 39), (9, 39), (6, 39)] if stepwise else [(1, 30), (2, 9)] * 12
    assert [batch.rows.shape for batch in batches] == [(1, 400), *followed]


def test_texts_that_part_at_every_token_hold_two_prefixes() -> None:
    """The last that continues a prefix takes it over, so that a long chain of prefixes does not add up."""
    stem = list(range(1, 400))
    requests = requests_of(*([*stem[:length], 0] for length in range(1, 399)))
    trie = build_trie(requests)
    batches = prefix_batches(trie, batch_tokens=800, costs=PassCosts(of_pass=4))
    assert max(batch.depth for batch in batches) > 20
    assert sum(batch.num_run for batch in batches) < 0.2 * trie.num_inputs
    assert max(held(batches)) <= 800


def test_a_prefix_that_does_not_fit_beside_the_open_ones_does_not_run() -> None:
    requests = passages(tokens=400, questions=3, answers=4)
    trie, costs = build_trie(requests), PassCosts(of_pass=4)
    assert {batch.depth for batch in prefix_batches(trie, batch_tokens=4096, costs=costs)} == {0, 1, 2}
    small = prefix_batches(trie, batch_tokens=450, costs=costs)
    assert [batch.rows.shape[1] for batch in small if batch.opens] == [400, 30]  # the last takes over the first
    check_targets(requests, trie, small)
    assert list(read_so_far(trie, small))
