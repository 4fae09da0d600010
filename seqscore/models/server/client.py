"""Requests to one server: several under way, each with a limit of time and of size, tried again where that helps."""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from seqscore.errors import ServerError, one_line
from seqscore.extras import naming_extras
from seqscore.models.server.address import Address
from seqscore.models.server.background import Background
from seqscore.models.server.replies import read_reply
from seqscore.models.server.tries import PassingError, Patience, trying

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response

T = TypeVar("T")

ROOM = 1 << 20
"""Bytes that the answer to a question without a prompt may have."""


class Client:
    """Asks one server.

    Args:
        address: where it is.
        concurrency: how many requests are under way at most, each on a connection of a pool of as many.
        timeout: seconds until an answer must be there as a whole.
        patience: how often a request is tried.

    Raises:
        MissingDependencyError: the libraries of the extra ``server`` are not there.
    """

    def __init__(self, address: Address, *, concurrency: int, timeout: float, patience: Patience | None = None) -> None:
        with naming_extras():
            import tenacity  # noqa: F401 - so that what is missing is said at once; httpx2 comes with the hub's library
        self.address, self.concurrency, self.timeout = address, concurrency, timeout
        self.patience = patience or Patience()
        self._background = Background()
        self._pool = _Pool(address, concurrency)
        weakref.finalize(self, _close, self._background, self._pool)

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin work that asks the server; cancelling the future stops it at once."""
        return self._background.start(work)

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """What some work comes to; whoever is stopped while he waits stops the work."""
        future = self.start(work)
        try:
            return future.result()
        finally:
            future.cancel()

    async def ask(self, path: str, body: Any = None, *, room: int = ROOM, patience: Patience | None = None) -> Any:
        """The JSON that the server answers to ``body``, or without one to the question for ``path``.

        Args:
            path: behind the root of the address.
            body: what is sent as JSON.
            room: bytes that the answer may have.
            patience: in place of the client's.

        Raises:
            RefusedError: the server cannot answer this very request.
            ServerError: it cannot answer; a failure that may pass was tried as often as ``patience`` has it.
        """
        async with self._pool.slot():
            return await trying(
                lambda: self._once(path, body, room), patience or self.patience, where=f"{self.address.root}{path}"
            )

    async def _once(self, path: str, body: Any, room: int) -> Any:
        import httpx2

        http = self._pool.http()
        content = None if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        try:
            async with (
                asyncio.timeout(self.timeout),
                http.stream(method, f"{self.address.root}{path}", content=content) as response,
            ):
                data = await _read(response, room)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise PassingError(f"gave no whole answer within {self.timeout:g} seconds (--timeout)") from error
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
            raise ServerError(f"{self.address.root} cannot be asked: {self._told(error)}") from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise PassingError(f"cannot be reached, or left off in the middle ({self._told(error)})") from error
        return read_reply(response.status_code, response.headers, data, address=self.address, path=path)

    def _told(self, error: Exception) -> str:
        return self.address.scrubbed(one_line(error))


class _Pool:
    """The connections of the running event loop, and the slots of those who may use them."""

    def __init__(self, address: Address, size: int) -> None:
        self._address, self._size = address, size
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http: AsyncClient | None = None
        self._slots = asyncio.Semaphore(size)

    def slot(self) -> asyncio.Semaphore:
        """To be entered for as long as a request takes, its tries and waits included."""
        self.http()
        return self._slots

    def http(self) -> AsyncClient:
        loop = asyncio.get_running_loop()
        if self._http is None or self._loop is not loop:  # none of a process that this one was forked from
            self._loop, self._slots, self._http = loop, asyncio.Semaphore(self._size), self._made()
        return self._http

    def _made(self) -> AsyncClient:
        import httpx2

        headers = {"accept": "application/json", "accept-encoding": "identity", "content-type": "application/json"}
        if self._address.authorization is not None:
            headers["authorization"] = self._address.authorization
        limits = httpx2.Limits(max_connections=self._size, max_keepalive_connections=self._size)
        checks = self._address.root.startswith("https:")  # else no certificates are read, which takes time
        return httpx2.AsyncClient(headers=headers, limits=limits, timeout=None, verify=checks, follow_redirects=False)

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()


def _close(background: Background, pool: _Pool) -> None:
    background.stop(pool.aclose())


async def _read(response: Response, room: int) -> bytes:
    """The body, of at most ``room`` bytes."""
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > room:
            raise ServerError(f"{response.url} answers with more than {room:,} bytes, which no answer to this needs")
        parts.append(part)
    return b"".join(parts)
