"""What the numbers of a server depend on, as far as it says."""

from __future__ import annotations

from collections.abc import Mapping

from seqscore.models.base import Identity
from seqscore.models.server.session import Session

UNKNOWN = "unknown"


def identity_of(session: Session, more: Mapping[str, str]) -> Identity:
    """The model's name as the server has it, its weights and dtype where it says them, program and address.

    The libraries that ask have no part in a number.
    """
    about, dialect = session.about, session.dialect
    version = "" if about.version is None else f"/{about.version}"
    fields = {
        "model": session.answers_as or session.model or UNKNOWN,
        "weights": about.weights or UNKNOWN,
        **more,
        "dtype": about.dtype or UNKNOWN,
        "server": f"{dialect.name}{version}",
        "address": session.root,
    }
    return Identity(fields, {})
