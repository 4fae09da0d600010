"""What an attention backend offers: how large packs are, which sizes keep bits, and a pack's attention itself.

A backend is one file that implements ``AttentionBackend`` and one line in ``engine.attention.backends``. What it must
read from a ``Pack``: for the query in row r at position p the keys of its path, which are those of the shared prefix
that holds r, if any (positions 0, 1, ... before p's span), and those of its local block up to p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from seqscore.plan.packs import Pack

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

FULL = 0
"""The window of a layer that sees its whole prefix."""


class UnsupportedAttentionError(Exception):
    """A model asks for something of its attention that packs do not offer."""


@dataclass(frozen=True, slots=True)
class LayerForm:
    """What the attention of a pack depends on beside the pack; layers of one form share its lists and masks.

    ``key_heads``: G. ``fold``: H / G, the query heads that share one key head. ``window``: how many positions a query
    sees, itself included, or ``FULL``.
    """

    key_heads: int
    fold: int
    window: int
    dtype: torch.dtype
    device: torch.device


class PackAttention(Protocol):
    """One pack's attention in one form."""

    def attend(
        self, query: Tensor, keys: Tensor, values: Tensor, *, scale: float, cap: float | None
    ) -> tuple[Tensor, Tensor]:
        """lse_i = log sum_j exp(s_ij), out_i = sum_j exp(s_ij - lse_i) v_j, over the keys j of row i's path.

        Args:
            query: [T, H, d], the pack's rows.
            keys: [slots, G, d]; slots 0 .. carried + num_rows - 1 hold keys, those behind may hold anything, NaN too.
            values: [slots, G, d].
            scale: s_ij = scale * q_i k_j, before the cap.
            cap: s_ij becomes cap * tanh(s_ij / cap); None for none.

        Returns:
            out [T, H, d], in the query's dtype, and lse [T, H], float32 or better. Padding rows may hold anything
            finite.
        """
        ...


class AttentionBackend(Protocol):
    """A way to compute the attention of packs on some device."""

    name: ClassVar[str]
    pack_tokens: ClassVar[int]
    """The rows of a pack where no other budget is asked for: what is fastest on this device."""

    def keeps_bits(self, device: torch.device, dtype: torch.dtype) -> bool:
        """Whether a row's bits are promised not to depend on the rest of its pack, on pack sizes or on threads."""
        ...

    def row_counts(self, trunk: nn.Module, *, largest: int) -> tuple[int, ...]:
        """How many rows a pack may have so that a row keeps its bits, ascending, none above ``largest`` where one
        fits."""
        ...

    def prepare(self, pack: Pack, form: LayerForm) -> PackAttention:
        """The attention of ``pack`` in layers of ``form``.

        Raises:
            UnsupportedAttentionError: the backend does not run layers of this form.
        """
        ...
