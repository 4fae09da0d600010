"""The named choices of a call of the scorer, as one frozen class that checks itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Literal, TypeAlias, TypedDict, get_args

from seqscore.errors import OptionError

StartPolicy: TypeAlias = str | int
"""``auto``, ``none``, ``lm-eval``, or a token (its text or its id)."""

EndPolicy: TypeAlias = str | int
"""``none``, ``scored``, or a token (its text or its id)."""

LongPolicy: TypeAlias = Literal["windows", "truncate", "error"]
"""What happens to a sequence longer than the model's context."""

BoundaryPolicy: TypeAlias = Literal["auto", "lm-eval", "healed", "separate"]
"""What happens where a token reaches over the end of a context: see ``seqscore.text.boundary``."""

SpecialTokensPolicy: TypeAlias = Literal["literal", "parse"]
"""Whether text that spells a special token is ordinary text or that token."""

MaskingPolicy: TypeAlias = Literal["original", "within-word-l2r", "whole-word"]
"""What a masked model does not see beside the token that it scores: see ``seqscore.text.masking``."""

ExtraName: TypeAlias = Literal["rank", "entropy"]
"""Values of a token that are computed on request."""


@dataclass(frozen=True, slots=True)
class TopK:
    """The ``k`` most probable tokens at each place, with their log-probabilities."""

    k: int


Extra: TypeAlias = ExtraName | TopK
"""What a model is asked for besides log-probabilities: a value of each token, by its name, or a list of them."""

EXTRAS: tuple[ExtraName, ...] = get_args(ExtraName)


def top_k_of(extras: Iterable[Extra]) -> int:
    """How many of the most probable tokens are asked for at each place; 0 for none."""
    return max((one.k for one in extras if isinstance(one, TopK)), default=0)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "long": get_args(LongPolicy),
    "boundary": get_args(BoundaryPolicy),
    "special_tokens": get_args(SpecialTokensPolicy),
    "masking": get_args(MaskingPolicy),
}
_REPLACED = {
    "boundary": {
        "joint": "scored only a part of a continuation where a token reaches over the boundary; it is replaced by "
        "'auto' (joint tokens where they agree with the boundary, else apart), 'healed' (such a token given the bytes "
        "before the boundary) and 'lm-eval' (its rule, as before)"
    }
}
"""Values of earlier versions, and what took their place."""


class PolicyKeywords(TypedDict, total=False):
    """``Policies`` as keywords of a call."""

    bos: StartPolicy
    eos: EndPolicy
    long: LongPolicy
    boundary: BoundaryPolicy
    special_tokens: SpecialTokensPolicy
    masking: MaskingPolicy
    extras: Iterable[ExtraName]
    top_k: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The named choices of a call.

    ``bos``: what stands before the first token, as context only: ``auto`` (the tokenizer's BOS, else its EOS),
    ``none`` (the first token is then not scored), ``lm-eval``, or a token (its text or id).
    ``eos``: what is scored behind the last token: nothing (``none``), the model's end token given all of the text
    (``scored``), or another token (its text or id). See ``seqscore.text.end``.
    ``long``: a sequence longer than the model's context is scored in overlapping ``windows``, is cut (``truncate``;
    how much is on the record), or is an ``error``.
    ``boundary``: where a token would reach over the end of a context, the two are tokenised apart (``auto``); it is
    scored given that it begins with the context's bytes in it (``healed``); or what lm-eval does (``lm-eval``, also
    what ``bos="lm-eval"`` takes). ``separate``: always apart. See ``seqscore.text.boundary``.
    ``special_tokens``: text that spells a special token is ordinary text (``literal``) or that token (``parse``).
    ``masking``: of a masked model, what is masked to score a token: the token (``original``), what follows of its word
    as well (``within-word-l2r``), all of its word (``whole-word``). See ``seqscore.text.masking``.
    ``extras``: per-token values to compute as well, ``rank`` and ``entropy``; one name, or several. ``top_k``: how many
    of the most probable tokens are given at each place too; 0 or None for none.

    Raises:
        OptionError: a policy has no such value. (Whether ``bos`` and ``eos`` are tokens a tokenizer tells.)
    """

    bos: StartPolicy = "auto"
    eos: EndPolicy = "none"
    long: LongPolicy = "windows"
    boundary: BoundaryPolicy = "auto"
    special_tokens: SpecialTokensPolicy = "literal"
    masking: MaskingPolicy = "original"
    extras: frozenset[ExtraName] = frozenset()
    top_k: int | None = 0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if isinstance(value, str) and value in _REPLACED.get(name, {}):
                raise OptionError(f"{name}={value!r} {_REPLACED[name][value]}")
            check_choice(name, value, choices)
        extras: object = self.extras
        if not isinstance(extras, Iterable):
            raise OptionError(f"extras={extras!r} must name what to compute as well: {', '.join(EXTRAS)}")
        named = [extras] if isinstance(extras, str) else list(extras)
        for extra in named:
            check_choice("extras", extra, EXTRAS)
        object.__setattr__(self, "extras", frozenset(named))
        object.__setattr__(self, "top_k", whole_number("top_k", self.top_k or 0, least=0))

    @property
    def asked(self) -> frozenset[Extra]:
        """What a model is asked for besides log-probabilities."""
        return self.extras | {TopK(self.top_k)} if self.top_k else frozenset(self.extras)

    @classmethod
    def of(cls, keywords: Mapping[str, object]) -> Policies:
        """Those that the keywords of a call name.

        Raises:
            OptionError: there is no such policy, or it has no such value.
        """
        known = [field.name for field in fields(cls)]
        for name in keywords:
            if name not in known:
                raise OptionError(f"there is no option {name}=; a call takes {', '.join(known)}")
        return cls(**keywords)  # type: ignore[arg-type]


def whole_number(name: str, value: object, *, least: int | None = None) -> int:
    """An option that is a whole number, NumPy's too, as Python's.

    Raises:
        OptionError: it is none, or less than ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or (least is not None and value < least):
        raise OptionError(f"{name}={value!r} must be a whole number{'' if least is None else f' of at least {least}'}")
    return int(value)


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Refuse what is none of the choices.

    Raises:
        OptionError: it lists them.
    """
    if value not in choices:
        raise OptionError(f"{name}={value!r} is unknown; expected one of {', '.join(map(str, choices))}")
