"""What every engine offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from seqscore.plan.requests import Request, Values
from seqscore.policies import Extra


class Engine(Protocol):
    """Runs requests on a model. An engine may share, sort and cut them as it likes; results are in request order."""

    name: ClassVar[str]

    @property
    def batch_tokens(self) -> int | None:
        """How many positions run at once at most, padding included; None where requests run one by one."""
        ...

    @property
    def keeps_bits(self) -> bool:
        """Whether it promises, for this model's device and dtype, that the bits of a request's values do not depend on
        the other requests, on ``batch_tokens`` or on the number of threads."""
        ...

    def num_run(self, requests: Sequence[Request]) -> int:
        """How many positions it runs for these requests, padding not counted."""
        ...

    def run(self, requests: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """The values of each request's targets, in the order of the requests.

        Raises:
            DeviceError: the device has not enough memory for the batch.
        """
        ...
