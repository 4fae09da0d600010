"""Rows of input to the scores of their words, as a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from seqscore.errors import SeqscoreError
from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.words.word_texts import WordItem, WordText
from seqscore.scorer import Scorer
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.word_scores import WordScores
from seqscore.text.given_words import GivenWords
from seqscore.text.items import Item


@dataclass(frozen=True, slots=True)
class WordRow:
    """A text and the scores of its words."""

    source: WordText
    words: WordScores

    @property
    def score(self) -> SequenceScore:
        """Of the text."""
        return self.words.score


def score_words(scorer: Scorer, sources: Iterable[WordItem], **policies: Any) -> Iterator[Row[WordRow]]:
    """The scores of words, or an error, for every text, in order; memory does not grow with their number.

    ``policies`` are the keywords of ``Scorer.stream_words``.
    """
    waiting: deque[WordItem] = deque()

    def items() -> Iterator[Item | GivenWords | SeqscoreError]:
        for source in sources:
            waiting.append(source)
            yield source.error if isinstance(source, Problem) else source.item

    for result in scorer.stream_words(items(), errors="record", **policies):
        source = waiting.popleft()
        if isinstance(result, SeqscoreError):
            yield Problem(source.id, result, source.number, source.columns)
        else:
            assert isinstance(source, WordText)
            yield WordRow(source, result)
