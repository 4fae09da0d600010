"""What a way to ask a server is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

from seqscore.models.server.reported import Reported

Prompt: TypeAlias = str | Sequence[int]
"""A text, or token ids."""


class Asks(Protocol):
    """What recognising a server takes: its answers to questions without a prompt."""

    async def get(self, path: str) -> Any:
        """The answer to the question for ``path``; None where there is none. Asked once."""
        ...

    async def post(self, path: str, body: Any) -> Any:
        """The answer to a body; None where there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a server says of itself. What it does not say is None.

    Attributes:
        models: the names of the models that it serves.
        version: of the program.
        max_tokens: how many tokens a prompt may have.
        weights: a fingerprint (a commit) of the model's weights.
        dtype: of the model.
    """

    models: tuple[str, ...] = ()
    version: str | None = None
    max_tokens: int | None = None
    weights: str | None = None
    dtype: str | None = None


class Dialect(ABC):
    """How a kind of servers is asked for the log-probabilities of a prompt.

    Attributes:
        name: as it stands in a signature.
        path: where prompts are sent.
        takes_ids: whether prompts may be token ids.
        tells_ids: whether its answers to texts have token ids.
        takes_start: whether a text that spells the start token is read as that token.
        top_of_texts: whether its answers to texts name the most probable tokens of a place.
        top_of_ids: whether its answers to ids do, by their ids.
        advice: what to do where the server gives no log-probabilities of a prompt.
    """

    name: ClassVar[str]
    path: ClassVar[str]
    takes_ids: ClassVar[bool]
    tells_ids: ClassVar[bool] = False
    takes_start: ClassVar[bool] = False
    top_of_texts: ClassVar[bool] = False
    top_of_ids: ClassVar[bool] = False
    advice: ClassVar[str]

    @abstractmethod
    async def recognise(self, asks: Asks) -> About | None:
        """What the server says of itself; None: it is of another kind.

        Raises:
            ServerError: it is known, and gives no log-probabilities of prompts.
        """

    @abstractmethod
    def body(self, prompt: Prompt, model: str | None, *, top: int = 1) -> Mapping[str, Any]:
        """What is sent. ``top``: how many of the most probable tokens of a place are asked for, 1 at least."""

    @abstractmethod
    def read(self, answer: Any, prompt: Prompt) -> Reported:
        """What the server reports of a prompt.

        Raises:
            AnswerError: it is no answer to that prompt.
        """

    async def ids_of(self, asks: Asks, text: str, model: str | None) -> Sequence[int] | None:
        """The token ids, without special ones in front, that the server's own tokenizer makes of a text; None where it
        does not tell."""
        return None


def named(model: str | None) -> dict[str, str]:
    """The field of a body that names the model, where one is named."""
    return {} if model is None else {"model": model}


def names_in(listing: Any) -> tuple[str, ...]:
    """The names of the models in an answer to ``/v1/models``."""
    rows = listing.get("data") if isinstance(listing, dict) else None
    found = [row.get("id") for row in rows or () if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(one for one in found if isinstance(one, str))


def owners_in(listing: Any) -> frozenset[str]:
    """Whose the models are, by the same answer: most programs write their name there."""
    rows = listing.get("data") if isinstance(listing, dict) else None
    found = [row.get("owned_by") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return frozenset(one for one in found if isinstance(one, str))


def field_of(answer: Any, name: str, kind: type) -> Any:
    """A field of an answer, where it is there and of that kind; else None."""
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if isinstance(value, kind) and not isinstance(value, bool) else None
