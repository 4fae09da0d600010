"""Log-frequencies of words from a list."""

from __future__ import annotations

import math
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.words.frequencies import Frequencies, listed, read_frequencies
from tests.evaluation.words.given import dataset_of


def frequencies(path: Path, data: str, said: list[str] | None = None, **options: Any) -> Frequencies:
    return read_frequencies(dataset_of(path, data, said), fields=options.pop("fields", {}), **options)


def test_words_are_looked_up_without_case_and_punctuation_and_summed(tmp_path: Path) -> None:
    said: list[str] = []
    found = frequencies(tmp_path / "a.csv", "word,count\nThe,60\nthe,40\nkeys,7\nnull,3\n'tis,2\nrare,0\n", said)
    for word in ("the", "The", "THE,", "«the»", "the\u200b"):
        assert found.log(word) == math.log(100)
    assert (found.log("null"), found.log("'tis"), found.log('"Keys."')) == (math.log(3), math.log(2), math.log(7))
    assert [found.log(word) for word in ("rare", "unknown", "!", "")] == [None] * 4
    (summed,) = said
    assert "words that stand there more than once (in lower case, without punct" in summed
    assert summed.endswith("have the sum: 1, the first 'the'")
    frequencies(tmp_path / "b.csv", "word,count\na,1\nb,2\nc,3\nc,3\nb,1\n", said)
    assert said[1].endswith("have the sum: 2, the first 'b'")
    frequencies(tmp_path / "c.csv", "word,count\na,1\nb,2\n", said)
    assert len(said) == 2


def test_decomposed_words_and_other_scripts(tmp_path: Path) -> None:
    said: list[str] = []
    found = frequencies(tmp_path / "a.tsv", "word\tper_million\nélève\t1.5\n東京\t2\n", said, base="10")
    assert said[0].endswith("a.tsv': word = 'word' (guessed), count = 'per_million' (guessed)")
    assert found.log(unicodedata.normalize("NFD", "Élève")) == math.log10(1.5)
    assert found.log("「東京」") == math.log10(2)
    assert listed("!?") == "!?"


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        ("word,count\na,-1\n", InputError, "line 2: the frequency -1.0 is negative"),
        ("word,count\na,many\n", InputError, "line 2: column 'count' is 'many'; expected a finite number"),
        ("word,count\na,1_0\n", InputError, "'1_0'; expected a finite number"),
        ("word,count\na,\n", InputError, "the row has no number there"),
        ("word,count\n,1\n", InputError, "line 2: there is no word"),
        ("word,count\na,1,2\n", InputError, "line 2: number of values is 3"),
        ("word,x\na,1\n", OptionError, "no column looks like the count"),
        ("word,count,freq\na,1,2\n", None, ""),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path, data: str, kind: Any, said: str) -> None:
    if kind is None:
        assert frequencies(tmp_path / "a.csv", data).log("a") == 0.0
        return
    with pytest.raises(kind, match=said):
        frequencies(tmp_path / "a.csv", data)


def test_columns_are_named(tmp_path: Path) -> None:
    found = frequencies(tmp_path / "a.csv", "w,count,z\na,1,9\n", fields={"word": "w", "count": "z"})
    assert found.log("a") == math.log(9)
