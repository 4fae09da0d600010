from __future__ import annotations

import math

import numpy as np
import pytest

from seqscore.scores.show.pieces import pieces_of
from tests.output.scored import scored


def test_tokens_that_share_a_character_are_one_piece() -> None:
    data = "aé猫b".encode()  # 1 + 2 + 3 + 1 bytes
    starts, ends = [0, 2, 3, 5, 6], [2, 3, 5, 6, 7]
    found = list(pieces_of(data, starts, ends, [-1.0, -2.0, -0.5, -0.25, 0.0]))
    assert [piece.text for piece in found] == ["aé", "猫", "b"]
    assert [(piece.first, piece.last) for piece in found] == [(0, 2), (2, 4), (4, 5)]
    assert [piece.bits for piece in found] == [3 / math.log(2), 0.75 / math.log(2), 0.0]
    assert math.copysign(1.0, found[-1].bits or 0.0) == 1.0


def test_a_piece_with_an_unscored_token_has_no_surprisal() -> None:
    found = list(pieces_of("é!".encode(), [0, 1, 2], [1, 2, 3], [math.nan, -1.0, -1.0]))
    assert [piece.bits for piece in found] == [None, 1 / math.log(2)]


def test_tokens_that_end_within_a_character_are_shown_as_they_can() -> None:
    found = list(pieces_of("猫".encode(), [0], [2], [-1.0]))
    assert [(piece.text, piece.first, piece.last) for piece in found] == [("\\xe7\\x8c", 0, 1)]


@pytest.mark.parametrize("pieces", [1, 2, 3, 5, 100])
def test_pieces_cover_the_text_once(pieces: int) -> None:
    text = "Ein 猫 saß 👩‍👩‍👧 \n dort"
    score = scored(text, pieces=pieces)
    found = list(score.pieces())
    assert "".join(piece.text for piece in found) == text
    assert [piece.first for piece in found[1:]] == [piece.last for piece in found[:-1]]
    assert found[-1].last == len(score)
    total = math.fsum(piece.bits or 0.0 for piece in found)
    assert total == pytest.approx(float(np.sum(score.surprisals("bits"))))
