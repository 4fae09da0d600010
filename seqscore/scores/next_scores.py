"""What a model expects behind a context: the most probable tokens, and given words among each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import MissingDependencyError
from seqscore.files import plain
from seqscore.scores.reductions import Unit, exp, in_unit
from seqscore.scores.signature import Signature

if TYPE_CHECKING:
    import pandas as pd

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NextToken:
    """A token behind a context. ``logprob``: log p(token | context), nats; ``rank``: 1 + how many are more probable."""

    id: int
    text: str
    logprob: float
    rank: int

    @property
    def probability(self) -> float:
        """p(token | context)."""
        return exp(self.logprob)


@dataclass(frozen=True, slots=True)
class NextWord:
    """A word behind a context, of one token or several.

    ``log_likelihood``: of its tokens given the context, nats. ``corrected``: log p(word | context) given that a word
    begins there and ends there, nats, None where it is not given (see ``seqscore.text.word_borders``). ``rank``,
    ``rank_corrected``: 1 + how many of the given words are more probable by each.
    """

    text: str
    num_tokens: int
    log_likelihood: float
    corrected: float | None
    rank: int
    rank_corrected: int | None


@dataclass(frozen=True, eq=False, kw_only=True)
class NextTokens:
    """The k most probable tokens behind a context, in order, of equally probable ones those of the smaller id first.

    Shape: ``ids`` int64, ``texts``, ``logprobs`` float64 in nats, [k]. ``entropy``: of the whole distribution, nats.
    ``context``: its text, as a chat template rendered it; None for ids without one. ``start_token``: the id of what
    stood in front. ``num_context``: tokens of the context; ``num_unread``: those at its beginning that are not read,
    since the model cannot look back so far. ``target_begins``: of a model with an encoder, whose context is a source,
    how what is decoded begins; the numbers of tokens count that too.
    """

    context: str | None
    ids: IntArray
    texts: tuple[str, ...]
    logprobs: FloatArray
    entropy: float
    start_token: int | None = None
    num_context: int = 0
    num_unread: int = 0
    target_begins: str = ""
    settings: Signature = Signature(())

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[NextToken]:
        ranks = ranks_of(self.logprobs.tolist())
        rows = zip(self.ids.tolist(), self.texts, self.logprobs.tolist(), ranks, strict=True)
        return (NextToken(*row) for row in rows)

    @property
    def signature(self) -> str:
        """One line that names the convention, the model and the versions behind these numbers."""
        return str(self.settings)

    def to_dicts(self, unit: Unit = "nats") -> list[dict[str, Any]]:
        """A row a token: plain values, logarithms in ``unit``."""
        return [
            {
                "rank": one.rank,
                "id": one.id,
                "text": one.text,
                "logprob": plain(in_unit(one.logprob, unit)),
                "probability": one.probability,
            }
            for one in self
        ]

    def to_pandas(self, unit: Unit = "nats") -> pd.DataFrame:
        """A table with a row for each token: ``to_dicts``.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        return _frame(self.to_dicts(unit), ("rank", "id", "text", "logprob", "probability"))

    def __repr__(self) -> str:
        shown = ", ".join(f"{one.text!r} {one.probability:.4g}" for one in list(self)[:3])
        more = ", ..." if len(self) > 3 else ""
        return f"NextTokens({_shown(self.context)}: {shown}{more}; entropy={self.entropy:.6g} nats)"


@dataclass(frozen=True, eq=False, kw_only=True)
class NextWords:
    """Given words behind a context, in the order in which they were given.

    ``num_unread``: tokens at the beginning of the context that are not read in front of a word, since the model cannot
    look back so far; of the word with the most.
    """

    context: str | None
    words: tuple[NextWord, ...]
    num_unread: int = 0
    settings: Signature = Signature(())

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[NextWord]:
        return iter(self.words)

    @property
    def signature(self) -> str:
        """One line that names the convention, the model and the versions behind these numbers."""
        return str(self.settings)

    def to_dicts(self, unit: Unit = "nats") -> list[dict[str, Any]]:
        """A row a word: plain values, logarithms in ``unit``, None for what is not given."""
        return [
            {
                "rank": one.rank,
                "text": one.text,
                "num_tokens": one.num_tokens,
                "logprob": plain(in_unit(one.log_likelihood, unit)),
                "probability": exp(one.log_likelihood),
                "rank_corrected": one.rank_corrected,
                "logprob_corrected": None if one.corrected is None else plain(in_unit(one.corrected, unit)),
                "probability_corrected": None if one.corrected is None else exp(one.corrected),
            }
            for one in self.words
        ]

    def to_pandas(self, unit: Unit = "nats") -> pd.DataFrame:
        """A table with a row for each word: ``to_dicts``.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        names = ("rank", "text", "num_tokens", "logprob", "probability")
        corrected = ("rank_corrected", "logprob_corrected", "probability_corrected")
        return _frame(self.to_dicts(unit), (*names, *corrected))

    def __repr__(self) -> str:
        shown = ", ".join(f"{one.text!r} {exp(one.log_likelihood):.4g}" for one in self.words[:3])
        more = ", ..." if len(self) > 3 else ""
        return f"NextWords({_shown(self.context)}: {shown}{more})"


def ranks_of(values: Sequence[float | None]) -> list[int]:
    """1 + how many of the values are greater, for each; 0 for None."""
    order = sorted((one for one in values if one is not None), reverse=True)
    first: dict[float, int] = {}
    for place, one in enumerate(order, start=1):
        first.setdefault(one, place)
    return [0 if one is None else first[one] for one in values]


def next_words(
    context: str | None,
    words: Sequence[str],
    num_tokens: Sequence[int],
    *,
    log_likelihoods: Sequence[float],
    corrected: Sequence[float],
    num_unread: int = 0,
    settings: Signature,
) -> NextWords:
    """Given words ranked among each other.

    Args:
        context: what stands before them.
        words: their texts.
        num_tokens: of each.
        log_likelihoods: of each, nats.
        corrected: of each, nats, NaN where it is not given.
        num_unread: tokens at the beginning of the context that are not read.
        settings: the signature.

    Returns:
        The words, as given.

    Example:
        >>> from seqscore.scores.signature import Signature
        >>> found = next_words(
        ...     "It", ["rains", "is"], [1, 1], log_likelihoods=[-4.0, -1.0], corrected=[-3.0, float("nan")],
        ...     settings=Signature(()),
        ... )
        >>> [(one.text, one.rank, one.rank_corrected) for one in found]
        [('rains', 2, 1), ('is', 1, None)]
    """
    known = [None if math.isnan(one) else float(one) for one in corrected]
    ranks, corrected_ranks = ranks_of([float(one) for one in log_likelihoods]), ranks_of(known)
    rows = zip(words, num_tokens, log_likelihoods, known, ranks, corrected_ranks, strict=True)
    made = tuple(
        NextWord(text, int(count), float(value), own, rank, other or None)
        for text, count, value, own, rank, other in rows
    )
    return NextWords(context=context, words=made, num_unread=num_unread, settings=settings)


def _shown(context: str | None) -> str:
    if context is None:
        return "token ids"
    return repr(context if len(context) <= 60 else "..." + context[-57:])


def _frame(rows: list[Mapping[str, Any]] | list[dict[str, Any]], names: tuple[str, ...]) -> pd.DataFrame:
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError(
            "to_pandas() needs pandas; install it with: pip install 'seqscore[notebook]'"
        ) from error
    return pd.DataFrame(rows, columns=list(names))
