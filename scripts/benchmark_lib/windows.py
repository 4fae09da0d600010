"""The two ways to cut a long text into windows, written anew here: they check the tools' own."""

from __future__ import annotations

from collections.abc import Sequence

from .jobs import Encoded, Window


def disjoint_windows(ids: Sequence[int], *, start: int, max_length: int) -> Encoded:
    """lm-eval's rolling windows over ``ids`` behind the token ``start``.

    Each reads ``max_length`` positions and scores the tokens that the one before did not; the last one, which has fewer
    to score, reads further back instead.
    """
    whole = (start, *ids)
    windows = []
    for begin in range(0, len(ids), max_length):
        end = min(len(ids), begin + max_length)  # targets are whole[begin + 1 : end + 1]
        first_read = 0 if begin == 0 else max(0, end - max_length)
        windows.append(Window(whole[first_read : end + 1], begin + 1 - first_read))
    return tuple(windows)


def overlapping_windows(ids: Sequence[int], *, start: int, max_length: int) -> Encoded:
    """seqscore's windows over ``ids`` behind the token ``start``: one ends every ``max_length // 2`` positions."""
    whole = (start, *ids)
    last = len(ids)
    if last == 0:
        return ()
    end = min(last, max_length)
    windows = [Window(whole[: end + 1], 1)]
    while end < last:
        scored, end = end, min(last, end + max(1, max_length // 2))
        begin = end - max_length
        windows.append(Window(whole[begin : end + 1], scored + 1 - begin))
    return tuple(windows)
