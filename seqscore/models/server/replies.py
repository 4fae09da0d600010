"""A reply of a server: its status, and its body, which may be anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from seqscore.errors import ServerError, one_line
from seqscore.models.server.address import KEY_VARIABLE, Address
from seqscore.models.server.tries import PassingError, seconds_asked

_BUSY = frozenset({408, 425, 429, 502, 503, 504})
"""Of a server that is away, or has no time: tried again and again."""

_NOT_THIS = frozenset({400, 413, 422})
"""Of a server that cannot answer this very request."""


class RefusedError(Exception):
    """The server refuses this very request, and says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class MissingError(ServerError):
    """The server knows nothing at this path."""


def read_reply(status: int, headers: Mapping[str, str], data: bytes, *, address: Address, path: str) -> Any:
    """The JSON of a reply.

    Raises:
        PassingError: the failure may pass.
        RefusedError: this request cannot be answered.
        ServerError: none can, as things are.
    """
    where = f"{address.root}{path}"
    if 200 <= status < 300:
        return _parsed(data)
    reason = f"answers {status}{_reason_in(data, address)}"
    if status in _BUSY or status >= 500:
        after = seconds_asked(headers.get("retry-after"))
        raise PassingError(reason, after=after, soon=status not in _BUSY)
    if status in _NOT_THIS and not _names_no_model(data):
        raise RefusedError(status, reason)
    if 300 <= status < 400:
        raise ServerError(f"{where} {reason} and sends us elsewhere, which is not followed: give the server's address")
    if status in (401, 403):
        raise ServerError(
            f"{where} {reason}: it wants to know who asks; set the environment variable {KEY_VARIABLE} to your API key"
        )
    if status in (404, 405):
        raise MissingError(f"{where} {reason}: look at the address and at the name of the model")
    raise ServerError(f"{where} {reason}")


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        kind = "is nested too deeply" if isinstance(error, RecursionError) else "is no JSON"
        raise PassingError(f"answers with {len(data):,} bytes of which the whole {kind}", soon=True) from error


def _reason_in(data: bytes, address: Address) -> str:
    """What the server says of a failure, in the forms that servers have for it, without our secrets."""
    told = _message_in(_error_in(data))
    return f" ({address.scrubbed(one_line(Exception(told), 200))})" if told else ""


def _error_in(data: bytes) -> Any:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return next((found[name] for name in ("error", "detail", "message") if found.get(name)), None)


def _message_in(error: Any) -> str | None:
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else None


def _names_no_model(data: bytes) -> bool:
    """Whether a 400 says that there is no such model, as llama-cpp-python does."""
    error = _error_in(data)
    return isinstance(error, dict) and error.get("code") == "model_not_found"
