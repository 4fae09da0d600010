"""seqscore with its defaults, but for the conventions that make its numbers those of lm-eval."""

from __future__ import annotations

import math
from typing import Any

from .jobs import Encoded, Job, Window, Workload
from .systems import installed, start_token
from .windows import disjoint_windows


class LoadedSystem:
    """A Scorer on the CPU."""

    def __init__(self, job: Job) -> None:
        from seqscore import Scorer

        sizes = {one.max_length for one in job.workloads if one.kind == "overlapping"}
        if len(sizes) > 1:
            raise ValueError(f"one window length a job, got {sizes}")
        self._scorer = Scorer.from_pretrained(
            job.model,
            device="cpu",
            dtype=job.dtype,
            engine=job.engine,
            batch_tokens=job.batch_tokens,
            max_length=next(iter(sizes), None) if job.action == "score" else None,
        )
        self.model: Any = self._scorer.description.model
        self._tokenizer: Any = self._scorer.description.tokenizer

    def encode(self, workload: Workload) -> list[Encoded]:
        """What the text layer makes of each request, the engine's windows included."""
        if workload.kind == "disjoint":
            return self._disjoint(workload)
        from seqscore.errors import SeqscoreError
        from seqscore.text.codec.encoder import TextEncoder
        from seqscore.text.sequences import SequenceBuilder
        from seqscore.text.start import resolve_start
        from seqscore.text.windows import layout

        builder = SequenceBuilder(
            tokenizer=self._tokenizer,
            encoder=TextEncoder(self._tokenizer, special_tokens="literal"),
            markup_encoder=TextEncoder(self._tokenizer, special_tokens="parse"),
            start=resolve_start(self._tokenizer, "lm-eval"),
            boundary="lm-eval",
            special_tokens="literal",
        )
        encoded = []
        for one in builder.build(self._items(workload)):
            if isinstance(one, SeqscoreError):
                raise one
            ids = tuple(one.model_ids.tolist())
            first = one.first_scored + len(ids) - len(one.ids)
            laid = layout(
                len(ids), first_target=first, max_inputs=workload.max_length, long="windows", is_pair=one.is_pair
            )
            encoded.append(
                tuple(Window(ids[w.begin : w.end + 1], w.first_target - w.begin) for w in laid.windows),
            )
        return encoded

    def score(self, workload: Workload) -> list[float]:
        """log p of each request. lm-eval's windows are Pairs of token ids, tokenised here and within the time."""
        if workload.kind != "disjoint":
            return [one.log_likelihood for one in self._scorer.score(self._items(workload), bos="lm-eval")]
        from seqscore.text.items import Pair

        requests = self._disjoint(workload)
        pairs = [Pair(window.ids[: window.first_target], window.targets) for one in requests for window in one]
        parts = iter(self._scorer.score(pairs, bos="none"))
        return [math.fsum(next(parts).log_likelihood for _ in one) for one in requests]

    def versions(self) -> dict[str, str]:
        """torch, transformers and seqscore, with the engine that ran."""
        import seqscore

        return {
            **installed("torch", "transformers"),
            "seqscore": f"{seqscore.__version__}",
            "engine": self._scorer.engine,
        }

    def _items(self, workload: Workload) -> list[Any]:
        from seqscore.text.items import Pair

        return [Pair(context, text) if context else text for context, text in workload.requests]

    def _disjoint(self, workload: Workload) -> list[Encoded]:
        assert workload.max_length is not None
        start, size = start_token(self._tokenizer), workload.max_length
        texts = [text for _, text in workload.requests]
        encoded = self._tokenizer(texts)["input_ids"]
        return [disjoint_windows(ids, start=start, max_length=size) for ids in encoded]
