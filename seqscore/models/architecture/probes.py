"""What a model does with a few tokens, before it is trusted with texts."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from seqscore.errors import ModelError, NumericsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

FROM_A_MODEL = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a forward pass raises that cannot be done."""

_PROBE_LENGTH = 8
_RULED_OUT = -1e30


def parameter_names(module: nn.Module) -> frozenset[str]:
    """What a forward pass may be given by name."""
    return frozenset(inspect.signature(module.forward).parameters)


def forward_inputs(module: nn.Module, ids: Tensor) -> dict[str, Any]:
    """What a forward pass of ``ids`` [b, n] takes, of what ``module`` knows: every position is seen, none is cached.

    Position ids are left to the model: padding stands on the right, and some count from another number than 0.
    """
    import torch

    names = parameter_names(module)
    inputs: dict[str, Any] = {"input_ids": ids}
    if "attention_mask" in names:
        inputs["attention_mask"] = torch.ones_like(ids)
    if "use_cache" in names:
        inputs["use_cache"] = False
    return inputs


def probe_ids(size: int, device: torch.device) -> Tensor:
    """A few different tokens; two rows that part at the last one."""
    import torch

    first = [(7 * i + 3) % size for i in range(_PROBE_LENGTH)]
    second = [*first[:-1], (first[-1] + 1) % size]
    return torch.tensor([first, second], device=device)


def probe_logits(model: nn.Module, ids: Tensor, **inputs: Any) -> Tensor:
    """[2, rows, V] by the model's own forward pass, as it gives them; at least a row a token. ``inputs``: what it is
    handed as well."""
    import torch

    name = type(model).__name__
    try:
        logits = model(**{**forward_inputs(model, ids), **inputs}).logits
        shape, dtype = tuple(logits.shape), logits.dtype
    except FROM_A_MODEL as error:
        raise ModelError(f"{name} gives no logits for token ids: {error}") from error
    if len(shape) != 3 or shape[0] != len(ids) or shape[1] < ids.shape[1]:
        raise ModelError(
            f"{name} gives logits of shape {list(shape)} for {list(ids.shape)} token ids; expected a row for every "
            f"token: [{len(ids)}, {ids.shape[1]}, vocabulary]"
        )
    _check_finite(name, logits)
    widened: Tensor = logits.to(torch.promote_types(dtype, torch.float32))
    return widened


def _check_finite(name: str, logits: Tensor) -> None:
    """A distribution at every place: a word may be ruled out (-inf), all of them may not."""
    if bool(logits.isnan().any()):
        found = "NaN"
    elif bool((logits == float("inf")).any()):
        found = "infinite"
    elif bool((logits.amax(-1) == -float("inf")).any()):
        found = "only -inf as"
    else:
        return
    raise NumericsError(
        f"{name} gives {found} logits on a plain probe of {_PROBE_LENGTH} tokens: its weights are damaged, or this "
        f"dtype overflows; try dtype='float32'"
    )


def check_causal(model: nn.Module, logits: Tensor) -> None:
    """A change of the last token must leave the logits before it as they are."""
    if difference(logits[0, :-1], logits[1, :-1], least_scale=1e-6) > 1e-3:
        raise ModelError(
            f"{type(model).__name__} is not a causal language model: its output at a token depends on the "
            f"tokens that follow; expected a model that reads from left to right only"
        )


def check_rows_in_front(model: nn.Module, ids: Tensor, logits: Tensor, *, vocabulary: int) -> None:
    """More rows than tokens: the last must be those of the tokens. A change of a token changes the row that is its own,
    and none before.
    """
    import torch

    rows, length = logits.shape[1], ids.shape[1]
    tries = (ids[0] + torch.eye(length, dtype=ids.dtype, device=ids.device)) % vocabulary
    changed = probe_logits(model, torch.cat([ids[:1], tries]))[:, rows - length :]
    for place in range(length):
        one = changed[place + 1]
        before = place and difference(changed[0, :place], one[:place], least_scale=1e-6)
        here = difference(changed[0, place : place + 1], one[place : place + 1], least_scale=1e-6)
        if not before <= 1e-3 < here:
            raise ModelError(
                f"{type(model).__name__} gives {rows} rows of logits for {length} tokens, and the last {length} of "
                f"them are not those of the tokens; expected one row a token, others in front of them"
            )


def difference(a: Tensor, b: Tensor, *, least_scale: float) -> float:
    """How far two sets of logits are apart: the largest difference, relative to the largest logit.

    Words that a model rules out (-inf, or the lowest number there is) say nothing of the scale and must be the same.
    """
    a, b = a.double(), b.double()
    usual = a > _RULED_OUT
    if not bool((usual == (b > _RULED_OUT)).all()):
        return float("inf")
    a, b = a[usual], b[usual]
    return float((a - b).abs().max()) / max(least_scale, float(a.abs().max())) if a.numel() else float("inf")
