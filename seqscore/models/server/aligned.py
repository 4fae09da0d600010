"""Whether a server gives each token the probabilities that stand before it, and not those behind it.

Two prompts that differ in one token have, at that token, the same most probable one with the same log-probability,
since what stands before it is the same. A server that pairs tokens with the probabilities one place further on (as
llama-cpp-python does where nothing stands in front of the text) has other ones there.
"""

from __future__ import annotations

from seqscore.errors import ServerError
from seqscore.models.server.dialects.base import Prompt
from seqscore.models.server.reported import Likely, Reported
from seqscore.models.server.session import ONCE, Session

PAIR = ("We live in the United", "We live in the middle")
"""Texts that differ in their last word, after which quite different words are probable."""

_NEAR = 0.05
"""Nats by which the same place may differ in two prompts, by the rounding of a server in half precision."""


async def check_aligned(session: Session, prompts: tuple[Prompt, Prompt], *, advice: str) -> None:
    """Ask for two prompts that differ at their end.

    Raises:
        ServerError: the values are of other tokens than those that they stand at.
    """
    one, other = [await session.report(prompt, patience=ONCE) for prompt in prompts]
    place = _first_difference(one, other, prompts)
    if one.best is None or other.best is None:
        return
    if place is None or not 0 < place < min(len(one.best), len(other.best)):
        raise ServerError(f"the server at {session.root} gives two texts that differ the same tokens")
    if not _alike(one.best[place], other.best[place]):
        raise ServerError(
            f"the server at {session.root} gives each token the probabilities that stand behind it, not those before "
            f"it, as can be seen at two texts that differ in one word: its numbers are of other tokens{advice}"
        )


def _first_difference(one: Reported, other: Reported, prompts: tuple[Prompt, Prompt]) -> int | None:
    if not isinstance(prompts[0], str):
        rows = zip(*prompts, strict=False)
    else:
        rows = zip(one.ids or one.texts or (), other.ids or other.texts or (), strict=False)
    return next((index for index, (a, b) in enumerate(rows) if a != b), None)


def _alike(one: Likely | None, other: Likely | None) -> bool:
    if one is None or other is None:
        return False
    return one[1:] == other[1:] and abs(one.logprob - other.logprob) < _NEAR
