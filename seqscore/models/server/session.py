"""A server that was recognised: one prompt to what it reports, several prompts under way, answers in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from seqscore.errors import ContextLengthError, InputError, SeqscoreError, ServerError
from seqscore.models.server.client import Client
from seqscore.models.server.dialects.base import About, Dialect, Prompt
from seqscore.models.server.replies import RefusedError
from seqscore.models.server.reported import Reported
from seqscore.models.server.tries import Patience, TriedError

Asked = TypeVar("Asked")
Told = TypeVar("Told")

ONCE = Patience(tries=2, few=1)
"""Of what is asked before the work: an address where nobody is should be told soon."""

_ROOM, _ROOM_EACH = 1 << 20, 2048
"""Bytes of an answer: in all, and for each byte of the prompt, which has at most as many tokens."""

_ROOM_OF_TOP = 256
"""Bytes more for each of the most probable tokens of a place."""

_AHEAD = 4
"""Batches that are asked for before the first of them is answered as a whole."""

_LENGTH_WORDS = ("context", "too long", "length", "max_input", "input tokens")


@dataclass(frozen=True, slots=True)
class Session:
    """Asks a server in its dialect.

    ``model``: the name of the model that is asked for. ``about``: what the server says of itself. ``answers_as``: the
    name that its first answer had, and that all must have; None: it names none, or was not asked yet.
    """

    client: Client
    dialect: Dialect
    model: str | None
    about: About
    answers_as: str | None = None

    @property
    def root(self) -> str:
        """Where it is."""
        return self.client.address.root

    async def report(self, prompt: Prompt, *, top: int = 0, patience: Patience | None = None) -> Reported:
        """What the server says of a prompt, with the ``top`` most probable tokens of each place.

        Raises:
            RefusedError: it cannot answer this very prompt.
            ServerError: it does not answer, or another model does; or its answer cannot be believed.
        """
        size = len(prompt.encode()) if isinstance(prompt, str) else len(prompt)
        body = self.dialect.body(prompt, self.model, top=max(1, top))
        room = _ROOM + (_ROOM_EACH + _ROOM_OF_TOP * top) * size
        answer = await self.client.ask(self.dialect.path, body, room=room, patience=patience)
        reported = self.dialect.read(answer, prompt)
        if self.answers_as is not None and reported.model != self.answers_as:
            raise OtherModelError(
                f"the server at {self.root} answers as {reported.model!r}, and as {self.answers_as!r} before: another "
                f"model took its place"
            )
        return reported

    async def report_or_error(self, prompt: Prompt, good: Prompt, *, top: int = 0) -> Reported | SeqscoreError:
        """The same; what concerns this prompt alone is an error in its place.

        A server that fails at the prompt again and again is asked for ``good``, which it answered before: where it
        still does, the prompt is at fault.

        Raises:
            ServerError: the server answers nobody, or another model does.
        """
        try:
            return await self.report(prompt, top=top)
        except RefusedError as refused:
            kind = ContextLengthError if _is_about_length(refused.reason) else InputError
            return kind(f"the server {refused.reason}")
        except TriedError as error:
            if not error.soon or not await self._answers(good):
                raise
            return InputError(f"{error.message}; other texts it answers")

    async def _answers(self, good: Prompt) -> bool:
        try:
            await self.report(good, patience=ONCE)
        except (ServerError, RefusedError):
            return False
        return True

    def stream(
        self, batches: Iterable[Sequence[Asked]], work: Callable[[Asked], Coroutine[Any, Any, Told]]
    ) -> Iterator[list[Told]]:
        """``work`` of each member of each batch, in order; the next batches are begun while an earlier one is under
        way. Whatever ends it stops the requests that are under way.

        Raises:
            ServerError: of the first member that could not be answered.
        """
        under_way: deque[list[Future[Told]]] = deque()
        try:
            for batch in batches:
                under_way.append([self.client.start(work(one)) for one in batch])
                while self._is_full(under_way):
                    if all(one.done() for one in under_way[0]):
                        yield [one.result() for one in under_way.popleft()]
                    else:
                        self._wait_for_one(under_way)
            while under_way:
                yield [one.result() for one in under_way.popleft()]
        finally:
            for one in chain.from_iterable(under_way):
                one.cancel()

    def _is_full(self, under_way: Sequence[Sequence[Future[Any]]]) -> bool:
        """Whether no further batch should be begun."""
        return bool(under_way) and (len(under_way) >= _AHEAD or len(_pending(under_way)) >= self.client.concurrency)

    def _wait_for_one(self, under_way: Sequence[Sequence[Future[Any]]]) -> None:
        # Requests are begun in their order: one of the first is the next to be answered.
        wait(_pending(under_way)[: self.client.concurrency], return_when=FIRST_COMPLETED)


def _pending(under_way: Sequence[Sequence[Future[Any]]]) -> list[Future[Any]]:
    return [one for one in chain.from_iterable(under_way) if not one.done()]


class OtherModelError(ServerError):
    """The server has another model than it had."""


def _is_about_length(reason: str) -> bool:
    return any(word in reason.lower() for word in _LENGTH_WORDS)
