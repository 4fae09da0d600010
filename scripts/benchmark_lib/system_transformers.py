"""Plain transformers, as a careful user would write it: batches sorted by length, log_softmax over the whole logits."""

from __future__ import annotations

import math
from typing import Any

from .windows import Window, encode
from .workloads import Job, Workload


class LoadedSystem:
    """AutoModelForCausalLM with padding on the right."""

    def __init__(self, job: Job) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._batch_size = job.batch_size
        self._tokenizer: Any = AutoTokenizer.from_pretrained(job.model)
        loader: Any = AutoModelForCausalLM
        self.model: Any = loader.from_pretrained(job.model, dtype=getattr(torch, job.dtype)).eval()

    def score(self, workload: Workload) -> list[float]:
        """Longest first, ``batch_size`` windows at a time."""
        requests = encode(self._tokenizer, workload)
        windows = [(i, window) for i, one in enumerate(requests) for window in one]
        windows.sort(key=lambda pair: -len(pair[1].ids))
        sums: list[list[float]] = [[] for _ in requests]
        for begin in range(0, len(windows), self._batch_size):
            batch = windows[begin : begin + self._batch_size]
            for (i, _), total in zip(batch, self._batch([window for _, window in batch]), strict=True):
                sums[i].append(total)
        return [math.fsum(one) for one in sums]

    def versions(self) -> dict[str, str]:
        """None besides the libraries that all have."""
        return {}

    def _batch(self, windows: list[Window]) -> list[float]:
        import torch

        width = max(len(window.inputs) for window in windows)
        ids = torch.zeros((len(windows), width), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window.inputs)] = torch.tensor(window.inputs)
            mask[row, : len(window.inputs)] = 1
        with torch.inference_mode():
            logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            logprobs = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
            totals = []
            for row, window in enumerate(windows):
                places = torch.arange(window.first_target - 1, len(window.inputs))
                chosen = logprobs[row, places, torch.tensor(window.targets)]
                totals.append(float(chosen.double().sum()))
        return totals
