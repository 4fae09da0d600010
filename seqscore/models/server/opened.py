"""An address to a model."""

from __future__ import annotations

from pathlib import Path

from seqscore.errors import OptionError
from seqscore.models.base import RunSettings
from seqscore.models.load.tokenizer import find_tokenizer
from seqscore.models.server.address import parse_address
from seqscore.models.server.client import Client
from seqscore.models.server.recognise import TRIAL, recognise, try_out
from seqscore.models.server.session import Session
from seqscore.models.server.text_model import ServerTextModel
from seqscore.models.server.token_model import ServerTokenModel
from seqscore.policies import whole_number

CONCURRENCY, TIMEOUT = 8, 300.0
"""Requests under way, and seconds until an answer is there, where nothing else is asked for."""


def open_server(
    name: str,
    settings: RunSettings,
    *,
    served_model: str | None = None,
    tokenizer: str | Path | None = None,
    concurrency: int | None = None,
    timeout: float | None = None,
) -> ServerTextModel | ServerTokenModel:
    """The model behind an address, which is asked what it is.

    Args:
        name: ``http://HOST:PORT/v1``; an API key stands in the environment (``SEQSCORE_API_KEY``).
        settings: ``max_length`` is heeded, where there is a tokenizer.
        served_model: the name of the model that is asked for; None: the one that is served.
        tokenizer: of its model: a folder, ``default``, or a name on the hub. Token ids are then sent; None: texts,
            which the server cuts itself.
        concurrency: requests under way at most.
        timeout: seconds until an answer must be there.

    Returns:
        A model that is given ids, or one that is given texts.

    Raises:
        OptionError: an option has no such value, or the server takes no ids.
        ServerError: nobody answers, or gives no log-probabilities of prompts; the message says what to do.
        TokenizerError: the tokenizer cannot be read, or is not that of the server.
        MissingDependencyError: ``seqscore[server]`` is not installed.

    Example:
        >>> from seqscore.models.base import RunSettings
        >>> from seqscore.errors import ServerError
        >>> try:
        ...     open_server("http://127.0.0.1:9/v1", RunSettings())
        ... except ServerError as error:
        ...     print(error.message[:60])
        the server at http://127.0.0.1:9/v1/models cannot be reached
    """
    if settings.max_length is not None and tokenizer is None:
        raise OptionError(f"max_length={settings.max_length} counts tokens: name the server's tokenizer (--tokenizer)")
    client = Client(
        parse_address(name),
        concurrency=CONCURRENCY if concurrency is None else whole_number("concurrency", concurrency, least=1),
        timeout=_seconds(timeout),
    )
    found = None if tokenizer is None else find_tokenizer(tokenizer)
    session: Session = client.wait_for(recognise(client, served_model))
    if found is not None:
        return ServerTokenModel(session, found, max_length=settings.max_length)
    return ServerTextModel(client.wait_for(try_out(session, TRIAL)))


def _seconds(timeout: float | None) -> float:
    if timeout is None:
        return TIMEOUT
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        raise OptionError(f"timeout={timeout!r} must be a number of seconds above 0")
    return float(timeout)
