"""What a model is asked for a sequence: a request for each of its windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqscore.plan.requests import Request, Subset
from seqscore.text.sequences import TokenSequence
from seqscore.text.windows import Layout, Window

IntArray = NDArray[np.int64]


def window_requests(
    sequence: TokenSequence,
    windows: Layout,
    behind: tuple[int, ...],
    *,
    subset: Subset | None = None,
    hidden: IntArray | None = None,
) -> tuple[Request, ...]:
    """A request a window.

    Args:
        sequence: what is scored.
        windows: those of its positions, the start token's included.
        behind: token ids behind every window.
        subset: of the first target of all, which the first window holds, the mass of these is asked.
        hidden: [n - first_scored, 2], the stretch of tokens that is masked to score each token.

    Returns:
        The requests, in order.

    Example:
        >>> import numpy as np
        >>> from seqscore.text.sequences import TokenSequence
        >>> from seqscore.text.windows import Layout, Window
        >>> ids = np.array([5, 6])
        >>> one = TokenSequence("ab", None, ids, ids - 5, ids - 4, True, 2, 0, False, None)
        >>> window_requests(one, Layout((Window(1, 2, 1),), head=1), (3,))[0].ids.tolist()
        [2, 5, 6, 3]
    """
    requests: list[Request] = []
    model_ids = sequence.model_ids  # made once: windows are views of it, and a copy each would take (length)² bytes
    for window in windows.windows:
        ids = _read_in(model_ids, window.begin, window.end + 1, windows.head, behind)
        first, num_behind = window.first_target - window.begin + windows.head, window.num_behind + len(behind)
        if hidden is not None:
            masked = _hidden_in(window, windows.head, hidden, sequence)
            requests.append(Request(ids, first, num_behind=num_behind, hidden=masked))
        elif subset is None or requests:
            requests.append(Request(ids, first, num_behind=num_behind))
        else:
            places = np.full(len(ids) - first - num_behind, -1, np.int64)
            places[0] = 0
            requests.append(Request(ids, first, (subset,), places, num_behind=num_behind))
    return tuple(requests)


def _read_in(ids: IntArray, begin: int, end: int, head: int, behind: tuple[int, ...]) -> IntArray:
    """The stretch of a window with what stands around it."""
    stretch = ids[begin:end]
    if not head and not behind:
        return stretch
    return np.concatenate([ids[:head], stretch, np.array(behind, np.int64)])


def _hidden_in(window: Window, head: int, hidden: IntArray, sequence: TokenSequence) -> IntArray:
    """[num_targets, 2]: the stretches of a window's targets, as places of its request. What of a word is outside of the
    window is not read anyway."""
    start = 0 if sequence.start_token is None else 1
    first = window.first_target - start - sequence.first_scored
    own = hidden[first : first + window.end - window.num_behind - window.first_target + 1]
    return np.clip(own + start, window.begin, window.end + 1) - window.begin + head
