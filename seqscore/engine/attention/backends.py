"""Device and dtype to attention backend. A new backend is one file and one line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqscore.engine.attention.base import AttentionBackend
from seqscore.engine.attention.blocks import BlockBackend

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend, and what it is taken for: types of device and dtypes, by their names in torch; () means any."""

    backend: AttentionBackend
    devices: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()

    def fits(self, device: str, dtype: str) -> bool:
        """Whether it is taken for this type of device and this dtype."""
        return (not self.devices or device in self.devices) and (not self.dtypes or dtype in self.dtypes)


BACKENDS: tuple[Choice, ...] = (Choice(BlockBackend()),)
"""The first one that fits is taken, so special ones stand in front. The last one runs everything. Where the one that is
taken refuses a form of layer, the model does not run packed: no other one is asked."""


def backend_for(device: torch.device, dtype: torch.dtype) -> AttentionBackend:
    """The attention backend of a model on ``device`` in ``dtype``."""
    kind = str(dtype).removeprefix("torch.")
    return next(choice.backend for choice in BACKENDS if choice.fits(device.type, kind))
