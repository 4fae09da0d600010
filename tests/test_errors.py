"""Errors are also those of Python that mean the same, and stay whole when they are copied."""

from __future__ import annotations

import pickle

import pytest

from seqscore import Scorer
from seqscore.errors import ContextLengthError, InputError, MissingDependencyError, OptionError, SeqscoreError
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer


@pytest.mark.parametrize(
    ("ours", "pythons"),
    [
        (InputError, ValueError),
        (ContextLengthError, ValueError),
        (OptionError, ValueError),
        (MissingDependencyError, ImportError),
    ],
)
def test_an_error_is_also_pythons_own(ours: type[SeqscoreError], pythons: type[Exception]) -> None:
    error = ours("what is wrong", item=3)
    assert isinstance(error, pythons) and str(error) == "item 3: what is wrong"
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is ours and (copied.message, copied.item, str(copied)) == (error.message, 3, str(error))


def test_a_caller_who_knows_nothing_of_seqscore_catches_it() -> None:
    scorer = Scorer(tiny_model("llama"), tiny_tokenizer())
    with pytest.raises(ValueError, match="item 1: character 0 is the lone surrogate"):
        scorer.score(["a", "\ud800"])
    with pytest.raises(ValueError, match="long='never' is unknown"):
        scorer.score("a", long="never")  # type: ignore[call-overload]
