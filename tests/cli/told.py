"""What a command says, without the signs of life that it gives every ten seconds while a machine is busy."""

from __future__ import annotations

import re

__all__ = ["told"]

_ALIVE = re.compile(
    r"seqscore: (loading model .*|scoring: [\d,]+ rows|[\d,]+( of about [\d,]+)? rows, [\d,]+ tokens/s.*)"
)


def told(stderr: str) -> list[str]:
    """The lines of standard error that tell something."""
    return [line for line in stderr.strip().splitlines() if not _ALIVE.fullmatch(line)]
