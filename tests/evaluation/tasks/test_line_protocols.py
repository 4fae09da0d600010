"""What KenLM's query and CCNet print, beside their own definitions in decimal numbers; tasks with an n-gram model."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from seqscore import Scorer, evaluate
from seqscore.cli.app import run as command
from seqscore.errors import OptionError
from seqscore.evaluation.tasks.protocol_task import protocol_settings
from seqscore.evaluation.tasks.protocol_windows import ProtocolSettings
from tests import stand_in_kenlm
from tests.evaluation.evaluated import tiny_scorer
from tests.ngram_models import END, Arpa, write_arpa

TEXTS = ["the cat sat on the mat", "a zzz saw the\u00a0dog .", "", "the dog\n\nzzz cat <s> sat\r\n", " the "]
TOLERANCE = 1e-5  # relative; of float32 numbers of at most 100 nats


@pytest.fixture(params=["stand-in", pytest.param("kenlm", marks=pytest.mark.native)])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "stand-in":
        monkeypatch.setitem(sys.modules, "kenlm", stand_in_kenlm.module())
    monkeypatch.setenv("SEQSCORE_CACHE", str(tmp_path / "cache"))
    return write_arpa(tmp_path / "small.arpa")


def figures(path: Path, task: str, rows: list[dict[str, str]], **options: object) -> dict[str, float]:
    run = evaluate(Scorer.from_pretrained(path), task, rows, out=path.parent / "run", **options)
    return {name: one.value for name, one in run.figures.items()}


def line_logprobs(path: Path, line: str) -> tuple[list[float], list[bool]]:
    """Of each word and </s>, and which of them are unknown, as query goes through a line."""
    arpa = Arpa(path.read_text())
    words = [word.decode() for word in line.encode().split()]
    return arpa.logprobs([*words, END]), [arpa.known(word) == "<unk>" for word in words] + [False]


def test_query_counts_words_and_ends_of_lines(path: Path) -> None:
    found = figures(path, "perplexity", [{"text": text} for text in TEXTS], protocol="kenlm")
    told = [line_logprobs(path, line) for text in TEXTS for line in text.split("\n")]
    every = [one for logprobs, _ in told for one in logprobs]
    known = [x for logprobs, unknown in told for x, out in zip(logprobs, unknown, strict=True) if not out]
    assert len(every) > len(known) + 2
    assert found["perplexity"] == pytest.approx(math.exp(-sum(every) / len(every)), rel=TOLERANCE)
    assert found["known_perplexity"] == pytest.approx(math.exp(-sum(known) / len(known)), rel=TOLERANCE)


def test_ccnet_goes_document_by_document(path: Path) -> None:
    texts = [text.replace("<s> ", "") for text in TEXTS]  # whose 1e-99 would be all that is left of a mean
    found = figures(path, "perplexity", [{"text": text} for text in texts], protocol="ccnet")
    expected = []
    for text in texts:
        lines = text.split("\n")
        total = sum(sum(line_logprobs(path, line)[0]) for line in lines)
        expected.append(math.exp(-total / sum(len(line.split()) + 1 for line in lines)))
    assert found == {"mean_perplexity": pytest.approx(sum(expected) / len(expected), rel=TOLERANCE)}


@pytest.mark.native
def test_ccnet_and_query_by_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import kenlm

    monkeypatch.setenv("SEQSCORE_CACHE", str(tmp_path / "cache"))
    path = write_arpa(tmp_path / "small.arpa")
    model = kenlm.Model(str(path))
    rows = [{"text": text} for text in TEXTS]
    found = figures(path, "perplexity", rows, protocol="ccnet")
    expected: list[float] = []
    for text in TEXTS:
        lines = text.split("\n")
        total, length = sum(map(model.score, lines)), sum(len(line.split()) + 1 for line in lines)
        expected.append(10.0 ** (-total / length))
    assert found["mean_perplexity"] == pytest.approx(sum(expected) / len(expected), rel=TOLERANCE)
    scores = [one for text in TEXTS for line in text.split("\n") for one in model.full_scores(line)]
    known = [log10 for log10, _, unknown in scores if not unknown]
    run = evaluate(Scorer.from_pretrained(path), "perplexity", rows, out=path.parent / "query", protocol="kenlm")
    values = {name: one.value for name, one in run.figures.items()}
    assert values["perplexity"] == pytest.approx(10 ** (-sum(one[0] for one in scores) / len(scores)), rel=TOLERANCE)
    assert values["known_perplexity"] == pytest.approx(10 ** (-sum(known) / len(known)), rel=TOLERANCE)


def test_they_are_for_any_model_with_both_tokens(path: Path) -> None:
    settings = protocol_settings("kenlm", tiny_scorer())
    tokenizer = tiny_scorer().tokenizer
    assert (settings.start, settings.end) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    with pytest.raises(OptionError, match="window=8: protocol 'ccnet' has none"):
        protocol_settings("ccnet", Scorer.from_pretrained(path), window=8)
    with pytest.raises(OptionError, match="this tokenizer has not both"):
        ProtocolSettings(name="kenlm", max_length=8, start=1)


def test_pairs_choices_and_nbest_run_on_words(path: Path) -> None:
    pairs = [{"good": "the cat sat", "bad": "cat the sat"}, {"good": "the dog sat", "bad": "the zzz sat"}]
    assert figures(path, "pairs", pairs)["accuracy"] == 1.0
    scorer = Scorer.from_pretrained(path)
    choices = [{"context": "the cat sat", "choices": ["on the mat", "mat on the"], "gold": 0}]
    run = evaluate(scorer, "choices", choices, out=path.parent / "choices")
    assert run.figures["accuracy"].value == 1.0


def test_a_corpus_is_filtered(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["zzz qqq rrr", "the cat sat on the mat", "", "mat the on sat cat the", "the dog sat on the cat"]
    data, out = path.parent / "lines.txt", path.parent / "out"
    data.write_text("\n".join(lines) + "\n")
    options = ["--percentiles", "50,75", "--score-eos", "--out", str(out)]
    assert command(["eval", "filter", str(data), "--model", str(path), *options]) == 0
    perplexities = {line: math.exp(-sum(found := line_logprobs(path, line)[0]) / len(found)) for line in lines}
    ranked = sorted(lines, key=perplexities.__getitem__)
    head = (out / "head.txt").read_text().splitlines()
    assert ranked[:2] == [line for line in ranked if line in head][:2] and ranked[-1] not in head
