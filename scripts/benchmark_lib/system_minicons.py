"""minicons' IncrementalLMScorer: sequence_score and conditional_score, sums of log-probabilities.

minicons leaves batches to its user: here they are sorted by the number of characters, longest first, which is to its
advantage. Its sums leave out the first token, so the start token is put in front of a text, as its ``bos_token=True``
does (the tokenizer's own where it puts one).
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from typing import Any

from .windows import start_token
from .workloads import Job, Workload


class LoadedSystem:
    """IncrementalLMScorer on the CPU."""

    def __init__(self, job: Job) -> None:
        import torch

        self._batch_size = job.batch_size
        self._scorer: Any = import_module("minicons.scorer").IncrementalLMScorer(
            job.model, device="cpu", dtype=getattr(torch, job.dtype)
        )
        self.model: Any = self._scorer.model
        tokenizer = self._scorer.tokenizer
        start = start_token(tokenizer)
        adds_it = tokenizer("a")["input_ids"][0] == start
        self._prefix = "" if adds_it else tokenizer.convert_ids_to_tokens(start)

    def score(self, workload: Workload) -> list[float]:
        """log p of each request."""
        scores = [0.0] * len(workload.requests)
        for batch in self._batches(workload):
            contexts, texts = zip(*(workload.requests[i] for i in batch), strict=True)
            if workload.kind == "text":
                got = self._scorer.sequence_score([self._prefix + text for text in texts], reduction=_total)
            else:
                got = self._scorer.conditional_score(list(contexts), list(texts), separator="", reduction=_total)
            for i, one in zip(batch, got, strict=True):
                scores[i] = one
        return scores

    def versions(self) -> dict[str, str]:
        """minicons'."""
        return {"minicons": version("minicons")}

    def _batches(self, workload: Workload) -> Iterator[list[int]]:
        sizes = [len(context) + len(text) for context, text in workload.requests]
        order = sorted(range(len(sizes)), key=lambda i: -sizes[i])
        for begin in range(0, len(order), self._batch_size):
            yield order[begin : begin + self._batch_size]


def _total(logprobs: Any) -> float:
    return float(logprobs.sum(0).item())
