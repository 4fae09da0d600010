"""The systems under test. Each loads the model folder as its users do, and scores a workload through its public calls.

``encode`` gives the token ids that a system runs, taken from the system itself, so that the benchmark can see whether
all of them compute the same thing before it times them.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any, Protocol

from .jobs import Encoded, Job, SystemName, Workload

_MODULES: dict[SystemName, str] = {
    "seqscore": "system_seqscore",
    "lm-eval": "system_lm_eval",
    "minicons": "system_minicons",
    "transformers": "system_transformers",
}


class System(Protocol):
    """A loaded system."""

    model: Any
    """The transformers model that runs."""

    def __init__(self, job: Job) -> None: ...

    def encode(self, workload: Workload) -> list[Encoded]:
        """The token ids of each request."""
        ...

    def score(self, workload: Workload) -> list[float]:
        """The log-likelihood of each request in nats, from the texts on."""
        ...

    def versions(self) -> dict[str, str]:
        """Of the libraries whose speed this is."""
        ...


def load_system(job: Job) -> System:
    """The system that a job names."""
    module = import_module(f".{_MODULES[job.system]}", __package__)
    system: System = module.LoadedSystem(job)
    return system


def installed(*names: str) -> dict[str, str]:
    """Versions of installed distributions."""
    return {name: version(name) for name in names}


def start_token(tokenizer: Any) -> int:
    """What stands before a text: BOS, else EOS, as lm-eval has it."""
    token = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if token is None:
        raise ValueError("this tokenizer has neither BOS nor EOS, so there is no start token to compare with")
    return int(token)
