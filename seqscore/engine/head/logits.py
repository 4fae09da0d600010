"""Whole rows of logits, for those who want to look at them; no engine keeps any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.forward_passes import forward_passes
from seqscore.plan.requests import Request

if TYPE_CHECKING:
    from seqscore.models.architecture.adapter import ModelAdapter


def logits_before_targets(adapter: ModelAdapter, requests: Sequence[Request]) -> NDArray[np.float64]:
    """The logits at the place of each target of all requests, by the model's own forward pass, [targets, V]."""
    with forward_passes(adapter):
        rows = [_rows(adapter, request) for request in requests]
    return np.concatenate(rows) if rows else np.empty((0, adapter.vocabulary))


def _rows(adapter: ModelAdapter, request: Request) -> NDArray[np.float64]:
    import torch

    ids = torch.tensor(request.ids[:-1], device=adapter.device)
    logits = adapter.logits(ids[None])[0, request.first_target - 1 :]
    rows: NDArray[np.float64] = logits.double().cpu().numpy()
    return rows
