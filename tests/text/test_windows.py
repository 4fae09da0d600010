"""Windows: every target once, with at least half a context, as much as there is where it fits."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seqscore.errors import ContextLengthError
from seqscore.text.windows import Layout, Window, layout, layout_both_sides, layout_decoded, with_end


def lay(length: int, first: int = 1, limit: int | None = 8, long: str = "windows", **more: object) -> Layout:
    return layout(length, first_target=first, max_inputs=limit, long=long, **{"is_pair": False, **more})  # type: ignore[arg-type]


def test_what_fits_is_one_window() -> None:
    assert lay(9).windows == (Window(0, 8, 1),)  # 8 positions are read, the ninth is only a target
    assert lay(5000, limit=None).windows == (Window(0, 4999, 1),)


def test_nothing_to_score_is_no_window() -> None:
    assert lay(1).windows == ()
    assert lay(0).windows == ()


def test_windows_end_every_half_context_and_the_last_is_aligned_to_the_right() -> None:
    assert lay(19).windows == (Window(0, 8, 1), Window(4, 12, 9), Window(8, 16, 13), Window(10, 18, 17))


def test_a_continuation_of_half_a_context_takes_one_window_at_its_end() -> None:
    assert lay(100, first=96, is_pair=True).windows == (Window(91, 99, 96),)


@given(st.integers(2, 300), st.integers(1, 300), st.integers(1, 40))
def test_every_target_once_with_at_least_half_a_context(length: int, first: int, limit: int) -> None:
    windows = lay(length, first=first, limit=limit).windows
    targets = [t for window in windows for t in range(window.first_target, window.end + 1)]
    assert targets == list(range(first, length))
    for window in windows:
        assert 0 <= window.begin < window.first_target <= window.end
        assert window.end - window.begin <= limit
        # Whatever does not reach back to the start fills the model's context.
        assert window.begin == 0 or window.end - window.begin == limit
        for target in range(window.first_target, window.end + 1):
            assert target - window.begin >= min(target, limit - max(1, limit // 2) + 1)


@given(st.integers(0, 80), st.integers(1, 80), st.none() | st.integers(2, 20), st.booleans(), st.sampled_from([0, 1]))
def test_a_target_behind_a_sequence_changes_no_other(
    length: int, first: int, limit: int | None, truncates: bool, head: int
) -> None:
    """It is the last target of all, and sees what the model can read at once."""
    assume(head <= first)
    try:
        plain = lay(
            length, first=first, limit=limit, head=head, **({"long": "truncate", "is_pair": True} if truncates else {})
        )
    except ContextLengthError:
        return
    ended = with_end(plain, length, max_inputs=limit, long="windows")
    if not length:
        assert ended == plain
        return
    reach = [(w.begin, t) for w in plain.windows for t in range(w.first_target, w.end + 1)]
    *others, (begin, target) = [(w.begin, t) for w in ended.windows for t in range(w.first_target, w.end + 1)]
    assert others == reach and target == length and ended.has_end
    read = ended.head + target - begin
    assert begin < target and (limit is None or read <= limit)
    assert begin in (0, plain.windows[-1].begin if plain.windows else 0) or read == limit


def test_truncating_a_text_cuts_its_end() -> None:
    assert lay(20, long="truncate") == Layout((Window(0, 8, 1),), cut_begin=9, cut_end=20)


def test_truncating_a_pair_cuts_the_beginning_of_its_context() -> None:
    assert lay(20, first=15, long="truncate", is_pair=True) == Layout((Window(11, 19, 15),), cut_begin=0, cut_end=11)


def test_truncating_a_pair_keeps_the_start_token() -> None:
    got = lay(20, first=15, long="truncate", is_pair=True, head=1)
    assert got == Layout((Window(12, 19, 15),), head=1, cut_begin=1, cut_end=12)
    assert got.num_cut == 11


@given(st.integers(10, 80), st.integers(1, 79), st.integers(2, 20), st.sampled_from([0, 1]))
def test_truncation_never_cuts_a_continuation(length: int, first: int, limit: int, head: int) -> None:
    assume(head <= first < length)
    try:
        got = lay(length, first=first, limit=limit, long="truncate", is_pair=True, head=head)
    except ContextLengthError:
        assert length - first > limit
        return
    (window,) = got.windows
    assert (window.first_target, window.end) == (first, length - 1)
    assert got.head + window.end - window.begin <= limit
    assert got.head + window.first_target - window.begin >= 1
    assert got.cut_end <= first


def test_a_continuation_longer_than_the_context_is_never_cut() -> None:
    with pytest.raises(ContextLengthError, match=r"continuation has 12 tokens and the model reads at most 8 positions"):
        lay(20, first=8, long="truncate", is_pair=True)


def test_error_policy_names_both_lengths() -> None:
    with pytest.raises(ContextLengthError, match=r"needs 19 positions and the model reads at most 8"):
        lay(20, long="error")


def between(
    length: int, first: int = 1, room: int | None = 8, long: str = "windows", *, is_pair: bool = False
) -> Layout:
    return layout_both_sides(
        length,
        first_target=first,
        room=room,
        long=long,
        is_pair=is_pair,
        head=1,
        num_behind=1,  # type: ignore[arg-type]
    )


def test_what_fits_between_start_and_end_is_one_window() -> None:
    assert between(9).windows == (Window(1, 8, 1),)  # position 0 is the start token, which every window has
    assert between(5000, room=None).windows == (Window(1, 4999, 1),) and between(1).windows == ()


@given(st.integers(2, 200), st.integers(1, 200), st.integers(1, 40))
def test_every_target_once_with_as_much_on_each_side(length: int, first: int, room: int) -> None:
    found = between(length, first, room)
    targets = [t for one in found.windows for t in range(one.first_target, one.end - one.num_behind + 1)]
    assert targets == list(range(first, length)) and found.head == bool(targets)
    least = (room - max(1, room // 16)) // 2
    for one in found.windows:
        assert 1 <= one.begin <= one.first_target <= one.end <= length - 1 and one.end - one.begin < room
        for target in range(one.first_target, one.end - one.num_behind + 1):
            assert target - one.begin >= min(target - 1, least)
            assert one.end - target >= min(length - 1 - target, least)
    assert len(found.windows) <= 17 + 32 * length // room


def test_truncating_between_start_and_end() -> None:
    assert between(20, long="truncate") == Layout((Window(1, 8, 1),), head=1, cut_begin=9, cut_end=20)
    pair = between(20, 15, long="truncate", is_pair=True)
    assert pair == Layout((Window(12, 19, 15),), head=1, cut_begin=1, cut_end=12)
    assert (pair.num_cut_tokens(1), pair.num_unread_tokens(1), pair.reads_start) == (11, 0, True)
    windows = between(20, 15, is_pair=True)
    assert (windows.num_cut_tokens(1), windows.num_unread_tokens(1)) == (0, windows.windows[0].begin - 1)
    with pytest.raises(ContextLengthError, match="the continuation has 9 tokens and the model reads at most 8 between"):
        between(20, 11, long="truncate", is_pair=True)
    with pytest.raises(ContextLengthError, match="the sequence needs 21 positions and the model reads at most 10"):
        between(20, long="error")


@pytest.mark.parametrize("head", [1, 2])
@pytest.mark.parametrize("max_inputs", [4, 5, 9])
def test_windows_of_what_is_decoded_all_stand_behind_the_start_tokens(head: int, max_inputs: int) -> None:
    for length in range(head, 40):
        found = layout_decoded(length, max_inputs=max_inputs, long="windows", is_pair=True, head=head)
        scored = [place for one in found.windows for place in range(one.first_target, one.end + 1)]
        assert scored == list(range(head, length))
        for one in found.windows:
            begin = one.begin if not found.head else one.begin - head
            assert one.end - begin <= max_inputs  # what is read: the start tokens, and all but the last target
            if found.head:
                assert one.begin >= head and one.first_target >= one.begin
        assert bool(found.head) == (length - 1 > max_inputs)


def test_what_is_decoded_is_cut_without_a_source_alone() -> None:
    kept = {"max_inputs": 5, "head": 1}
    assert layout_decoded(20, long="truncate", is_pair=False, **kept).num_cut == 14
    with pytest.raises(ContextLengthError, match="never cut"):
        layout_decoded(20, long="truncate", is_pair=True, **kept)
    with pytest.raises(ContextLengthError):
        layout_decoded(20, long="error", is_pair=True, **kept)
