"""lm-evaluation-harness, its hf backend: loglikelihood (which sorts by length) and loglikelihood_rolling."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .jobs import Encoded, Job, Window, Workload
from .systems import installed


class LoadedSystem:
    """HFLM on the CPU."""

    def __init__(self, job: Job) -> None:
        sizes = {one.max_length for one in job.workloads if one.kind == "disjoint"}
        if len(sizes) > 1:
            raise ValueError(f"one window length a job, got {sizes}")
        self._instance: Any = import_module("lm_eval.api.instance").Instance
        self._lm: Any = import_module("lm_eval.models.huggingface").HFLM(
            pretrained=job.model,
            backend="causal",
            device="cpu",
            dtype=job.dtype,
            batch_size=job.batch_size,
            max_length=job.limit,
        )
        self.model: Any = self._lm.model

    def encode(self, workload: Workload) -> list[Encoded]:
        """What the harness hands to its own ``_loglikelihood_tokens``, which is not run."""
        encoded = []
        original = self._lm._loglikelihood_tokens
        for i in range(len(workload.requests)):
            seen: list[Window] = []

            def record(
                requests: list[tuple[Any, list[int], list[int]]], *, into: list[Window] = seen, **_: Any
            ) -> list[tuple[float, bool]]:
                into.extend(Window((*context, *text), len(context)) for _, context, text in requests)
                return [(0.0, False) for _ in requests]

            self._lm._loglikelihood_tokens = record
            try:
                self.score(workload.choose([i]))
            finally:
                self._lm._loglikelihood_tokens = original
            encoded.append(tuple(seen))
        return encoded

    def score(self, workload: Workload) -> list[float]:
        """log p of each request."""
        if workload.kind == "disjoint":
            before = self._lm._max_length
            self._lm._max_length = workload.max_length
            try:
                rolled = self._lm.loglikelihood_rolling(
                    self._instances("loglikelihood_rolling", [(text,) for _, text in workload.requests]),
                    disable_tqdm=True,
                )
            finally:
                self._lm._max_length = before
            return [float(one) for one in rolled]
        answers = self._lm.loglikelihood(self._instances("loglikelihood", list(workload.requests)), disable_tqdm=True)
        return [float(one) for one, _ in answers]

    def versions(self) -> dict[str, str]:
        """torch, transformers and lm-eval."""
        return installed("torch", "transformers", "lm_eval")

    def _instances(self, kind: str, arguments: list[tuple[str, ...]]) -> list[Any]:
        return [self._instance(request_type=kind, doc={}, arguments=one, idx=0) for one in arguments]
