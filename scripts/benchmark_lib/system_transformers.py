"""Plain transformers, as a careful user would write it: batches sorted by length, log_softmax over the whole logits."""

from __future__ import annotations

import math
from typing import Any

from .jobs import Encoded, Job, Window, Workload
from .systems import installed, start_token
from .windows import disjoint_windows, overlapping_windows


class LoadedSystem:
    """AutoModelForCausalLM with padding on the right."""

    def __init__(self, job: Job) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._batch_size = job.batch_size
        self._tokenizer: Any = AutoTokenizer.from_pretrained(job.model)
        loader: Any = AutoModelForCausalLM
        self.model: Any = loader.from_pretrained(job.model, dtype=getattr(torch, job.dtype)).eval()

    def encode(self, workload: Workload) -> list[Encoded]:
        """Texts behind the start token; continuations split behind as many tokens as the context has alone."""
        contexts, texts = [context for context, _ in workload.requests], [text for _, text in workload.requests]
        start = start_token(self._tokenizer)
        if workload.kind == "continuation":
            wholes = self._ids([context + text for context, text in workload.requests])
            before = self._ids(contexts)
            return [(Window(tuple(ids), len(first)),) for ids, first in zip(wholes, before, strict=True)]
        if workload.kind == "disjoint":
            assert workload.max_length is not None
            size = workload.max_length
            return [disjoint_windows(ids, start=start, max_length=size) for ids in self._ids(texts)]
        bare = self._ids(texts, add_special_tokens=False)
        if workload.kind == "overlapping":
            assert workload.max_length is not None
            return [overlapping_windows(ids, start=start, max_length=workload.max_length) for ids in bare]
        return [(Window((start, *ids), 1),) for ids in bare]

    def score(self, workload: Workload) -> list[float]:
        """Longest first, ``batch_size`` windows at a time."""
        requests = self.encode(workload)
        windows = [(i, window) for i, one in enumerate(requests) for window in one]
        windows.sort(key=lambda pair: -len(pair[1].ids))
        sums: list[list[float]] = [[] for _ in requests]
        for begin in range(0, len(windows), self._batch_size):
            batch = windows[begin : begin + self._batch_size]
            for (i, _), total in zip(batch, self._batch([window for _, window in batch]), strict=True):
                sums[i].append(total)
        return [math.fsum(one) for one in sums]

    def versions(self) -> dict[str, str]:
        """torch and transformers."""
        return installed("torch", "transformers")

    def _ids(self, texts: list[str], **options: Any) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(texts, **options)["input_ids"]
        return ids

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
