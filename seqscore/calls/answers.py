"""What a model gave back, checked before it is believed: an answer to everything that was asked, in its order."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqscore.errors import ModelError, SeqscoreError
from seqscore.models.base import TextValues
from seqscore.plan.requests import Request, Values

_MOST_NATS = 1e-4
"""A log-probability is at most 0; above it rounding may put as much as the package promises of a token."""


def check_count(kind: str, what: str, got: int, expected: int) -> None:
    """Refuse more or fewer results than were asked for: whose each is could not be told.

    Raises:
        ModelError: it says what a model of ``kind`` gave.
    """
    if got != expected:
        raise ModelError(
            f"the {kind} model gave back {got} {what}, expected {expected}: a defect of this kind of model"
        )


def check_answer(kind: str, request: Any, told: Any) -> None:
    """Refuse what is no answer to a request: a value for each target, none above 0. (NaN is told with its token.)

    Args:
        kind: of the model.
        request: a ``Request``, or a text.
        told: its ``Values``, or the ``TextValues`` of a text; an error in their place is one.

    Raises:
        ModelError: it says what a model of ``kind`` gave, and what was expected.
    """
    if isinstance(told, SeqscoreError):
        return
    values: Values = told.values if isinstance(told, TextValues) else told
    if isinstance(request, Request):
        expected, what = request.num_targets, f"{request.num_targets} targets"
    else:
        expected, what = (
            len(told.encoded.ids) - told.first,
            f"{len(told.encoded.ids)} tokens from number {told.first} on",
        )
    for name, array in values.given().items():
        if len(array) != expected or expected < 0:
            raise ModelError(
                f"the {kind} model gave back {len(array)} {name} for {what}: a defect of this kind of model"
            )
    above = np.flatnonzero(values.logprobs > _MOST_NATS)
    if len(above):
        raise ModelError(
            f"the {kind} model gave back a log-probability of {values.logprobs[above[0]]:g} nats (target "
            f"{int(above[0])}), expected at most 0: a defect of this kind of model"
        )
