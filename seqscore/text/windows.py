"""Which stretches of a long sequence are run so that every target is scored once, with the most context it can have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from seqscore.errors import ContextLengthError
from seqscore.policies import LongPolicy


@dataclass(frozen=True, slots=True)
class Window:
    """One forward pass: positions ``begin .. end`` (inclusive) of a sequence, of which ``end`` is only a target.

    The model reads positions ``begin .. end - 1``; positions ``first_target .. end`` are scored. Of a model that sees
    both sides of a target: it reads ``end`` as well, and the last ``num_behind`` positions are not scored here.
    """

    begin: int
    end: int
    first_target: int
    num_behind: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """The windows of a sequence, and which of its positions had to be cut (``cut_begin <= position < cut_end``).

    ``head`` positions at the front are read before each window's own ones: a start token that stays where the
    beginning of the context behind it was cut, or that belongs to every window of a model that sees both sides.
    ``has_end``: the last target is the one behind the sequence that ``with_end`` lays.
    """

    windows: tuple[Window, ...]
    head: int = 0
    cut_begin: int = 0
    cut_end: int = 0
    has_end: bool = False

    @property
    def num_cut(self) -> int:
        """How many positions were cut."""
        return self.cut_end - self.cut_begin

    @property
    def reads_start(self) -> bool:
        """Whether the first position is read in front of the first window's targets."""
        return bool(self.head) or not self.windows or not self.windows[0].begin

    def cuts_end(self, length: int) -> bool:
        """Whether the end of a sequence of ``length`` positions was cut."""
        return self.num_cut > 0 and self.cut_end == length

    def num_cut_tokens(self, start: int) -> int:
        """How many positions were cut, those of the ``start`` start tokens at the front not counted."""
        return self.num_cut - (start if self.num_cut and self.cut_begin < start else 0)

    def num_unread_tokens(self, start: int) -> int:
        """How many positions behind the start tokens are in no window, since the model cannot look back so far."""
        if self.num_cut or not self.windows:
            return 0
        return max(0, self.windows[0].begin - start)


def layout(
    length: int, *, first_target: int, max_inputs: int | None, long: LongPolicy, is_pair: bool, head: int = 0
) -> Layout:
    """Lay windows over a sequence.

    Args:
        length: number of positions, start token included.
        first_target: position of the first target, at least 1.
        max_inputs: how many positions the model can read at once; None for no limit.
        long: the policy for a sequence that needs more.
        is_pair: whether the positions before ``first_target`` are a context; ``truncate`` cuts its beginning.
        head: positions at the front that ``truncate`` keeps before a cut context (the start token).

    Raises:
        ContextLengthError: the sequence is too long and ``long`` is ``error``, or a continuation alone is too long
            and ``long`` is ``truncate``.
    """
    if length <= first_target:
        return Layout(windows=())
    last = length - 1
    if max_inputs is None or last <= max_inputs:
        return Layout(windows=(Window(0, last, first_target),))
    if long == "windows":
        return Layout(windows=_overlapping(last, first_target, max_inputs))
    if long == "truncate":
        return _truncated(length, first_target, max_inputs, head) if is_pair else _shortened(length, max_inputs)
    raise _too_long(last, max_inputs)


def with_end(text: Layout, length: int, *, max_inputs: int | None, long: LongPolicy, optional: bool = False) -> Layout:
    """The windows of a sequence of ``length`` positions, and one target more: what stands behind its last position.

    No other target sees more or less than without it: the last window reads one position further where the model can,
    else the new target has a window of its own, as long as the model's context. Nothing is added behind a text whose
    end was cut (it is not the end of what was read), nor where nothing stands before the target. ``optional``: nor
    where it does not fit behind a text that does.

    Raises:
        ContextLengthError: it does not fit, and ``long`` is ``error``; or the model reads the start token alone.
    """
    if not length or text.cuts_end(length):
        return text
    room = length if max_inputs is None else max_inputs - text.head
    alone = Window(max(0, length - room), length, length)
    if long == "error" and not text.windows and length > room:
        raise _too_long(length, room)
    if not text.windows:
        return replace(text, windows=(alone,), has_end=True)
    *others, last = text.windows
    if length - last.begin <= room:
        return replace(text, windows=(*others, replace(last, end=length)), has_end=True)
    if long == "error" or not room:
        if optional:
            return text
        raise _too_long(length, room)
    return replace(text, windows=(*text.windows, alone), has_end=True)


def layout_decoded(length: int, *, max_inputs: int | None, long: LongPolicy, is_pair: bool, head: int) -> Layout:
    """Lay windows over what a decoder reads given a source, of which all but the ``head`` start tokens are targets.

    Each window stands behind the start tokens, without which a decoder says nothing of use (in which language).

    Args:
        length: number of positions, start tokens included.
        max_inputs: how many positions the decoder can read at once; None for no limit.
        long: the policy for a sequence that needs more.
        is_pair: whether there is a source; what is decoded is then never cut.
        head: start tokens at the front, 1 at least.

    Raises:
        ContextLengthError: as ``layout``.
    """
    if long != "windows" or max_inputs is None or length - 1 <= max_inputs or max_inputs <= head:
        return layout(length, first_target=head, max_inputs=max_inputs, long=long, is_pair=is_pair, head=head)
    windows = _overlapping(length - 1 - head, 0, max_inputs - head)
    return Layout(
        tuple(Window(one.begin + head, one.end + head, one.first_target + head) for one in windows), head=head
    )


def layout_both_sides(
    length: int, *, first_target: int, room: int | None, long: LongPolicy, is_pair: bool, head: int, num_behind: int
) -> Layout:
    """Lay windows over a sequence of which a model sees both sides of every target.

    Each window stands between the same ``head`` positions (start token) and ``num_behind`` tokens (end token). In a
    sequence of several windows a target stands in the middle of its own, to within a sixteenth of ``room``, or has on
    one side all that there is: every target is a row of its own anyway, so that this costs no more than fewer windows.

    Args:
        length: number of positions, start token included, end token not.
        first_target: position of the first target, at least 1.
        room: how many positions fit between start and end token; None for no limit.
        long: the policy for a sequence that needs more.
        is_pair: whether the positions before ``first_target`` are a context; ``truncate`` cuts its beginning.
        head: positions at the front that stand in every window.
        num_behind: tokens behind every window; they are counted in messages.

    Raises:
        ContextLengthError: as ``layout``.
    """
    if length <= first_target:
        return Layout(windows=())
    last = length - 1
    if room is None or length - head <= room:
        return Layout((Window(head, last, first_target),), head=head)
    if long == "windows":
        return Layout(tuple(_centred(last, first_target, room, head)), head=head)
    if long == "error":
        raise _too_long(length + num_behind, room + head + num_behind)
    if not is_pair:
        end = head + room - 1
        return Layout((Window(head, end, first_target),), head=head, cut_begin=end + 1, cut_end=length)
    begin = length - room
    if begin > first_target:
        raise ContextLengthError(
            f"the continuation has {length - first_target} tokens and the model reads at most {room} between its start "
            f"and end token; a continuation is never cut: use long='windows', or shorten it"
        )
    return Layout((Window(begin, last, first_target),), head=head, cut_begin=head, cut_end=begin)


def _centred(last: int, first_target: int, room: int, head: int) -> Iterator[Window]:
    """Windows of ``room`` positions that score the sixteenth in their middle, the outer ones up to the ends too.

    Not a window for each target: their ids take memory before they are run.
    """
    step = max(1, room // 16)
    margin = (room - step) // 2
    while first_target <= last:
        begin = min(max(head, first_target - margin), last - room + 1)
        end = begin + room - 1
        num_behind = 0 if end == last else room - step - margin
        yield Window(begin, end, first_target, num_behind)
        first_target = end - num_behind + 1


def _too_long(needed: int, max_inputs: int) -> ContextLengthError:
    return ContextLengthError(
        f"the sequence needs {needed} positions and the model reads at most {max_inputs}; "
        f"use long='windows' to score it in overlapping windows, or long='truncate' to cut it"
    )


def _overlapping(last: int, first_target: int, max_inputs: int) -> tuple[Window, ...]:
    """Windows that end every half context; each reads the ``max_inputs`` positions before its end.

    The last one ends at the last target, so each target behind the first window sees at least half a context.
    """
    stride = max(1, max_inputs // 2)
    end = min(last, max(max_inputs, first_target - 1 + stride))
    windows = [Window(max(0, end - max_inputs), end, first_target)]
    while end < last:
        scored_to, end = end, min(last, end + stride)
        windows.append(Window(end - max_inputs, end, scored_to + 1))
    return tuple(windows)


def _shortened(length: int, max_inputs: int) -> Layout:
    """A text without its end."""
    return Layout(windows=(Window(0, max_inputs, 1),), cut_begin=max_inputs + 1, cut_end=length)


def _truncated(length: int, first_target: int, max_inputs: int, head: int) -> Layout:
    """A Pair without the beginning of its context; the continuation stays whole."""
    last = length - 1
    begin = last - max_inputs + head
    if begin > first_target - (0 if head else 1):
        raise ContextLengthError(
            f"the continuation has {length - first_target} tokens and the model reads at most {max_inputs} positions, "
            f"a start token or context included; a continuation is never cut: use long='windows', or shorten it"
        )
    return Layout(windows=(Window(begin, last, first_target),), head=head, cut_begin=head, cut_end=begin)
