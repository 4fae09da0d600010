"""The scores of the words of a text: sums over their tokens, corrected for where words end, and rows for a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import MissingDependencyError
from seqscore.files import plain
from seqscore.scores.reductions import Unit, in_unit
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.segmentation import Words
from seqscore.text.word_tokens import PlacedWords, WordTokens

if TYPE_CHECKING:
    import pandas as pd

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

WordFlag: TypeAlias = Literal["split", "unmarked", "unscored", "inexact", "end"]
"""What there is to know of a word. ``split``: a token reaches over one of its borders, and counts to the word in whose
part of the text its first byte stands. ``unmarked``: it has no corrected value, since no token shows where it begins or
ends. ``unscored``: one of its tokens is not scored. ``inexact``: the tokenizer changed the text, so that it cannot be
told for sure which tokens are the word's. ``end``: no word, but the end token, where it is scored."""

WORD_COLUMNS: Mapping[str, Literal["text", "whole", "real"]] = MappingProxyType(
    {
        "position": "whole",
        "word": "text",
        "start": "whole",
        "end": "whole",
        "char_start": "whole",
        "char_end": "whole",
        "num_tokens": "whole",
        "surprisal": "real",
        "surprisal_corrected": "real",
        "entropy": "real",
        "rank": "whole",
        "log_likelihood": "real",
        "unit": "text",
        "flags": "text",
        "end_token": "whole",
    }
)
"""The columns of a table of words and what they hold, see ``WordScores.to_dicts``."""


@dataclass(frozen=True, eq=False, kw_only=True)
class WordScores:
    """The words of one text and their scores.

    Shape: [n] each. ``texts``: the words. ``starts``, ``ends`` (bytes), ``char_starts``, ``char_ends``: where each
    stands in its text, behind the context and its delimiter; int64. ``first_tokens``, ``last_tokens`` (exclusive): its
    tokens in ``score``, white space in front of it included, the last word's also behind it; int64.
    ``log_likelihoods``: log p of these tokens, float64, nats, NaN where one is not scored or there is none: they add up
    to that of the text. ``corrected``: log p(w | c) = log p(tokens) + log P(B | c w) - log P(B | c), where B are the
    tokens that may stand behind a whole word, float64, nats, NaN where it is not given (see
    ``seqscore.text.word_borders``); white space at the end of a text is not in it. ``masses`` [n + 1]: log P(B), at the
    beginning of each word and the end of the last. (An end token that is scored is a row behind the words; its
    corrected value is given that the last word is over.) ``entropies``: of the model's distribution at the word's first
    token, float64, nats; ``ranks``: of its token, int64, 0 for a word of several tokens; None where not asked for.
    ``flags``: see ``WordFlag``. ``score``: of the text, by tokens.
    """

    score: SequenceScore
    texts: tuple[str, ...]
    starts: IntArray
    ends: IntArray
    char_starts: IntArray
    char_ends: IntArray
    first_tokens: IntArray
    last_tokens: IntArray
    log_likelihoods: FloatArray
    corrected: FloatArray
    masses: FloatArray
    entropies: FloatArray | None
    ranks: IntArray | None
    flags: tuple[tuple[WordFlag, ...], ...]
    settings: Signature = Signature(())

    def __post_init__(self) -> None:
        for name, value in list(vars(self).items()):
            if isinstance(value, np.ndarray):
                view = value.view()
                view.flags.writeable = False
                object.__setattr__(self, name, view)

    def __setstate__(self, state: Mapping[str, object]) -> None:
        """As pickle and copy make it again: arrays come back writeable from them."""
        vars(self).update(state)
        self.__post_init__()

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def log_likelihood(self) -> float:
        """Of the text, in nats."""
        return self.score.log_likelihood

    @property
    def num_tokens(self) -> IntArray:
        """[n]: how many tokens each word has."""
        return self.last_tokens - self.first_tokens

    @property
    def signature(self) -> str:
        """One line that names the convention, the model and the versions behind these numbers."""
        return str(self.settings)

    def surprisals(self, unit: Unit = "bits", *, corrected: bool = False) -> FloatArray:
        """-log p of each word in bits (or nats), [n], NaN where there is none."""
        in_unit(0.0, unit)
        logs = self.corrected if corrected else self.log_likelihoods
        return (-logs if unit == "nats" else -logs / math.log(2)) + 0.0

    def to_dicts(self, unit: Unit = "bits") -> list[dict[str, Any]]:
        """A row a word with the columns ``WORD_COLUMNS``: plain values, logarithms in ``unit``, None for what there is
        not, infinities as the strings "Infinity", "-Infinity"; ``position`` from 1, ``flags`` with spaces between;
        ``end_token``: the id of the end token, in its row."""
        missing, end = [None] * len(self), self.score.end_token
        columns = {
            "position": range(1, len(self) + 1),
            "word": self.texts,
            **{name: getattr(self, f"{name}s").tolist() for name in ("start", "end", "char_start", "char_end")},
            "num_tokens": self.num_tokens.tolist(),
            "surprisal": _plain(self.surprisals(unit)),
            "surprisal_corrected": _plain(self.surprisals(unit, corrected=True)),
            "entropy": missing if self.entropies is None else _plain(_in_unit(self.entropies, unit)),
            "rank": missing if self.ranks is None else [rank or None for rank in self.ranks.tolist()],
            "log_likelihood": _plain(_in_unit(self.log_likelihoods, unit)),
            "unit": [unit] * len(self),
            "flags": [" ".join(flags) for flags in self.flags],
            "end_token": [end if "end" in flags else None for flags in self.flags],
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def to_pandas(self, unit: Unit = "bits") -> pd.DataFrame:
        """A table with a row for each word: ``to_dicts``.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingDependencyError(
                "to_pandas() needs pandas; install it with: pip install 'seqscore[notebook]'"
            ) from error
        table = pd.DataFrame(self.to_dicts(unit), columns=list(WORD_COLUMNS))
        reals = dict.fromkeys((name for name, kind in WORD_COLUMNS.items() if kind == "real"), "float64")
        return table.astype({**reals, "rank": "Int64", "end_token": "Int64"})

    def __repr__(self) -> str:
        return f"WordScores({len(self)} words, log_likelihood={self.log_likelihood:.6g} nats)"


def _plain(values: FloatArray) -> list[Any]:
    """Plain values: None for NaN, infinities as text."""
    return [plain(value, nan="null") for value in values.tolist()]


def _in_unit(nats: FloatArray, unit: Unit) -> FloatArray:
    return nats if unit == "nats" else nats / math.log(2)


def word_scores(
    score: SequenceScore, placed: PlacedWords, tokens: WordTokens, *, masses: FloatArray | None, settings: Signature
) -> WordScores:
    """The scores of the words of a text.

    Args:
        score: of the text, by tokens.
        placed: its words.
        tokens: of the words.
        masses: [n + 1]: log P(B) at each border, nats, NaN where there is none; None where nothing is corrected.
        settings: the signature.

    Returns:
        The words' scores.

    Example:
        >>> from seqscore import Scorer
        >>> found = Scorer.from_pretrained().words("It rained.", bos="none")
        >>> found.texts, found.flags[0]
        (('It', 'rained.'), ('unscored',))
    """
    given = masses is not None
    borders = np.full(len(placed.words) + 1, np.nan) if masses is None else masses
    rows = _Rows(placed.words, tokens, _without_space(placed, tokens), borders[:-1], borders[1:])
    if score.end_token is not None:
        rows = rows.with_end(score, placed)
    words, tokens = rows.words, rows.tokens
    corrected = _sums(score, tokens.firsts, rows.contents) + rows.after - rows.before
    scored = score.scored.tolist()
    unscored = np.array([not all(scored[a:b]) for a, b in _pairs(tokens)], np.bool_)
    return WordScores(
        score=score,
        texts=words.texts,
        starts=words.starts,
        ends=words.ends,
        char_starts=words.char_starts,
        char_ends=words.char_ends,
        first_tokens=tokens.firsts,
        last_tokens=tokens.lasts,
        log_likelihoods=_sums(score, tokens.firsts, tokens.lasts),
        corrected=corrected,
        masses=borders,
        entropies=_at_first(score.entropies, tokens),
        ranks=_of_single(score.ranks, tokens),
        flags=_flags(
            split=tokens.split,
            unmarked=np.isnan(corrected) & ~unscored & given,
            unscored=unscored,
            inexact=np.full(len(words), not score.exact_spans),
            end=np.arange(len(words)) >= len(placed.words),
        ),
        settings=settings,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Words, their tokens, and what their corrected values are made of: ``contents`` [n], their last tokens (exclusive)
    without white space at the end of the text, and the masses ``before`` and ``after`` each, [n]."""

    words: Words
    tokens: WordTokens
    contents: IntArray
    before: FloatArray
    after: FloatArray

    def with_end(self, score: SequenceScore, placed: PlacedWords) -> _Rows:
        """With the end token as a last row, given that the last word is over, which is certain behind white space."""
        words, tokens, last = self.words, self.tokens, len(score) - 1
        certain = placed.stop < placed.bounds[-1] and len(words) > 0 and not np.isnan(self.after[-1])
        before = 0.0 if certain else self.after[-1] if len(words) else np.nan
        text = (score.text or "").encode()
        begin, end = (max(placed.offset, int(place)) for place in (score.starts[-1], score.ends[-1]))
        char_begin, char_end = (len(text[placed.offset : place].decode("utf-8", "ignore")) for place in (begin, end))
        return _Rows(
            replace(
                words,
                texts=(*words.texts, score.end_name),
                char_starts=np.append(words.char_starts, char_begin),
                char_ends=np.append(words.char_ends, char_end),
                starts=np.append(words.starts, begin - placed.offset),
                ends=np.append(words.ends, end - placed.offset),
            ),
            replace(
                tokens,
                firsts=np.append(tokens.firsts, last),
                lasts=np.append(tokens.lasts, last + 1),
                split=np.append(tokens.split, False),
            ),
            np.append(self.contents, last + 1),
            np.append(self.before, before),
            np.append(self.after, 0.0),
        )


def _pairs(tokens: WordTokens) -> Sequence[tuple[int, int]]:
    return list(zip(tokens.firsts.tolist(), tokens.lasts.tolist(), strict=True))


def _without_space(placed: PlacedWords, tokens: WordTokens) -> IntArray:
    """The words' last tokens, of the last word without white space at the end of the text."""
    lasts = tokens.lasts.copy()
    if len(lasts) and placed.stop < placed.bounds[-1]:
        lasts[-1] = max(tokens.firsts[-1], tokens.borders[-1])
    return lasts


def _sums(score: SequenceScore, firsts: IntArray, lasts: IntArray) -> FloatArray:
    """[n]: log p of the tokens of each word, rounded once; NaN where one is not scored, or there is none."""
    logs, pairs = score.logprobs.tolist(), zip(firsts.tolist(), lasts.tolist(), strict=True)
    return np.array([math.fsum(logs[a:b]) if a < b else math.nan for a, b in pairs], np.float64)


def _at_first(values: FloatArray | None, tokens: WordTokens) -> FloatArray | None:
    if values is None:
        return None
    return np.array([values[a] if a < b else math.nan for a, b in _pairs(tokens)], np.float64)


def _of_single(values: IntArray | None, tokens: WordTokens) -> IntArray | None:
    if values is None:
        return None
    return np.array([values[a] if b - a == 1 else 0 for a, b in _pairs(tokens)], np.int64)


def _flags(**found: NDArray[np.bool_]) -> tuple[tuple[WordFlag, ...], ...]:
    there: Any = {name: which.tolist() for name, which in found.items() if which.any()}
    count = len(next(iter(found.values())))
    return tuple(tuple(name for name, which in there.items() if which[i]) for i in range(count))
