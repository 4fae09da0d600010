"""The packed engine: no padding, every distinct prefix once, the same bits whatever stands beside a text.

Requests become a prefix trie, whose rows run in depth-first order in packs of one flat row each. The keys and values
of the path that is open where a pack ends are carried into the next, so that memory holds one path and one pack. Only
rows that predict a target go through the head, and the logits exist a tile at a time.

A row's arithmetic depends on its own prefix and its absolute position only: attention reads aligned blocks
(``plan.packs``), and linear layers see row counts that are known to leave a row's bits alone (``engine.row_counts``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqscore.engine.attention.backends import backend_for
from seqscore.engine.attention.open_path import OpenPath, packed_attention
from seqscore.engine.experts import steady_experts
from seqscore.engine.forward_passes import forward_passes
from seqscore.engine.head.masses import asked_of
from seqscore.engine.head.queue import HeadQueue, counts_for, head_row_counts
from seqscore.engine.kept_trials import tried
from seqscore.errors import ModelError
from seqscore.models.architecture.limits import text_config
from seqscore.plan.batches import sides_of
from seqscore.plan.packs import Pack, cut_packs
from seqscore.plan.requests import Request, Values
from seqscore.plan.trie import Trie, build_trie
from seqscore.policies import Extra

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seqscore.models.architecture.adapter import Head, ModelAdapter

IntArray = NDArray[np.int64]


class PackedEngine:
    """Runs models whose attention goes through transformers' attention interface.

    Args:
        adapter: the model; its device and dtype choose the attention backend.
        batch_tokens: the rows of a pack at most; fewer run where fewer are left. None: what the backend runs fastest.
        sharing: whether requests share the rows of their common prefixes.

    Raises:
        ModelError: the model's trunk and head cannot be run apart.
    """

    name: ClassVar[str] = "packed"

    def __init__(self, adapter: ModelAdapter, *, batch_tokens: int | None = None, sharing: bool = True) -> None:
        if adapter.trunk is None or adapter.head is None:
            raise ModelError(
                f"engine='packed' cannot run {type(adapter.model).__name__}: its hidden states and its head cannot be "
                f"told apart; use engine='padded'"
            )
        self._adapter = adapter
        self._trunk: nn.Module = adapter.trunk
        self._head: Head = adapter.head
        self._num_layers: int | None = getattr(text_config(adapter.model), "num_hidden_layers", None)
        self._backend = backend_for(adapter.device, adapter.dtype)
        self.batch_tokens = self._backend.pack_tokens if batch_tokens is None else batch_tokens
        self._sharing = sharing

    def run(self, requests: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """The values of each request's targets, in order.

        Raises:
            DeviceError: the device ran out of memory.
        """
        results: dict[int, Values] = {}
        model = self._adapter.model
        with (
            forward_passes(self._adapter, batch_tokens=self.batch_tokens),
            packed_attention(model),
            steady_experts(model),
        ):
            for indices, padding_at in self._rotary_groups(requests):
                chosen = [requests[i] for i in indices]
                values = self._run_all(chosen, padding_at, extras, sharing=self._sharing)
                results.update(zip(indices, self._apart(chosen, values, padding_at, extras), strict=True))
        return [results[i] for i in range(len(requests))]

    def num_run(self, requests: Sequence[Request]) -> int:
        """Every distinct prefix counts as one position."""
        groups = ([requests[i] for i in indices] for indices, _ in self._rotary_groups(requests))
        return sum(build_trie(chosen, sharing=self._sharing).num_rows for chosen in groups)

    def _run_all(
        self, requests: Sequence[Request], padding_at: int | None, extras: frozenset[Extra], *, sharing: bool
    ) -> list[Values]:
        trie = build_trie(requests, sharing=sharing)
        values = self._run_trie(trie, padding_at, extras)
        return [values.take(places) for places in trie.places]

    def _apart(
        self, requests: Sequence[Request], values: list[Values], padding_at: int | None, extras: frozenset[Extra]
    ) -> list[Values]:
        """The values, those of requests that gave NaN computed again without rows in common, then one by one.

        The keys that a row does not see are read and weighed by 0, and 0 * NaN is NaN: among the rows that texts share
        one that goes wrong spoils those before it. A text that goes wrong by itself does so here again, and at the
        same tokens as if it were alone.
        """
        kept = list(values)
        if not self._sharing or len(requests) == 1:
            return kept
        spoilt = _with_nan(kept)
        again = (
            self._run_all([requests[number] for number in spoilt], padding_at, extras, sharing=False) if spoilt else []
        )
        for number, one in zip(spoilt, again, strict=True):
            kept[number] = one
        for number in _with_nan(kept):
            (kept[number],) = self._run_all([requests[number]], padding_at, extras, sharing=False)
        return kept

    @property
    def keeps_bits(self) -> bool:
        """As the attention backend does; the products around it are tried at every number of rows."""
        return self._backend.keeps_bits(self._adapter.device, self._adapter.dtype)

    @property
    def row_counts(self) -> tuple[int, ...]:
        """How many rows a pack may have, smallest first, with as many threads as torch has now."""
        return self._backend.row_counts(self._trunk, largest=self.batch_tokens)

    @property
    def _head_rows(self) -> tuple[int, ...]:
        return head_row_counts(self._head, tried(self._adapter.model))

    def _rotary_groups(self, requests: Sequence[Request]) -> Iterator[tuple[list[int], int | None]]:
        """Requests that may run together, and the position that padding must stand at, if any.

        Where the rotary embedding changes beyond a length, longer sequences are a group of their own, and padding
        behind that length makes the model rotate as for a long one in every pack.
        """
        switch = self._adapter.rope_switch
        for is_long, indices in enumerate(sides_of(requests, switch)):
            yield indices, switch if is_long else None

    def _run_trie(self, trie: Trie, padding_at: int | None, extras: frozenset[Extra]) -> Values:
        """The values of the trie's targets."""
        if not trie.num_rows:
            return _NO_VALUES
        counts = self.row_counts
        path = OpenPath(trie.longest + max(counts), layers=self._num_layers, backend=self._backend)
        asked = asked_of(trie.subsets, trie.target_subsets, self._adapter.device)
        queue = HeadQueue(self._head, counts_for(extras, self._head, self._head_rows), extras, asked)
        for pack in cut_packs(trie, counts, padding_position=padding_at):
            with path.running(pack):
                hidden = self._forward(pack)
            rows = trie.target_rows[pack.targets] - pack.begin
            queue.add(hidden, rows, trie.target_tokens[pack.targets], trie.target_subsets[pack.targets])
        return queue.finish()

    def _forward(self, pack: Pack) -> Tensor:
        """[T, D] hidden states."""
        import torch

        device = self._adapter.device
        ids, positions = (torch.from_numpy(part)[None].to(device) for part in (pack.tokens, pack.positions))
        inputs = {"position_ids": positions, "attention_mask": torch.ones_like(ids), "use_cache": False}
        return self._adapter.hidden(ids, **inputs)[0]


def _with_nan(values: Sequence[Values]) -> list[int]:
    return [number for number, one in enumerate(values) if bool(np.isnan(one.logprobs).any())]


_NO_VALUES = Values(logprobs=np.empty(0), greedy=np.empty(0, bool), ties=np.empty(0, bool))
