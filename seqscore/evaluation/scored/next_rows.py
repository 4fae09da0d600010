"""Contexts of an input to what a model expects behind each, as a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seqscore.errors import OptionError, SeqscoreError
from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.data.texts import InputRow
from seqscore.evaluation.scored.next_records import NextItem, NextRow
from seqscore.scorer import Scorer
from seqscore.scores.next_scores import NextTokens
from seqscore.text.items import Chat, Context, Pair


def next_rows(
    scorer: Scorer,
    rows: Iterable[Row[InputRow]],
    *,
    k: int,
    words: Sequence[str],
    target_begins: str | None = None,
    **policies: Any,
) -> Iterator[NextItem]:
    """What is expected behind every context, or an error, in order; memory does not grow with their number.

    ``policies``: the keywords of ``Scorer.next_tokens``. A conversation is a context as its chat template renders it.
    ``target_begins``: contexts are sources of a model with an encoder, and this is how what is decoded begins.

    Raises:
        OptionError: words are asked for as well.
    """
    if words and target_begins is not None:
        raise OptionError(
            "words (--words) stand behind a source alone; with the beginning of a target (--target-begins) leave them "
            "out"
        )
    waiting: deque[Row[InputRow]] = deque()

    def contexts() -> Iterator[Context | Pair | SeqscoreError]:
        for row in rows:
            waiting.append(row)
            if isinstance(row, Problem):
                yield row.error
            else:
                yield _context(row) if target_begins is None else Pair(_context(row), target_begins)

    for found in scorer.stream_next_tokens(contexts(), k, errors="record", **policies):
        row = waiting.popleft()
        if isinstance(row, Problem) or isinstance(found, SeqscoreError):
            error = row.error if isinstance(row, Problem) else found
            assert isinstance(error, SeqscoreError)
            yield Problem(row.id, error, row.number, row.columns)
            continue
        yield _with_words(scorer, row, found, words, policies)


def _with_words(
    scorer: Scorer, row: InputRow, tokens: NextTokens, words: Sequence[str], policies: Mapping[str, Any]
) -> NextItem:
    try:
        found = scorer.next_words(_context(row), words, **policies) if words else None
    except SeqscoreError as error:
        return Problem(row.id, error, row.number, row.columns)
    return NextRow(row.id, tokens, found, row.number, row.columns)


def _context(row: InputRow) -> Context:
    return row.text.messages if isinstance(row.text, Chat) else row.text
