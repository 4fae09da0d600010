"""The loss of a tiny model while it is trained for some seconds: something that spans several powers of ten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError

_MAX_BYTES = 512


@dataclass(frozen=True, slots=True, eq=False)
class LossCurve:
    """Mean cross-entropy before each step of training, nats a byte. Shape: ``losses`` [steps], float64.

    ``num_parameters`` of the model, which reads ``num_bytes`` bytes of a text over and over; before it has learned
    anything its loss is about ln 256 = 5.545.
    """

    losses: NDArray[np.float64]
    num_parameters: int
    num_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"losses": self.losses.tolist(), "num_parameters": self.num_parameters, "num_bytes": self.num_bytes}


def train_tiny(text: str, *, steps: int = 200, seed: int = 0) -> LossCurve:
    """Train a random model of two layers on the first 512 bytes of a text, by Adam, on one thread of the CPU.

    The random state of the process and its number of threads are afterwards what they were.

    Raises:
        InputError: the text has fewer than two bytes.
    """
    import torch
    from torch.nn import functional

    data = text.encode("utf-8", "replace")[:_MAX_BYTES]
    if len(data) < 2:
        raise InputError("a model is trained to predict the next byte; give a text of two bytes or more")
    ids = torch.tensor(list(data))[None]
    with torch.random.fork_rng(devices=[]), _one_thread(), torch.enable_grad():
        torch.manual_seed(seed)
        model = _tiny_model()
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        losses = []
        for _ in range(steps):
            logits = model(input_ids=ids[:, :-1]).logits[0]
            loss = functional.cross_entropy(logits, ids[0, 1:])
            losses.append(float(loss.detach()))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return LossCurve(np.array(losses), sum(one.numel() for one in model.parameters()), len(data))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Products this small gain nothing by threads, which wait for one another, on a busy machine for minutes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tiny_model() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=256,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=_MAX_BYTES,
        use_cache=False,
    )
    return LlamaForCausalLM(config)
