"""Rows of input to rows of scores, as a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from seqscore.errors import OptionError, SeqscoreError
from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.data.texts import InputRow
from seqscore.evaluation.scored.scored_rows import ScoredItem, ScoredRow
from seqscore.scorer import Scorer
from seqscore.text.items import Chat, Item, Pair


def score_rows(scorer: Scorer, rows: Iterable[Row[InputRow]], **policies: Any) -> Iterator[ScoredItem]:
    """A scored row or an error row for every row of input, in order; memory does not grow with their number.

    ``policies`` are the keywords of ``Scorer.stream``. A row with a context is scored as a Pair. The row's number and
    its other columns go along.

    Raises:
        OptionError: an end token is to be scored, and the rows are conversations.
    """
    waiting: deque[Row[InputRow]] = deque()
    several = iter(rows)
    first = list(islice(several, 1))
    _check_end(first, policies.get("eos", "none"))

    def items() -> Iterator[Item | SeqscoreError]:
        for row in chain(first, several):
            waiting.append(row)
            yield row.error if isinstance(row, Problem) else _item(row)

    for result in scorer.stream(items(), errors="record", **policies):
        row = waiting.popleft()
        if isinstance(result, SeqscoreError):
            yield Problem(row.id, result, row.number, row.columns)
        else:
            yield ScoredRow(row.id, result, row.number, row.columns)


def _check_end(first: Iterable[Row[InputRow]], eos: str | int) -> None:
    """Refuse at the first row what no conversation can have."""
    for row in first:
        if eos != "none" and isinstance(row, InputRow) and isinstance(row.text, Chat):
            raise OptionError(
                f"eos={eos!r} (--score-eos) is for texts, and the rows are conversations, of which the chat template "
                f"writes what ends a turn; leave it out, or score Chat(messages, end='scored') in Python"
            )


def _item(row: InputRow) -> Item:
    if row.context is None or isinstance(row.text, Chat):
        return row.text
    return Pair(row.context, row.text, delimiter=row.delimiter)
