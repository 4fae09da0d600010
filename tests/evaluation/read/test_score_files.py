from __future__ import annotations

import math
from pathlib import Path

import pytest

from seqscore.errors import InputError
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.read import score_files
from seqscore.evaluation.read.drawable import rows_named
from seqscore.evaluation.read.score_files import charts_of_scores, read_scores
from seqscore.evaluation.scored.scored_rows import ScoredItem, ScoredRow
from seqscore.output.writers import open_writer
from tests.output.scored import scored

ROWS: tuple[ScoredItem, ...] = (
    ScoredRow(
        "a",
        scored("The quick brown fox", extras=True),
        0,
        {"num_scored": "of the data", "tokens": 7, "token_index": "x", "rank": "y"},
    ),
    Problem("a", InputError("m"), 1),
    ScoredRow("b", scored("=1+1", context="The capital ", unscored=3), 2),
    ScoredRow("c", scored("\\xe5 小猫", pieces=2, logprobs=[-math.inf] * 6), 3),
    ScoredRow("a", scored(""), 4),
)


def written(folder: Path, name: str, **options: object) -> Path:
    target = folder / name
    with open_writer(name.split(".")[1], target, **options) as writer:  # type: ignore[arg-type]
        for row in ROWS:
            writer.write(row)
    return target


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.parquet", "a.csv.gz", "a.jsonl.gz"])
@pytest.mark.parametrize("signature", ["once", "rows", "none"])
@pytest.mark.parametrize("unit", ["nats", "bits"])
@pytest.mark.parametrize("tokens", [False, True])
def test_every_form_is_read_again(tmp_path: Path, name: str, signature: str, unit: str, tokens: bool) -> None:
    rows = list(read_scores(written(tmp_path, name, signature=signature, unit=unit, tokens=tokens)))
    assert [(row.id, row.number, row.error) for row in rows] == [
        ("a", 0, None),
        ("a", 1, "bad_input: m"),
        ("b", 2, None),
        ("c", 3, None),
        ("a", 4, None),
    ]
    for row, made in zip(rows, ROWS, strict=True):
        if isinstance(made, Problem):
            assert row.items == ()
            continue
        (item,) = row.items
        assert item.log_likelihood == pytest.approx(made.score.log_likelihood, rel=1e-15)
        assert item.num_scored == made.score.num_scored
        assert row.values.get("perplexity") == (None if not item.num_scored else pytest.approx(made.score.perplexity))
        assert item.context + item.text == made.score.text
        assert (item.tokens is not None) == tokens
        if item.tokens is not None:
            assert item.tokens.ids.tolist() == made.score.token_ids[made.score.scored].tolist()
            begin = int(made.score.starts[made.score.scored].min(initial=len((made.score.text or "").encode())))
            shown = (made.score.text or "").encode()[begin:].decode()
            assert "".join(piece.text for piece in item.pieces()) == shown
            assert item.tokens.ranks is not None or row.number not in (0, 4)
    assert "perplexities" in charts_of_scores(iter(rows))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,row,log_likelihood\n0,0,-1\n", "line 2 is no record of seqscore score"),
        ("id,row,token_index,token_id,logprob\n0,0,0,5,-1\n", "line 2 is no record of seqscore score"),
        ("id,row,num_scored\n0,x,1\n", "line 2 is no record of seqscore score"),
        ("a,b\n1,2\n", "line 2 is no record of seqscore score"),
        ('{"id": 0, "id": 1}\n', "line 1 is not JSON: .*twice"),
        ("[1]\n", "line 1 must be a JSON object"),
        ('{"id": NaN', "line 1 is not JSON"),
    ],
)
def test_other_tables_are_told(tmp_path: Path, text: str, message: str) -> None:
    source = tmp_path / ("a.csv" if text[0] not in "{[" else "a.jsonl")
    source.write_text(text)
    with pytest.raises(InputError, match=message):
        list(read_scores(source))


def test_a_text_of_too_many_tokens_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_files, "_MAX_TOKENS", 2)
    source = written(tmp_path, "a.csv", tokens=True)
    with pytest.raises(InputError, match="begins a text of more than 2 tokens"):
        list(read_scores(source))


def test_rows_of_one_id_are_named_by_their_numbers(tmp_path: Path) -> None:
    source = written(tmp_path, "a.jsonl", tokens=True)
    with pytest.raises(InputError) as caught:
        rows_named(source, ["a"])
    assert "3 rows of" in str(caught.value) and "have the id 'a': numbers 0, 1, 4; name one with --row" in str(
        caught.value
    )
    (b, first) = rows_named(source, ["b"], numbers=[0])
    assert (b.id, b.number, first.id, first.number) == ("b", 2, "a (row 0)", 0)
    with pytest.raises(InputError, match="has no row number 9"):
        rows_named(source, [], numbers=[9])
    with pytest.raises(InputError, match=r"row number 1 of .* was not scored: bad_input: m"):
        rows_named(source, [], numbers=[1])
