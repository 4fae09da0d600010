from __future__ import annotations

from dataclasses import replace

from seqscore.errors import InputError
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.scored.scored_rows import ScoredRow
from seqscore.evaluation.scored.tally import Tally
from seqscore.output.run_notes import tally_lines
from tests.evaluation.evaluated import tiny_scorer


def test_failed_rows_and_contexts_that_were_not_read_are_told() -> None:
    tally, score = Tally(), tiny_scorer().score("a b")
    for row in (
        Problem(0, InputError("'a.txt', line 1: it is empty")),
        Problem("x", InputError("'a.txt', line 7: it is empty")),
        ScoredRow(2, score),
        ScoredRow(3, replace(score, num_unread=1200)),
    ):
        tally.add(row)
    assert tally.failed == 2
    unread = "1,200 tokens at the beginning of contexts not read, in 1 row: the model cannot look back so far"
    failed = ["2 of 4 rows could not be scored:", "  2 bad_input: it is empty ('a.txt', line 1, 'a.txt', line 7)"]
    assert list(tally_lines(tally, noted=False)) == [*failed, unread]
    assert list(tally_lines(tally, noted=True)) == failed
    assert list(tally_lines(Tally(), noted=False)) == []
