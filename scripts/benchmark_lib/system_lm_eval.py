"""lm-evaluation-harness, its hf backend: loglikelihood (which sorts by length) and loglikelihood_rolling."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

from .workloads import Job, Workload


class LoadedSystem:
    """HFLM on the CPU."""

    def __init__(self, job: Job) -> None:
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
        """lm-eval's."""
        return {"lm_eval": version("lm_eval")}

    def _instances(self, kind: str, arguments: list[tuple[str, ...]]) -> list[Any]:
        return [self._instance(request_type=kind, doc={}, arguments=one, idx=0) for one in arguments]
