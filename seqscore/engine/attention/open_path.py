"""Attention over packs: many sequences in one row of tokens, each query with the keys of its own path.

transformers hands queries, keys and values of every attention layer, positions already applied, to a function that can
be registered (``AttentionInterface``), and asks another one for masks (``AttentionMaskInterface``). Within
``packed_attention`` a model uses the two of this module. They know windows, soft caps, sinks, grouped heads and value
heads of another size; whatever else a model asks for is an error, never left out in silence.

Which of them a model uses is a setting of its config, and other threads see it. So where no pack runs in this thread,
the two hand over to those that the model used before: a forward pass of the caller's own in another thread stays right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from seqscore.engine.attention.base import (
    FULL,
    AttentionBackend,
    LayerForm,
    PackAttention,
    UnsupportedAttentionError,
)
from seqscore.engine.attention.kernels import with_sink
from seqscore.engine.callers_functions import former_attention, former_mask
from seqscore.models.architecture.passes import current_run
from seqscore.models.architecture.sharing import switched
from seqscore.plan.packs import Pack

if TYPE_CHECKING:
    from torch import Tensor, nn

_NAME = "seqscore_packed"


class OpenPath:
    """Keys and values of the open path and of one pack, for every attention layer, in the order of their calls.

    Args:
        slots: how many positions to hold, the longest path and the largest pack together.
        layers: how many attention layers the model has by its config; each must come here once a pack.
        backend: what computes the attention.
    """

    def __init__(self, slots: int, *, layers: int | None, backend: AttentionBackend) -> None:
        self._slots = slots
        self._layers = layers
        self._backend = backend
        self._memory: list[tuple[Tensor, Tensor]] = []
        self._pack: Pack | None = None
        self._prepared: dict[LayerForm, PackAttention] = {}
        self._calls = 0

    @contextmanager
    def running(self, pack: Pack) -> Iterator[None]:
        """The forward pass of ``pack`` within this block; afterwards the path that the next one needs is in place.

        Raises:
            UnsupportedAttentionError: some layers attended by another way.
        """
        self._pack, self._calls = pack, 0
        self._prepared.clear()
        token = _CURRENT.set((self, current_run()))
        try:
            yield
        finally:
            _CURRENT.reset(token)
        if self._calls != self._layers:
            raise UnsupportedAttentionError(
                f"{self._calls} of its {self._layers} layers go through transformers' attention interface"
            )
        self._move(pack)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, window: int, scale: float, cap: float | None
    ) -> tuple[Tensor, Tensor]:
        """(out [T, H, d_v], lse [T, H]) of the pack's rows in the next layer.

        Shape: ``query`` [1, H, T, d], ``key`` [1, G, T, d], ``value`` [1, G, T, d_v]; H is a multiple of G.
        """
        pack = self._pack
        assert pack is not None
        if query.shape[0] != 1 or query.shape[2] != pack.size or key.shape[2] != pack.size:
            raise UnsupportedAttentionError(f"queries {list(query.shape)} and keys {list(key.shape)} are not the pack")
        form = LayerForm(key.shape[1], query.shape[1] // key.shape[1], window, query.dtype, query.device)
        if form not in self._prepared:
            self._prepared[form] = self._backend.prepare(pack, form)
        width = max(key.shape[-1], value.shape[-1])
        keys, values = self._store(pack, _rows(key, width), _rows(value, width))
        out, lse = self._prepared[form].attend(_rows(query, width), keys, values, scale=scale, cap=cap)
        return out[..., : value.shape[-1]], lse

    def _store(self, pack: Pack, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's memories [slots, G, d], the pack's rows in them."""
        if self._calls == len(self._memory):
            shape = (self._slots, *key.shape[1:])
            self._memory.append((key.new_empty(shape), value.new_empty(shape)))
        memory = self._memory[self._calls]
        self._calls += 1
        for slots, rows in zip(memory, (key, value), strict=True):
            slots[pack.carried : pack.carried + pack.num_rows] = rows[: pack.num_rows]
        return memory

    def _move(self, pack: Pack) -> None:
        import torch

        if not len(pack.kept):
            return
        for memory in self._memory:
            for slots in memory:
                kept = torch.from_numpy(pack.kept).to(slots.device)
                slots[pack.kept_at : pack.kept_at + len(kept)] = slots.index_select(0, kept)


_CURRENT: ContextVar[tuple[OpenPath | None, object]] = ContextVar("seqscore_open_path", default=(None, None))


def _current_path() -> OpenPath | None:
    """The path of the pack that runs in this thread; None also within another run, called by a hook of the model."""
    path, run = _CURRENT.get()
    return path if run is current_run() else None


@contextmanager
def packed_attention(model: nn.Module) -> Iterator[None]:
    """The model's attention layers read packs within this block; its configs are put back afterwards."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, _mask_marker)
    configs = {id(module.config): module.config for module in model.modules() if hasattr(module, "config")}
    with switched(configs.values(), _SETTING, _NAME):
        yield


# The plain attribute behind the property: setting the property walks into sub-configs by itself.
_SETTING = "_attn_implementation_internal"

# What a layer may hand over that does not change which keys are seen, or how.
_NEUTRAL = frozenset({"dropout", "position_ids", "position_embeddings", "cache_position", "is_causal", "layer_idx"})


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, Tensor | None]:
    """transformers' attention function: [1, T, H, d_v] and no weights."""
    path = _current_path()
    if path is None:
        former = former_attention(module, _SETTING)
        return former(module, query, key, value, attention_mask, **settings)  # type: ignore[no-any-return]
    scaling, window = settings.pop("scaling", None), settings.pop("sliding_window", None)
    cap, sink = settings.pop("softcap", None), settings.pop("s_aux", None)
    unknown = [name for name, setting in settings.items() if name not in _NEUTRAL and not _is_off(setting)]
    if unknown or settings.get("is_causal") is False:
        raise UnsupportedAttentionError(f"{type(module).__name__} passes {', '.join(unknown) or 'is_causal=False'}")
    out, lse = path.attend(
        query,
        key,
        value,
        window=_window(attention_mask, window),
        scale=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        cap=None if cap is None else float(cap),
    )
    return (out if sink is None else with_sink(out, lse, sink))[None], None


def _is_off(setting: Any) -> bool:
    return setting is None or setting is False


def _window(mask: Tensor | None, declared: int | None) -> int:
    """How many positions a query sees. The mask decides, as it does for transformers' own attention; where a model
    makes none, what its layer declares."""
    import torch

    if mask is None:
        return FULL if declared is None else int(declared)
    if mask.dtype != torch.int64 or mask.numel() != 1:
        raise UnsupportedAttentionError("the model makes an attention mask of its own")
    return int(mask)


def _mask_marker(*, mask_function: Callable[..., Any], attention_mask: Tensor | None = None, **given: Any) -> Any:
    """transformers' mask function: [1, 1, 1, 1], the window of the layers that this mask is for, or ``FULL``."""
    import torch

    if _current_path() is None:
        former = former_mask(given["config"], _SETTING)
        return former(mask_function=mask_function, attention_mask=attention_mask, **given)
    if attention_mask is not None and not bool(attention_mask.all()):
        raise UnsupportedAttentionError("the model masks positions of its own")
    return torch.tensor(_seen_positions(mask_function), device="cpu").view(1, 1, 1, 1)


_FAR_AWAY = 2**22


def _seen_positions(mask_function: Callable[..., Any]) -> int:
    """The window of a mask function, found by asking it; an error where it is no window.

    Asked at several far positions: how many keys a query sees must not depend on where it stands.
    """
    found = {_seen_from(mask_function, position) for position in (_FAR_AWAY, _FAR_AWAY + 12345, 3 * _FAR_AWAY + 7)}
    if len(found) != 1:
        raise UnsupportedAttentionError("what a query sees depends on where it stands: no sliding window")
    (seen,) = found
    return FULL if seen > _FAR_AWAY else seen


def _seen_from(mask_function: Callable[..., Any], position: int) -> int:
    """How many positions the query at ``position`` sees, itself included; more than _FAR_AWAY for all of them."""
    if not _sees(mask_function, position, position):
        return _FAR_AWAY + 1  # a window of 0 is how some configs say that there is none
    if _sees(mask_function, position, position + 1):
        raise UnsupportedAttentionError("the model's mask does not read from left to right")
    if _sees(mask_function, position, position - _FAR_AWAY):
        return _FAR_AWAY + 1
    seen, unseen = 0, _FAR_AWAY
    while unseen - seen > 1:
        middle = (seen + unseen) // 2
        seen, unseen = (middle, unseen) if _sees(mask_function, position, position - middle) else (seen, middle)
    return seen + 1


def _sees(mask_function: Callable[..., Any], query: int, key: int) -> bool:
    import torch

    try:
        return bool(mask_function(*(torch.tensor(index, device="cpu") for index in (0, 0, query, key))))
    except (IndexError, RuntimeError, TypeError) as error:
        raise UnsupportedAttentionError(f"the model's mask looks at more than positions: {error}") from error


def _rows(heads: Tensor, width: int) -> Tensor:
    """[T, heads, width] of [1, heads, T, d], filled up with zeros, which add nothing to a product."""
    import torch

    rows = heads[0].transpose(0, 1)
    return rows if rows.shape[-1] == width else torch.nn.functional.pad(rows, (0, width - rows.shape[-1]))
