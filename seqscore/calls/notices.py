"""Things that a caller should know of the scores of a call, as warnings: the command line shows them as lines."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from seqscore.errors import CostWarning, JoinWarning, SeqscoreError, SeqscoreWarning, StartWarning
from seqscore.text.chat import is_chat, marks_every_message
from seqscore.text.items import Chat, Item, Pair, Prompt
from seqscore.text.joins import run_together
from seqscore.text.start import StartToken

LONG_POSITIONS = 2**17
"""So many positions of one text are worth a word before they are run: a minute or more on a CPU."""


@dataclass(slots=True)
class StartNotice:
    """What there is to say of a model's start token; said once a scorer."""

    said: bool = False

    def say(self, tokenizer: Any, start: StartToken, items: Sequence[Item | Prompt | SeqscoreError]) -> None:
        """Warn, at the first call that scores something else than chats under ``bos="auto"``."""
        if self.said or start.kind != "auto" or all(isinstance(one, SeqscoreError) or _is_chat(one) for one in items):
            return
        self.said = True
        message = _about_start(tokenizer, start.token_id)
        if message is not None:
            _warn(message, StartWarning)


@dataclass(slots=True)
class CallNotices:
    """What there is to say of one call: of its start token once a scorer, of pairs that run together and of what takes
    long once a call.

    ``tokenizer``: the model's; None for one that has none here, and puts no start token in front. ``said``: of pairs
    that run together; True from the beginning where the two parts are not one text. ``said_cost``: of what takes long.
    """

    tokenizer: Any
    start: StartToken
    about_start: StartNotice
    said: bool = field(default=False)
    said_cost: bool = field(default=False)

    def say_cost(self, index: int, *, rows: int, positions: int) -> None:
        """Warn of an item of which each token is a row of its own of a forward pass, if these are many."""
        if self.said_cost or positions < LONG_POSITIONS:
            return
        self.said_cost = True
        _warn(
            f"item {index} takes {rows:,} rows of a forward pass, {positions:,} positions: a masked model reads a text "
            f"anew for each of its tokens; shorter texts take less, and long='truncate' scores the beginning alone",
            CostWarning,
        )

    def say(self, items: Sequence[Item | Prompt | SeqscoreError], first_index: int) -> None:
        """Warn about items that are going to be scored; ``first_index``: of the first of them."""
        self.about_start.say(self.tokenizer, self.start, items)
        if self.said:
            return
        found = [index for index, item in enumerate(items, first_index) if _runs_together(item)]
        if found:
            self.said = True
            _warn(_about_joins(items[found[0] - first_index], found), JoinWarning)


def _about_start(tokenizer: Any, start: int | None) -> str | None:
    if start is None:
        return (
            "there is no start token: neither the tokenizer nor the model's configuration names one, so the first "
            "token of every text is not scored; name a token with bos= (--bos) if the model knows one"
        )
    token = str(tokenizer.convert_ids_to_tokens([start])[0])
    if not marks_every_message(tokenizer, token):
        return None
    return (
        f"the start token {token!r} ({start}) is a marker of this model's chat template and not a separator of "
        f"documents: scores of plain texts differ, by several nats at the beginning, from those behind such a "
        f"separator; name that one with bos= (--bos), as bos='<|endoftext|>', if the model was trained with it"
    )


def _about_joins(item: object, found: Sequence[int]) -> str:
    assert isinstance(item, Pair)
    seam = f"{str(item.context)[-12:]}|{str(item.continuation)[:12]}"
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return (
        f"context and continuation run together in one word in item {found[0]} ({seam!r}){more}: begin the "
        f'continuation with a space, or give Pair a delimiter ("auto" or " "), if they are two words'
    )


def _runs_together(item: object) -> bool:
    if not isinstance(item, Pair) or not isinstance(item.context, str) or not isinstance(item.continuation, str):
        return False
    return item.delimiter == "" and run_together(item.context, item.continuation)


def _is_chat(item: object) -> bool:
    if isinstance(item, Pair):
        return isinstance(item.continuation, str) and not isinstance(item.context, str)
    if isinstance(item, Prompt):
        return is_chat(item.context)
    return isinstance(item, Chat)


def _warn(message: str, category: type[SeqscoreWarning]) -> None:
    """A warning that points at the caller's own line, the first one outside this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "seqscore":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
