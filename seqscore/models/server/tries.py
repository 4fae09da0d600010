"""Which failures pass, and how long to wait for that."""

from __future__ import annotations

import time
from asyncio import sleep
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from seqscore.errors import ServerError

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a request is tried, and how long is waited in between.

    ``tries``: of a server that is away or busy. ``few``: of one that fails at the request, which most often it does
    again. Waits grow from about ``first`` seconds to ``longest``, at random, so that requests that failed together do
    not come back together. ``asked``: the longest wait that a server may ask for (Retry-After).
    """

    tries: int = 10
    few: int = 3
    first: float = 0.5
    longest: float = 30.0
    asked: float = 600.0


class PassingError(Exception):
    """A failure that may pass. ``after``: seconds that the server asks to wait. ``soon``: it is tried a few times."""

    def __init__(self, reason: str, *, after: float | None = None, soon: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.after, self.soon = reason, after, soon


async def trying(once: Callable[[], Awaitable[T]], patience: Patience, *, where: str) -> T:
    """What ``once`` gives, tried again while its failures pass.

    Raises:
        ServerError: it failed too often; or the server asks for a longer wait than is allowed.
    """
    from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

    backoff = wait_random_exponential(multiplier=patience.first, max=patience.longest)

    def stop(state: RetryCallState) -> bool:
        failure = _failure(state)
        if failure.after is not None and failure.after > patience.asked:
            return True
        return state.attempt_number >= (patience.few if failure.soon else patience.tries)

    def wait(state: RetryCallState) -> float:
        return max(backoff(state), _failure(state).after or 0.0)

    count = 0
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(PassingError), stop=stop, wait=wait, sleep=_slept, reraise=True
        ):
            with attempt:
                count = attempt.retry_state.attempt_number
                return await once()
    except PassingError as failure:
        asks = "" if failure.after is None else f", and asks to come back in {failure.after:,.0f} seconds"
        times = "" if count == 1 else f" ({count} tries)"
        raise TriedError(f"the server at {where} {failure.reason}{asks}{times}", soon=failure.soon) from failure
    raise AssertionError("tries end with an answer or an error")


class TriedError(ServerError):
    """Tries are used up. ``soon``: the server answered, but failed at the request."""

    def __init__(self, message: str, *, item: int | None = None, soon: bool = False) -> None:
        super().__init__(message, item=item)
        self.soon = soon


def seconds_asked(header: str | None) -> float | None:
    """What a Retry-After header asks for: a number of seconds, or a date; None where it is neither."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


async def _slept(seconds: float) -> None:
    await sleep(seconds)


def _failure(state: RetryCallState) -> PassingError:
    failure = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(failure, PassingError)
    return failure
