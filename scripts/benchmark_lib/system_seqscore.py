"""seqscore with its defaults, but for the conventions that make its numbers those of lm-eval."""

from __future__ import annotations

import math
from typing import Any

from .windows import encode
from .workloads import Job, Workload


class LoadedSystem:
    """A Scorer on the CPU."""

    def __init__(self, job: Job) -> None:
        from seqscore import Scorer

        self._scorer = Scorer.from_pretrained(
            job.model,
            device="cpu",
            dtype=job.dtype,
            engine=job.engine,
            batch_tokens=job.batch_tokens,
            max_length=job.workload.max_length if job.workload.kind == "overlapping" else None,
        )
        self.model: Any = self._scorer.model
        self._tokenizer: Any = self._scorer.tokenizer

    def score(self, workload: Workload) -> list[float]:
        """log p of each request. lm-eval's windows are Pairs of token ids, tokenised here and within the time."""
        from seqscore import Pair

        if workload.kind != "disjoint":
            items = [Pair(context, text) if context else text for context, text in workload.requests]
            return [one.log_likelihood for one in self._scorer.score(items, bos="lm-eval")]
        requests = encode(self._tokenizer, workload)
        pairs = [Pair(window.ids[: window.first_target], window.targets) for one in requests for window in one]
        parts = iter(self._scorer.score(pairs, bos="none"))
        return [math.fsum(next(parts).log_likelihood for _ in one) for one in requests]

    def versions(self) -> dict[str, str]:
        """seqscore's, and the engine that ran."""
        import seqscore

        return {"seqscore": seqscore.__version__, "engine": self._scorer.engine}
