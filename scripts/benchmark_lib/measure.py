"""What is measured around a run: seconds, peak memory, positions that went through the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from seqscore.verify.memory import peak_memory


@dataclass(frozen=True, slots=True)
class Measured:
    """``cpu_seconds``: of all threads together. ``memory``: bytes of the highest resident set above that after loading.
    ``memory_method``: how it was taken. ``positions``: token ids that went through the model.
    """

    scores: list[float]
    seconds: float
    cpu_seconds: float
    memory: int | None
    memory_method: str
    positions: int


def measure(score: Callable[[], list[float]], *, model: Any, warm_up: Callable[[], object]) -> Measured:
    """Run ``score`` once and measure it.

    The weights are read first, all of them, since a mapped file is in memory only where it was touched. Then memory
    begins to count, a short text warms up threads and kernels, and the clock starts.
    """
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.detach().sum()
    with peak_memory("cpu") as memory:
        warm_up()
        with counted_positions(model) as count:
            start, cpu_start = time.perf_counter(), time.process_time()
            scores = score()
            seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return Measured(scores, seconds, cpu_seconds, memory.bytes, memory.method, count[0])


@contextmanager
def counted_positions(model: Any) -> Iterator[list[int]]:
    """[positions]: how many token ids were looked up in the model's embedding, padding included."""
    count = [0]

    def add(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        ids = arguments[0] if arguments else next(iter(named.values()))
        count[0] += int(ids.numel())

    handle = model.get_input_embeddings().register_forward_pre_hook(add, with_kwargs=True)
    try:
        yield count
    finally:
        handle.remove()
