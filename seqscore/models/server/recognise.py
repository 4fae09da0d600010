"""Which dialect a server speaks, which model it has, and whether it gives what scoring takes: asked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seqscore.errors import OptionError, ServerError
from seqscore.models.server.client import Client
from seqscore.models.server.dialects import DIALECTS
from seqscore.models.server.dialects.base import About, Dialect, Prompt
from seqscore.models.server.replies import MissingError, RefusedError
from seqscore.models.server.reported import AnswerError
from seqscore.models.server.session import ONCE, Session
from seqscore.models.server.tries import TriedError

TRIAL = "We live in the middle of nowhere."
"""What a server is asked before the work; see ``aligned.py``, which asks for more."""

_LEAST = 3
"""Tokens that every tokenizer makes of it at least."""


class _Asks:
    """The answers to questions without a prompt, asked once each."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._told: dict[str, Any] = {}

    async def get(self, path: str) -> Any:
        if path not in self._told:
            self._told[path] = await self._or_none(path, None)
        return self._told[path]

    async def post(self, path: str, body: Any) -> Any:
        return await self._or_none(path, body)

    async def _or_none(self, path: str, body: Any) -> Any:
        """None where the server answers that it has none, or with something else than JSON."""
        try:
            return await self._client.ask(path, body, patience=ONCE)
        except (MissingError, RefusedError):
            return None
        except TriedError as error:
            if error.soon:
                return None
            raise


async def recognise(client: Client, served: str | None) -> Session:
    """The server, asked what it is.

    Args:
        client: asks it.
        served: the name of the model to be asked; None: the one that it has.

    Raises:
        OptionError: it serves no such model, or several and none was named.
        ServerError: nobody answers; or it gives no log-probabilities of prompts, and is known for that.
    """
    asks = _Asks(client)
    for dialect in DIALECTS:
        about = await dialect.recognise(asks)
        if about is not None:
            return Session(client, dialect, _chosen(about, served, client.address.root), about)
    raise ServerError(f"what answers at {client.address.root} is of no kind that is known")


async def try_out(session: Session, prompt: Prompt) -> Session:
    """The server, which was asked for the log-probabilities of a prompt and gave them.

    Raises:
        ServerError: it gives none; the message says what to do.
    """
    dialect, where = session.dialect, f"the server at {session.root}"
    try:
        reported = await session.report(prompt, patience=ONCE)
    except MissingError as error:
        raise ServerError(
            f"{where} has no {dialect.path}, so it gives no log-probabilities of a text that it reads (a chat API "
            f"gives those of what it writes): {dialect.advice} [{error.message}]"
        ) from error
    except (RefusedError, TriedError) as error:
        raise NoValuesError(f"{where} gives no log-probabilities: it {error}; {dialect.advice}") from error
    except AnswerError as error:
        raise ServerError(f"{where} gives no log-probabilities: {error.message}; {dialect.advice}") from error
    if len(reported.logprobs) < _LEAST:
        raise ServerError(
            f"{where} gives the log-probabilities of {len(reported.logprobs)} tokens for a text of more: of what it "
            f"writes, and none of what it reads; {dialect.advice}"
        )
    return replace(session, answers_as=reported.model)


LARGEST_TOP_K = 1_000
"""More than any server gives."""


async def check_top(session: Session, prompt: Prompt, top: int) -> None:
    """Ask for the ``top`` most probable tokens of each place of a prompt.

    Raises:
        OptionError: the server gives fewer, or refuses.
        ServerError: it does not answer.
    """
    asked, where = f"top_k={top}", f"the server at {session.root}"
    try:
        reported = await session.report(prompt, top=top, patience=ONCE)
    except RefusedError as error:
        raise OptionError(f"{asked}: {where} does not give so many of the most probable tokens: it {error}") from error
    told = [one for one in reported.tops or () if one]
    most = max(map(len, told), default=0)
    # Of tokens that are named by their text several may be one, so that a shorter list tells nothing.
    if most < top and all(one[0].id is not None for one in told):
        raise OptionError(f"{asked}: {where} gives the log-probabilities of at most {most} tokens of a place")


class NoValuesError(ServerError):
    """A server fails when it is asked for log-probabilities."""


async def ids_of(session: Session, text: str) -> Sequence[int] | None:
    """The ids that the server's tokenizer makes of a text; None where it does not tell."""
    dialect: Dialect = session.dialect
    return await dialect.ids_of(_Asks(session.client), text, session.model)


def _chosen(about: About, served: str | None, where: str) -> str | None:
    """The name of the model to be asked.

    Raises:
        OptionError: there is no such model, or several and none was named.
    """
    if served is not None and about.models and served not in about.models:
        raise OptionError(f"served_model={served!r}: {where} serves {_some(about.models)}")
    if served is None and len(about.models) > 1:
        raise OptionError(f"{where} serves {_some(about.models)}: name one (--served-model)")
    return served if served is not None else next(iter(about.models), None)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
