"""Numbers derived from per-token log-probabilities, and how a score shows itself."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from seqscore.errors import OptionError
from seqscore.scores.reductions import bits_per, in_unit, perplexity
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.show.surprisal_scale import COLOURS, LABELS, LETTER_COLOURS
from seqscore.scores.signature import Signature
from tests.output.scored import scored


def a_score(**changes: object) -> SequenceScore:
    """Three tokens "ab", " c", "é"; the first is not scored."""
    score = SequenceScore(
        text="ab cé",
        context=None,
        token_ids=np.array([5, 6, 7]),
        starts=np.array([0, 2, 4]),
        ends=np.array([2, 4, 6]),
        logprobs=np.array([np.nan, -1.5, -0.25]),
        scored=np.array([False, True, True]),
        greedy=np.array([False, True, False]),
        ties=np.zeros(3, dtype=bool),
        settings=Signature.of({"model": "a|b", "bos": "100%"}),
    )
    return replace(score, **changes)  # type: ignore[arg-type]


def test_sums_and_means() -> None:
    score = a_score()
    assert (score.log_likelihood, score.num_tokens, score.num_scored, score.num_bytes_scored) == (-1.75, 3, 2, 4)
    assert score.perplexity == math.exp(0.875)
    assert score.bits_per_token == 1.75 / math.log(2) / 2 and score.bits_per_byte == 1.75 / math.log(2) / 4
    np.testing.assert_array_equal(score.surprisals("nats"), [np.nan, 1.5, 0.25])
    np.testing.assert_allclose(score.surprisals(), np.array([np.nan, 1.5, 0.25]) / math.log(2), rtol=1e-15)
    assert score.is_greedy is False and score.continuation == "ab cé" and len(score) == 3


def test_nothing_scored_and_impossible_tokens() -> None:
    nothing = a_score(scored=np.zeros(3, dtype=bool), logprobs=np.full(3, np.nan))
    assert (nothing.log_likelihood, nothing.perplexity, nothing.bits_per_byte, nothing.is_greedy) == (
        0.0,
        None,
        None,
        None,
    )
    impossible = a_score(logprobs=np.array([np.nan, -np.inf, -0.25]))
    assert impossible.log_likelihood == -math.inf and impossible.perplexity == math.inf
    record = json.loads(json.dumps(impossible.to_dict(), allow_nan=False))
    assert record["log_likelihood"] == "-Infinity" and record["perplexity"] == "Infinity"
    assert record["tokens"][1]["logprob"] == "-Infinity" and record["tokens"][0]["logprob"] is None


def test_perplexity_that_overflows_is_infinite() -> None:
    assert perplexity(-1e6, 1) == math.inf and perplexity(0.0, 0) is None and bits_per(-1.0, 0) is None


def test_units() -> None:
    assert in_unit(math.log(2), "bits") == 1.0
    with pytest.raises(OptionError, match="unit='dits' is unknown; expected 'nats' or 'bits'"):
        in_unit(1.0, "dits")  # type: ignore[arg-type]
    bits = a_score().to_dict(unit="bits")
    assert bits["log_likelihood"] == -1.75 / math.log(2) and bits["tokens"][1]["logprob"] == -1.5 / math.log(2)


def test_words_sum_their_tokens() -> None:
    words = [(word.text, word.log_likelihood) for word in a_score().words()]
    assert words == [("ab", None), ("cé", -1.75)]


def test_a_token_that_is_part_of_a_character() -> None:
    split = a_score(text="é", token_ids=np.array([1, 2, 3]), starts=np.array([0, 0, 1]), ends=np.array([0, 1, 2]))
    assert split.token_texts == ("", "\\xc3", "\\xa9")


def test_scores_cannot_be_changed() -> None:
    score = a_score()
    with pytest.raises(ValueError, match="read-only"):
        score.logprobs[1] = 0.0
    with pytest.raises(FrozenInstanceError):
        score.text = "x"  # type: ignore[misc]


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda score: pickle.loads(pickle.dumps(score))])
def test_nor_can_their_copies(again: Callable[[SequenceScore], SequenceScore]) -> None:
    score = again(a_score())
    assert score.to_dict() == a_score().to_dict()
    assert not any(array.flags.writeable for array in vars(score).values() if isinstance(array, np.ndarray))


def test_a_signature_can_be_taken_apart_again() -> None:
    signature = a_score().settings
    assert str(signature) == "model:a%7Cb|bos:100%25"
    assert Signature.parse(str(signature)) == signature and signature["model"] == "a|b"


def test_the_notebook_view_escapes_its_text() -> None:
    text = '<img src=x onerror="alert(1)">'
    n = len(text)
    evil = a_score(text=text, starts=np.array([0, 0, 5]), ends=np.array([0, 5, n]))
    assert "<img" not in evil._repr_html_() and "&lt;img" in evil._repr_html_()
    assert "2.164 bits" in evil._repr_html_() and "not scored" in evil._repr_html_()


def test_the_notebook_view_colours_tokens_and_says_what_the_colours_mean() -> None:
    shown = scored("ab猫", pieces=2, extras=True, logprobs=[-1.0, -2.0, -3.0])._repr_html_()
    style = f"background:{COLOURS[1]};color:{LETTER_COLOURS[1]}"
    assert f'{style}" title="1.443 bits, p = 0.3679, rank 1, entropy 2.000 nats">ab<' in shown
    assert (
        "2.885 bits, p = 0.1353, rank 2" in shown and "; 4.328 bits, p = 0.04979, rank 3" in shown and ">猫<" in shown
    )
    assert all(label in shown for label in LABELS)
    assert "16 and more" not in scored("")._repr_html_() and "0 of 0 tokens" in scored("")._repr_html_()


def test_a_table_of_tokens() -> None:
    pytest.importorskip("pandas")
    table = a_score().to_pandas()
    assert list(table["text"]) == ["ab", " c", "é"] and math.isnan(table["logprob"][0]) and table["logprob"][1] == -1.5
