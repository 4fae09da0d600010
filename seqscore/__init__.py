"""The probability that a language model gives a text: right, reproducible, fast.

    from seqscore import Scorer
    scorer = Scorer.from_pretrained()
    scorer.score("The quick brown fox jumps over the lazy dog.").perplexity

Names are imported when they are first used, so that ``import seqscore`` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from seqscore._version import __version__

if TYPE_CHECKING:
    from seqscore.api import Run, compare, evaluate, plot, report
    from seqscore.errors import InputError, MissingDependencyError, OptionError, SeqscoreError
    from seqscore.models.load.options import LoadOptions
    from seqscore.scorer import Scorer
    from seqscore.scores.next_scores import NextTokens, NextWords
    from seqscore.scores.parts import TokenScore, TurnScore, WordScore
    from seqscore.scores.sequence_score import SequenceScore
    from seqscore.scores.word_scores import WordScores
    from seqscore.text.given_words import GivenWords
    from seqscore.text.items import Chat, Pair
    from seqscore.word_tables import WordTable, words, words_frame

__all__ = [
    "Chat",
    "GivenWords",
    "InputError",
    "LoadOptions",
    "MissingDependencyError",
    "NextTokens",
    "NextWords",
    "OptionError",
    "Pair",
    "Run",
    "Scorer",
    "SeqscoreError",
    "SequenceScore",
    "TokenScore",
    "TurnScore",
    "WordScore",
    "WordScores",
    "WordTable",
    "__version__",
    "compare",
    "evaluate",
    "plot",
    "report",
    "words",
    "words_frame",
]

_HOME = {
    "Chat": "seqscore.text.items",
    "GivenWords": "seqscore.text.given_words",
    "InputError": "seqscore.errors",
    "LoadOptions": "seqscore.models.load.options",
    "MissingDependencyError": "seqscore.errors",
    "NextTokens": "seqscore.scores.next_scores",
    "NextWords": "seqscore.scores.next_scores",
    "OptionError": "seqscore.errors",
    "Pair": "seqscore.text.items",
    "Run": "seqscore.api",
    "Scorer": "seqscore.scorer",
    "SeqscoreError": "seqscore.errors",
    "SequenceScore": "seqscore.scores.sequence_score",
    "TokenScore": "seqscore.scores.parts",
    "TurnScore": "seqscore.scores.parts",
    "WordScore": "seqscore.scores.parts",
    "WordScores": "seqscore.scores.word_scores",
    "WordTable": "seqscore.word_tables",
    "compare": "seqscore.api",
    "evaluate": "seqscore.api",
    "plot": "seqscore.api",
    "report": "seqscore.api",
    "words": "seqscore.word_tables",
    "words_frame": "seqscore.word_tables",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'seqscore' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
