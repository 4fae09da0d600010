from __future__ import annotations

import numpy as np
import pytest

from seqscore.plan.requests import Request, Values


def values(count: int) -> Values:
    return Values(
        logprobs=-np.arange(1.0, count + 1), greedy=np.arange(count) % 2 == 0, ranks=np.arange(count, dtype=np.int64)
    )


def test_values_are_taken_split_and_put_together_again() -> None:
    whole = values(5)
    parts = whole.split([2, 0, 3])
    assert [len(part.logprobs) for part in parts] == [2, 0, 3]
    together = Values.concatenate(parts)
    assert list(together.given()) == ["logprobs", "greedy", "ranks"]  # nothing that was not given before
    for name, array in whole.given().items():
        np.testing.assert_array_equal(getattr(together, name), array, strict=True)
    assert whole.take(np.array([4, 0])).logprobs.tolist() == [-5.0, -1.0]
    assert np.shares_memory(parts[2].logprobs, whole.logprobs)


def test_a_target_has_something_before_it_and_what_stands_behind_is_none() -> None:
    ids = np.arange(5)
    assert Request(ids, 1).targets.tolist() == [1, 2, 3, 4]
    between = Request(ids, 2, num_behind=1)
    assert between.targets.tolist() == [2, 3] and between.num_targets == 2
    for first, behind in ((0, 0), (5, 0), (4, 1), (1, 4), (1, -1)):
        with pytest.raises(ValueError, match="first_target must be 1 to"):
            Request(ids, first, num_behind=behind)


def test_what_is_hidden_stands_around_each_target() -> None:
    ids, fits = np.arange(6), [[1, 3], [2, 5], [3, 5]]
    assert Request(ids, 2, num_behind=1, hidden=np.array(fits)).num_targets == 3
    for wrong in ([0, 3], [3, 4], [1, 2], [2, 7]):
        with pytest.raises(ValueError, match="hidden must name a stretch of ids around each target"):
            Request(ids, 2, num_behind=1, hidden=np.array([wrong, *fits[1:]]))
    with pytest.raises(ValueError, match="hidden must name a stretch"):
        Request(ids, 2, num_behind=1, hidden=np.array(fits[:2]))
