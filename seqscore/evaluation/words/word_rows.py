"""Rows of input to the scores of their words, as a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seqscore.errors import SeqscoreError
from seqscore.evaluation.data.kept_columns import NO_COLUMNS
from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.data.texts import InputRow
from seqscore.scorer import Scorer
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.word_scores import WordScores
from seqscore.text.given_words import GivenWords
from seqscore.text.items import Chat, Item, Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class WordSource:
    """A text whose words are scored.

    ``number``: its place among the rows, from 0. ``columns``: those of the input that every word of it gets;
    ``word_columns``: those of each word, where words have some of their own.
    """

    id: int | str
    item: Item | GivenWords
    number: int
    columns: Mapping[str, Any] = field(default_factory=lambda: NO_COLUMNS)
    word_columns: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class WordRow:
    """A text and the scores of its words."""

    source: WordSource
    words: WordScores

    @property
    def score(self) -> SequenceScore:
        """Of the text."""
        return self.words.score


def sources_of(rows: Iterable[Row[InputRow]]) -> Iterator[Row[WordSource]]:
    """Rows of texts as what is scored; one with a context as a Pair."""
    for row in rows:
        if isinstance(row, Problem):
            yield row
        else:
            yield WordSource(id=row.id, item=_item(row), number=row.number, columns=row.columns)


def score_words(scorer: Scorer, sources: Iterable[Row[WordSource]], **policies: Any) -> Iterator[Row[WordRow]]:
    """The scores of words, or an error, for every text, in order; memory does not grow with their number.

    ``policies`` are the keywords of ``Scorer.stream_words``.
    """
    waiting: deque[Row[WordSource]] = deque()

    def items() -> Iterator[Item | GivenWords | SeqscoreError]:
        for source in sources:
            waiting.append(source)
            yield source.error if isinstance(source, Problem) else source.item

    for result in scorer.stream_words(items(), errors="record", **policies):
        source = waiting.popleft()
        if isinstance(result, SeqscoreError):
            yield Problem(source.id, result, source.number, source.columns)
        else:
            assert isinstance(source, WordSource)
            yield WordRow(source, result)


def _item(row: InputRow) -> Item:
    if row.context is None or isinstance(row.text, Chat):
        return row.text
    return Pair(row.context, row.text, delimiter=row.delimiter)
