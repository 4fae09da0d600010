"""How other programs define the perplexity of a text: what they read, what they score, and how it weighs.

A protocol cuts token ids into stretches, each a context and targets; ``ProtocolTask`` makes the tool's figure of the
log-probabilities of the targets. Sources: lm-evaluation-harness 0.4.13 (loglikelihood_rolling), the page "Perplexity of
fixed-length models" of transformers, the evaluation code of GPTQ (Frantar et al. 2023), the perplexity program of
llama.cpp, the metric of Hugging Face's evaluate 0.4.6, KenLM's query (Heafield 2011), and CCNet (Wenzek et al. 2020).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import OptionError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

ProtocolName: TypeAlias = Literal["lm-eval", "transformers", "gptq", "llama.cpp", "evaluate", "kenlm", "ccnet"]
"""Whose definition. ``lm-eval`` and ``evaluate`` go text by text, ``kenlm`` and ``ccnet`` line by line; the others join
all texts into one."""

PROTOCOLS: tuple[ProtocolName, ...] = get_args(ProtocolName)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSettings:
    """``max_length``: positions a window reads (L). ``stride``: of ``transformers``; the whole window where None.
    ``start``: the token in front, None where the model has none. Of protocols that go line by line: ``end``, the token
    behind, and ``unknown``, that which stands for words that are not known.
    """

    name: ProtocolName
    max_length: int
    start: int | None
    stride: int | None = None
    end: int | None = None
    unknown: int | None = None

    def __post_init__(self) -> None:
        if self.name not in PROTOCOLS:
            raise OptionError(f"protocol {self.name!r} is unknown; expected one of {', '.join(PROTOCOLS)}")
        if self.stride is not None and self.name != "transformers":
            raise OptionError(f"a stride belongs to protocol 'transformers'; {self.name!r} has none")
        if self.stride is not None and not 1 <= self.stride <= self.max_length:
            raise OptionError(f"stride {self.stride} must be at least 1 and at most {self.max_length}, the window")
        if self.max_length < 2:
            raise OptionError(f"a window of {self.max_length} positions scores nothing; expected at least 2")
        if self.start is None and self.name in ("lm-eval", "evaluate"):
            raise OptionError(f"protocol {self.name!r} puts a start token in front, and this tokenizer has none")
        if self.reads_lines and (self.start is None or self.end is None):
            raise OptionError(
                f"protocol {self.name!r} puts every line between a start and an end token, and this "
                f"tokenizer has not both"
            )

    @property
    def joins_texts(self) -> bool:
        """Whether all texts are one, joined by blank lines."""
        return self.name in ("transformers", "gptq", "llama.cpp")

    @property
    def reads_lines(self) -> bool:
        """Whether each line of a text is scored for itself, with the token behind it."""
        return self.name in ("kenlm", "ccnet")

    @property
    def adds_special_tokens(self) -> bool:
        """Whether the tokenizer puts its own special tokens around a text."""
        return self.name in ("transformers", "gptq")


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """``context`` is read, ``targets`` are scored, each given all before it. Shape: [c], [n], n >= 1."""

    context: IntArray
    targets: IntArray


def stretches(ids: IntArray, settings: ProtocolSettings) -> Iterator[Stretch]:
    """The stretches that a tool makes of the ids of one text (or of one line, or of all texts, joined).

    Raises:
        OptionError: the text is too short for the protocol's windows.
    """
    size = settings.max_length
    if settings.name == "lm-eval":
        yield from _rolling(ids, size, settings.start)
    elif settings.name == "transformers":
        yield from _strided(ids, size, settings.stride or size)
    elif settings.name == "gptq":
        for begin in range(0, _whole_windows(ids, settings) * size, size):
            yield _from(ids[begin : begin + size], 1)
    elif settings.name == "llama.cpp":
        yield from _second_halves(ids, settings)
    elif settings.reads_lines and settings.end is not None:
        yield Stretch(np.array([settings.start]), np.append(ids, settings.end))
    elif len(ids):
        yield Stretch(np.array([settings.start]), ids)


def _rolling(ids: IntArray, size: int, start: int | None) -> Iterator[Stretch]:
    """Windows of ``size`` inputs behind the start token that share one token; the last reads further back."""
    whole = np.concatenate([[start], ids])
    for begin in range(0, len(ids), size):
        end = min(begin + size, len(ids))
        first = 0 if begin == 0 else max(0, end - size)
        yield Stretch(whole[first : begin + 1], whole[begin + 1 : end + 1])


def _strided(ids: IntArray, size: int, stride: int) -> Iterator[Stretch]:
    """Windows that begin every ``stride`` tokens and score what the one before did not; never the first token."""
    scored = 0
    for begin in range(0, len(ids), stride):
        end = min(begin + size, len(ids))
        first = max(scored - begin, 1)
        if end - begin > first:
            yield _from(ids[begin:end], first)
        scored = end
        if end == len(ids):
            return


def _second_halves(ids: IntArray, settings: ProtocolSettings) -> Iterator[Stretch]:
    """Windows without overlap; the start token takes the place of the first token; targets behind the middle."""
    size = settings.max_length
    for begin in range(0, _whole_windows(ids, settings) * size, size):
        window = ids[begin : begin + size].copy()
        if settings.start is not None:
            window[0] = settings.start
        yield _from(window, size // 2 + 1)


def _from(window: IntArray, first: int) -> Stretch:
    return Stretch(window[:first], window[first:])


def _whole_windows(ids: IntArray, settings: ProtocolSettings) -> int:
    """How many there are; the rest of the tokens is dropped, as these tools do."""
    number = len(ids) // settings.max_length
    if number == 0:
        raise OptionError(
            f"protocol {settings.name!r} takes whole windows of {settings.max_length} tokens and drops the rest; these "
            f"texts have {len(ids)} tokens together: use a shorter window"
        )
    return number


def weight_of(stretch: Stretch, settings: ProtocolSettings) -> float:
    """The page of transformers takes one token off the weight of every window, the first token being unscored, though
    only the first window has an unscored one; all others count what they score."""
    if settings.name != "transformers":
        return float(len(stretch.targets))
    unscored_first = len(stretch.context) == 1
    return float(len(stretch.targets) if unscored_first else len(stretch.targets) - 1)


def num_words(text: str) -> int:
    """Words as lm-eval counts them: pieces between white space, with an empty one before leading, behind trailing."""
    return len(re.split(r"\s+", text))
