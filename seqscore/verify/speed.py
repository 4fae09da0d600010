"""How fast, beside what the machine's own matrix products allow, and how much memory above the weights."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from seqscore.scorer import Scorer
from seqscore.verify.findings import Finding
from seqscore.verify.memory import peak_memory
from seqscore.verify.trials import Probes

if TYPE_CHECKING:
    from torch import Tensor

_ROWS = 512
_REPEATS = 3


def throughput(scorer: Scorer, probes: Probes) -> Iterator[Finding]:
    """Tokens a second on texts that share nothing, and the share of them that matrix products alone would take.

    The products are those of the model's linear layers and its head, on 512 rows, one after another, as torch runs
    them when nothing else does. Both are the best of several runs, taken in turn.
    """
    texts = probes.unshared
    tokens = sum(map(len, texts))
    products = _Products(scorer.model)
    scorer.score(texts[0])
    runs, floors = [], []
    for _ in range(_REPEATS):
        runs.append(_seconds(lambda: scorer.score(texts), scorer) / tokens)
        floors.append(products.seconds(scorer))
    yield Finding(
        topic="fast", what=f"{tokens:,} tokens that share nothing", value=1 / min(runs), unit="tokens a second"
    )
    what = "matrix products alone, share of that time"
    if products.are_all:
        yield Finding(topic="fast", what=what, value=100 * min(floors) / min(runs), unit="%")
    else:
        note = "experts run on as many rows as are sent to them, which is not known beforehand"
        yield Finding(topic="fast", what=what, value=None, unit="%", outcome="not measured", note=note)


def memory(scorer: Scorer, probes: Probes) -> Iterator[Finding]:
    """The highest memory above the loaded weights while one long text is scored, in megabytes."""
    text = probes.long
    scorer.score(probes.passage)  # what is allocated once
    with peak_memory(scorer.description.device) as peak:
        scorer.score(text)
    what = f"peak above the weights, one text of {len(text):,} tokens"
    if peak.bytes is None:
        note = "this system does not tell it"
        yield Finding(topic="small", what=what, value=None, unit="MB", outcome="not measured", note=note)
    else:
        yield Finding(topic="small", what=what, value=peak.bytes / 1e6, unit="MB", note=peak.method)


class _Products:
    """The matrix products that every position of a text goes through."""

    def __init__(self, model: Any) -> None:
        import torch
        from transformers.pytorch_utils import Conv1D

        layers = [module for module in model.modules() if isinstance(module, (torch.nn.Linear, Conv1D))]
        kinds = Counter((type(layer), layer.weight.shape, layer.weight.dtype) for layer in layers)
        first = {(type(layer), layer.weight.shape, layer.weight.dtype): layer for layer in reversed(layers)}
        self._layers = [(first[kind], number) for kind, number in kinds.items()]
        # Weights of more than two dimensions that are no convolution's are those of experts.
        convolutions = {id(p) for m in model.modules() if isinstance(m, torch.nn.Conv1d) for p in m.parameters()}
        self.are_all = not any(p.dim() > 2 and id(p) not in convolutions for p in model.parameters())

    def seconds(self, scorer: Scorer) -> float:
        """A position's share of the time that they take on many rows."""
        import torch

        total = 0.0
        with torch.inference_mode():
            for layer, number in self._layers:
                rows = self._rows(layer)
                layer(rows)
                total += number * _seconds(lambda layer=layer, rows=rows: layer(rows), scorer)  # type: ignore[misc]
        return total / _ROWS

    @staticmethod
    def _rows(layer: Any) -> Tensor:
        import torch

        width = layer.weight.shape[1 if isinstance(layer, torch.nn.Linear) else 0]
        return torch.zeros(_ROWS, width, dtype=layer.weight.dtype, device=layer.weight.device).add_(0.5)


def _seconds(run: Callable[[], object], scorer: Scorer) -> float:
    """The least of a few runs."""
    import torch

    device = scorer.description.device
    best = float("inf")
    for _ in range(2):
        begin = time.perf_counter()
        run()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - begin)
    return best
