"""What a caller may hand in to be scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from seqscore.errors import InputError, OptionError, SeqscoreError
from seqscore.text.joins import DELIMITER_AUTO, delimiter_between

Message: TypeAlias = Mapping[str, str]
"""A chat message, ``{"role": "user", "content": "..."}``."""

Context: TypeAlias = str | Sequence[int] | Sequence[Message]
"""What stands before a continuation: text, token ids, or chat messages (rendered by the model's template)."""


ChatTurns: TypeAlias = Literal["all", "last"]
ChatEnd: TypeAlias = Literal["unscored", "scored"]

CHAT_TURNS: tuple[ChatTurns, ...] = get_args(ChatTurns)
CHAT_ENDS: tuple[ChatEnd, ...] = get_args(ChatEnd)


@dataclass(frozen=True, slots=True)
class Pair:
    """A context, which is not scored, and the continuation, which is: log p(continuation | context).

    Both are text, or both are token ids; the context may also be a list of chat messages before a text: the answer, or
    what goes on with an answer that the last message, one of the assistant's, begins.

    ``delimiter``: white space that stands between two texts and is scored with the continuation; ``auto``: a space
    where they would touch otherwise, none between scripts that write none (Chinese, Japanese, Thai, ...).
    """

    context: Context
    continuation: str | Sequence[int]
    delimiter: str = ""

    def taken_delimiter(self) -> str:
        """The delimiter itself: what ``auto`` comes to here, where it was asked for.

        Raises:
            InputError: it is neither ``auto`` nor white space, or stands between token ids.
        """
        if not isinstance(self.delimiter, str) or (self.delimiter != DELIMITER_AUTO and self.delimiter.strip()):
            raise InputError(
                f"delimiter={self.delimiter!r} must be 'auto', empty or white space; anything else is part of the "
                f"context or of the continuation"
            )
        if not isinstance(self.continuation, str):
            if self.delimiter not in ("", DELIMITER_AUTO):
                raise InputError(
                    f"delimiter={self.delimiter!r} stands between texts; put its token ids among the others"
                )
            return ""
        if self.delimiter != DELIMITER_AUTO:
            return self.delimiter if self.continuation else ""
        return delimiter_between(self.context, self.continuation) if isinstance(self.context, str) else ""

    def resolved(self) -> Pair:
        """The same pair with its delimiter written at the beginning of the continuation."""
        if self.delimiter == "":
            return self
        taken = self.taken_delimiter()
        return Pair(
            self.context, taken + self.continuation if isinstance(self.continuation, str) else self.continuation
        )


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation of which the assistant's turns are scored, each given everything before it.

    ``messages``: dictionaries with a role and a content, rendered by the model's chat template. ``turns``: ``all`` of
    the assistant's, or only its ``last`` one. ``end``: whether what the template writes to end a turn (up to its first
    special token, as ``<|im_end|>``) is ``scored`` too: then an answer must be finished to be probable.
    """

    messages: Sequence[Message]
    turns: ChatTurns = "all"
    end: ChatEnd = "unscored"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A context of which nothing is scored: what a model expects behind it is asked. (No item of ``Scorer.score``.)

    Of a model with an encoder it is a source, or a Pair of that and of how the target begins, which may be empty.
    """

    context: Context | Pair


Item: TypeAlias = str | Sequence[int] | Pair | Chat
"""A text, token ids, a Pair, or a Chat."""


def check_delimiter(delimiter: str) -> None:
    """Refuse what would be read as part of the text.

    Raises:
        OptionError: the delimiter is neither ``auto`` nor white space nor empty.
    """
    if delimiter != DELIMITER_AUTO and delimiter.strip():
        raise OptionError(f"delimiter={delimiter!r} must be 'auto', empty, or white space")


def item_size(item: Item | Prompt | SeqscoreError) -> int:
    """Roughly how large an item is: its characters or token ids; 0 for an error in the place of one, 1 for what is no
    item at all."""
    if isinstance(item, SeqscoreError):
        return 0
    if isinstance(item, Pair):
        return _size(item.context) + _size(item.continuation)
    if isinstance(item, Chat):
        return _size(item.messages)
    return _size(item.context if isinstance(item, Prompt) else item)


def item_weight(item: Item | Prompt | SeqscoreError, *, both_sides: bool) -> int:
    """How much running an item takes, roughly, in characters that a model reads once: its size. ``both_sides``: of a
    model that reads all of it anew for each of its tokens; 64 times that, since nothing is gained by planning more."""
    size = item_size(item)
    return 4 * size * size if both_sides else size


def share_beginning(one: object, other: object) -> bool:
    """Whether two items have at least half of the shorter one's beginning in common: its context, else itself."""
    a, b = _beginning(one), _beginning(other)
    if isinstance(a, str) is not isinstance(b, str):
        return False
    half = (min(len(a), len(b)) + 1) // 2
    return half > 0 and a[:half] == b[:half]


def _beginning(item: object) -> Sequence[object]:
    part = (item.context or item.continuation) if isinstance(item, Pair) else item
    part = part.context if isinstance(part, Prompt) else part
    part = part.messages if isinstance(part, Chat) else part
    return part if isinstance(part, Sequence) else ()


def _size(part: object) -> int:
    if isinstance(part, str):
        return len(part)
    if not isinstance(part, Sequence):
        return len(part) if hasattr(part, "__len__") else 1
    return sum(len(str(message.get("content", ""))) if isinstance(message, Mapping) else 1 for message in part)
