"""``--top-k`` and ``--score-eos`` of ``seqscore score``: the library's numbers in every format."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from seqscore import Scorer
from seqscore.evaluation.scored.scored_rows import OutputRecord
from seqscore.output.csv_writer import SeparatedWriter
from seqscore.output.destination import Output
from tests.cli.conftest import Run

TEXT, HOSTILE = "The quick fox", "a\x1b]0;x\x07 ‮b"


@pytest.fixture(scope="module")
def scorer(tiny_folder: Path) -> Scorer:
    return Scorer.from_pretrained(tiny_folder)


def test_jsonl_lists_the_most_probable_tokens_and_the_end(run: Run, scorer: Scorer) -> None:
    done = run("score", TEXT, "", "--tokens", "--top-k", "2", "--score-eos", "--unit", "bits", "--format", "jsonl")
    assert done.returncode == 0 and "eos:scored/2" in done.stderr
    for line, score in zip(done.stdout.splitlines(), scorer.score([TEXT, ""], top_k=2, eos="scored"), strict=True):
        record = json.loads(line)
        tokens = record["tokens"]
        assert record["end_token"] == score.end_token == tokens[-1]["id"]
        assert tokens == score.to_dict(unit="bits")["tokens"]
        assert tokens[-1]["text"] == "</s>" and [len(token["top"]) for token in tokens] == [2] * len(score)
    assert "top" not in json.loads(run("score", TEXT, "--tokens", "--format", "jsonl").stdout)["tokens"][0]


def test_flat_tables_hold_them_as_json(run: Run, scorer: Scorer, tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    assert run("score", TEXT, "--tokens", "--top-k", "2", "--score-eos", "-o", str(file)).returncode == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    (score,) = scorer.score([TEXT], top_k=2, eos="scored")
    assert [json.loads(row["top"]) for row in rows] == [token["top"] for token in score.to_dict()["tokens"]]
    drawn = run("plot", str(file), "--out", str(tmp_path / "drawn"), "--item", "0", "--picture", "svg")
    assert drawn.returncode == 0, drawn.stderr  # a token without bytes is read again


def test_parquet_holds_them_as_lists(run: Run, scorer: Scorer, tmp_path: Path) -> None:
    for more, has_top in (((), False), (("--top-k", "3"), True)):
        file = tmp_path / f"{has_top}.parquet"
        assert run("score", TEXT, "--context", "a", "--tokens", *more, "-o", str(file)).returncode == 0
        table = pq.read_table(file)
        assert ("top" in [field.name for field in table.schema.field("tokens").type.value_type]) == has_top
    (tokens,) = table["tokens"].to_pylist()
    assert tokens[0]["top"] is None and tokens[-1]["top"][0].keys() == {"id", "text", "logprob"}


def test_tables_for_people_show_them(run: Run, scorer: Scorer) -> None:
    shown = run("score", HOSTILE, "--tokens", "--top-k", "2", "--score-eos")
    assert shown.returncode == 0 and "most probable" in shown.stdout and "</s>" in shown.stdout
    assert not {"\x1b", "\x07", "‮"} & set(shown.stdout)
    (score,) = scorer.score([TEXT], top_k=1)
    assert score.top_texts is not None and score.top_logprobs is not None
    page = run("score", TEXT, "--tokens", "--top-k", "1", "--format", "md").stdout.splitlines()
    assert "most probable" in page[0] and len({line.count(" | ") for line in page[: 2 + len(score)]}) == 1


def test_what_would_be_shown_nowhere_is_refused(run: Run) -> None:
    done = run("score", TEXT, "--top-k", "2")
    assert done.returncode == 2 and "show the tokens with --tokens" in done.stderr
    done = run("score", TEXT, "--tokens", "--top-k", "100000")
    assert done.returncode == 2 and "at most 300 tokens of a place" in done.stderr


def test_a_protocol_scores_no_end_token(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "texts.txt"
    data.write_text(f"{TEXT}\n\n{TEXT}\n")
    told = ["eval", "perplexity", str(data), "--score-eos", "--format", "json", "--out"]
    refused = run(*told, str(tmp_path / "a"), "--protocol", "lm-eval")
    assert refused.returncode == 2 and "eos='scored': this task lays out by itself what is scored" in refused.stderr
    done = run(*told, str(tmp_path / "b"))
    assert done.returncode == 0 and "eos:scored/2" in json.dumps(json.loads(done.stdout)).replace('": "', ":"), done
    assert run("report", str(tmp_path / "b"), "-o", str(tmp_path / "page.html")).returncode == 0


def test_the_end_token_may_be_named(run: Run, scorer: Scorer) -> None:
    done = run("score", TEXT, "--tokens", "--eos", "<|user|>", "--format", "jsonl")
    assert json.loads(done.stdout)["tokens"] == scorer.score(TEXT, eos="<|user|>").to_dict()["tokens"]
    assert "eos:token/3" in done.stderr
    for same in (("--eos", "scored"), ("--eos", "scored", "--score-eos"), ("--eos", "2")):
        record = json.loads(run("score", TEXT, *same, "--format", "jsonl").stdout)
        assert record["end_token"] == 2 and record["log_likelihood"] == scorer.score(TEXT, eos="scored").log_likelihood
    assert json.loads(run("score", TEXT, "--eos", "none", "--format", "jsonl").stdout)["end_token"] is None
    done = run("score", TEXT, "--eos", "<|user|>", "--score-eos")
    assert done.returncode == 2 and "--score-eos means --eos scored, and --eos <|user|> was asked for" in done.stderr
    done = run("score", TEXT, "--eos", "all")
    assert done.returncode == 2 and "eos='all' is unknown; expected 'none', 'scored', a special token" in done.stderr


def test_conversations_with_an_end_token_are_refused_before_the_first_row(run: Run, tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    data, out = tmp_path / "chats.jsonl", tmp_path / "out.csv"
    data.write_text(f"{json.dumps({'messages': chat})}\n" * 2)
    done = run("score", "--file", str(data), "--score-eos", "-o", str(out))
    assert done.returncode == 2 and "--score-eos) is for texts, and the rows are conversations, of which" in done.stderr
    done = run("eval", "perplexity", str(data), "--score-eos", "--out", str(tmp_path / "run"))
    assert done.returncode == 2 and "or a chat template, which writes what ends a turn" in done.stderr
    assert not out.exists() and not (tmp_path / "run" / "rows").exists()
    assert len(done.stderr.strip().splitlines()) <= 2


def test_tokens_in_a_cell_are_escaped_on_a_terminal() -> None:
    """A file holds them as they are."""
    top = [{"id": 7, "text": "\x9b31m‮", "logprob": -1.0}]
    for on_terminal in (False, True):
        with Output(None) as output:
            output.stream = _Stream(on_terminal)
            writer = SeparatedWriter(
                output, {"top": "top"}, columns=(), delimiter=",", quote_formulas=False, notify=lambda message: None
            )
            writer.write(OutputRecord({"top": top}))
            written = output.stream.getvalue().decode()
        assert ("‮" in written) != on_terminal and ("\x9b" in written) != on_terminal


class _Stream(io.BytesIO):
    def __init__(self, on_terminal: bool) -> None:
        super().__init__()
        self._on_terminal = on_terminal

    def isatty(self) -> bool:
        return self._on_terminal
