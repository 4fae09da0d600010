"""The gradient of a loss by autograd, through log_softmax and through the logarithm of a naive softmax."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqscore.explain.numbers.float_formats import FORMATS, FormatName

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GradientTrial:
    """d(-log p(token)) / dz, which is softmax(z) - one_hot(token), as autograd finds it in one format.

    Shape: ``exact`` (in float64, of the same rounded logits), ``stable`` (through log_softmax) and ``naive`` (through
    log(exp(z) / sum exp(z))) [V], float64 numbers.
    """

    dtype: FormatName
    scale: float
    exact: FloatArray
    stable: FloatArray
    naive: FloatArray

    @property
    def stable_error(self) -> float:
        """The largest difference between ``stable`` and ``exact``."""
        return float(np.abs(self.stable - self.exact).max())

    @property
    def naive_error(self) -> float | None:
        """The largest difference between ``naive`` and ``exact``; None where a value of ``naive`` is nan."""
        return None if self.num_nan else float(np.abs(self.naive - self.exact).max())

    @property
    def num_nan(self) -> int:
        """How many values of ``naive`` are nan (or infinite)."""
        return int((~np.isfinite(self.naive)).sum())

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "dtype": self.dtype,
            "scale": self.scale,
            "log_softmax_error": self.stable_error,
            "log_of_softmax_error": self.naive_error,
            "log_of_softmax_not_finite": self.num_nan,
        }


def gradient_trials(logits: FloatArray, token: int, scales: Sequence[float]) -> tuple[GradientTrial, ...]:
    """The gradients in every format with the logits times each scale; computed on the CPU."""
    return tuple(_trials(logits, token, scales))


def _trials(logits: FloatArray, token: int, scales: Sequence[float]) -> Iterator[GradientTrial]:
    import torch

    for dtype in FORMATS:
        for scale in scales:
            z = torch.from_numpy(logits * scale).to(getattr(torch, dtype))
            one_hot = torch.zeros(len(logits), dtype=torch.float64)
            one_hot[token] = 1.0
            yield GradientTrial(
                dtype=dtype,
                scale=scale,
                exact=(torch.softmax(z.double(), -1) - one_hot).numpy(),
                stable=_gradient(_stable_loss, z, token),
                naive=_gradient(_naive_loss, z, token),
            )


def _gradient(loss: Any, z: Tensor, token: int) -> FloatArray:
    import torch

    leaf = z.clone().requires_grad_(True)
    with torch.enable_grad():
        loss(leaf, token).backward()
    assert leaf.grad is not None
    found: FloatArray = leaf.grad.double().numpy()
    return found


def _stable_loss(z: Tensor, token: int) -> Tensor:
    import torch

    return -torch.log_softmax(z, -1)[token]


def _naive_loss(z: Tensor, token: int) -> Tensor:
    powers = z.exp()
    return -(powers / powers.sum()).log()[token]
