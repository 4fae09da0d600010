"""Rows of input to rows of scores, as a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from seqscore.errors import SeqscoreError
from seqscore.evaluate.data.texts import InputRow, RowProblem
from seqscore.evaluate.rows import ErrorRow, Row, ScoredRow
from seqscore.scorer import Scorer
from seqscore.text.items import Item, Pair

__all__ = ["score_rows"]


def score_rows(scorer: Scorer, rows: Iterable[InputRow | RowProblem], **policies: Any) -> Iterator[Row]:
    """A scored row or an error row for every row of input, in order; memory does not grow with their number.

    ``policies`` are the keywords of ``Scorer.stream``. A row with a context is scored as a Pair.
    """
    ids: deque[int | str] = deque()

    def items() -> Iterator[Item | SeqscoreError]:
        for row in rows:
            ids.append(row.id)
            if isinstance(row, RowProblem):
                yield row.error
            else:
                yield row.text if row.context is None else Pair(row.context, row.text)

    for result in scorer.stream(items(), errors="record", **policies):
        row_id = ids.popleft()
        if isinstance(result, SeqscoreError):
            yield ErrorRow(row_id, result.code, result.message)
        else:
            yield ScoredRow(row_id, result)
