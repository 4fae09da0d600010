"""What is masked with each token, against the definition word by word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqscore.text.masking import hidden_stretches


@given(st.lists(st.integers(0, 6), max_size=12).map(sorted), st.integers(0, 12))
@pytest.mark.parametrize("masking", ["original", "within-word-l2r", "whole-word"])
def test_stretches_are_the_definition(masking: Any, words: list[int], first: int) -> None:
    first = min(first, len(words))
    found = hidden_stretches(np.array(words, np.int64), masking, first=first)
    assert found.shape == (len(words) - first, 2)
    for t, (begin, end) in enumerate(found.tolist(), start=first):
        same = [place for place in range(first, len(words)) if words[place] == words[t]]
        expected = {"original": [t], "within-word-l2r": [one for one in same if one >= t], "whole-word": same}
        assert list(range(begin, end)) == expected[masking]
