"""A server's address, and what may be told of it."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from seqscore.errors import OptionError

KEY_VARIABLE = "SEQSCORE_API_KEY"
"""The environment variable whose value is sent to a server as its API key."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is.

    Attributes:
        root: scheme, host, port and path without a final ``/v1``; no user, no password: what is told of it.
        authorization: the header that lets us in, which is told to the server alone; None where there is none.
        secrets: what must stand in no message.
    """

    root: str
    authorization: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def scrubbed(self, text: str) -> str:
        """A text without our secrets, which a server may repeat in its messages."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse_address(text: str) -> Address:
    """The address that a name is; user and password stand in it (``http://user:password@host``), an API key in the
    environment (``SEQSCORE_API_KEY``).

    Raises:
        OptionError: it is no address, or holds more than scheme, host, port and path.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise OptionError("the address of the server cannot be read; expected http://HOST:PORT/v1") from None
    if not host or parts.scheme not in ("http", "https"):
        raise OptionError("the address of the server has no host; expected http://HOST:PORT/v1")
    if parts.query or parts.fragment:
        raise OptionError(
            f"the address of the server at {host} goes on with ? or #, which is not sent; expected "
            f"http://HOST:PORT/v1, and an API key in the environment as {KEY_VARIABLE}"
        )
    shown = f"[{host}]" if ":" in host else host
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    root = f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{path}"
    return Address(root, *_entrance(parts.username, parts.password))


def _entrance(user: str | None, password: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The header that lets us in, and its secrets."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if user is None and password is None:
        return (f"Bearer {key}", (key,)) if key else (None, ())
    name, word = unquote(user or ""), unquote(password or "")
    coded = b64encode(f"{name}:{word}".encode()).decode()
    return f"Basic {coded}", tuple(one for one in (coded, word, password or "", key) if one)
