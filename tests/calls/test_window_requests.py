"""Requests of a sequence in windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seqscore.calls.window_requests import window_requests
from seqscore.text.sequences import TokenSequence
from seqscore.text.windows import layout

_LENGTH = 500


def _sequence(start_token: int | None, behind: int | None) -> TokenSequence:
    ids = np.arange(_LENGTH) % 250
    found = TokenSequence("a" * _LENGTH, None, ids, np.arange(_LENGTH), np.arange(_LENGTH) + 1, True, 2, 0, False, None)
    return replace(found, start_token=start_token, behind=behind)


@pytest.mark.parametrize(("start_token", "behind"), [(None, None), (2, None), (2, 3), (None, 3)])
def test_windows_of_a_text_are_views_of_its_ids(start_token: int | None, behind: int | None) -> None:
    """A copy of the whole text for each of its windows takes memory that grows with the square of its length."""
    sequence = _sequence(start_token, behind)
    length = len(sequence.model_ids)
    laid = layout(length, first_target=1, max_inputs=16, long="windows", is_pair=False)
    requests = window_requests(sequence, laid, ())
    assert len(requests) > 50
    assert [one.ids.tolist() for one in requests] == [
        sequence.model_ids[window.begin : window.end + 1].tolist() for window in laid.windows
    ]
    held = {id(one.ids.base): one.ids.base.nbytes for one in requests if one.ids.base is not None}
    assert sum(held.values()) <= 8 * (length + 1)
