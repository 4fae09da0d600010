"""What is done with a model that has an encoder: loaded, asked on the command line, evaluated, asked for words."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqscore import OptionError, Pair, Scorer, evaluate
from seqscore.cli.app import run as command
from seqscore.text.codec.encoder import TextEncoder
from tests.cli.told import told
from tests.seq2seq_models import (
    marian_folder,
    marian_tokenizer,
    nllb_tokenizer,
    seq2seq_model,
    t5_tokenizer,
)


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("marian") / "tiny-marian"
    folder.mkdir()
    marian_folder(folder)
    seq2seq_model("marian").save_pretrained(folder)
    marian_tokenizer(folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["t5", "marian"])
def scorer(request: pytest.FixtureRequest, marian: Path) -> Scorer:
    if request.param == "marian":
        return Scorer.from_pretrained(marian, device="cpu")
    return Scorer(seq2seq_model("t5"), t5_tokenizer())


def figures(scorer: Scorer, task: str, rows: list[dict[str, Any]]) -> Mapping[str, float]:
    return {one["name"]: one["value"] for one in evaluate(scorer, task, rows).summary["figures"]}


def test_tasks_run_on_it_unchanged(scorer: Scorer) -> None:
    def ll(source: str, target: str) -> float:
        return scorer.score(Pair(source, target)).log_likelihood

    pairs = [("the cat", "cat the"), ("it is", "is it it")]
    rows = [{"sentence_good": good, "sentence_bad": bad} for good, bad in pairs]
    wins = [ll("", good) > ll("", bad) for good, bad in pairs]
    assert figures(scorer, "pairs", rows)["accuracy"] == pytest.approx(sum(wins) / 2)
    choices = ["is", "a cat", "the"]
    found = figures(scorer, "choices", [{"context": "the cat", "choices": choices, "answer": 0}])
    scores, alone = [ll("the cat", one) for one in choices], [ll("", one) for one in choices]
    assert found["accuracy"] == float(max(scores) == scores[0])
    margins = [a - b for a, b in zip(scores, alone, strict=True)]
    assert found["accuracy_pmi"] == float(max(margins) == margins[0])
    nbest = {"context": "the cat", "hypotheses": ["die Katze", "das Kat"], "reference": "die Katze"}
    best = max(nbest["hypotheses"], key=lambda one: ll("the cat", one))
    assert figures(scorer, "nbest", [nbest])["wer_model_alone"] == (0.0 if best == "die Katze" else 1.0)
    text = scorer.score([Pair("the cat", "a cat"), Pair("a", "the")])
    rows = [{"context": "the cat", "continuation": "a cat"}, {"context": "a", "continuation": "the"}]
    expected = math.exp(-sum(one.log_likelihood for one in text) / sum(one.num_scored for one in text))
    assert figures(scorer, "perplexity", rows)["perplexity"] == pytest.approx(expected, rel=1e-12)


def test_words_are_those_of_the_target(scorer: Scorer) -> None:
    pair = Pair("the cat", "a cat is")
    found = scorer.words(pair)
    assert found.texts == ("a", "cat", "is")
    assert math.fsum(found.log_likelihoods) == pytest.approx(scorer.score(pair).log_likelihood, rel=1e-12)


def test_a_words_end_counts_as_in_the_formula() -> None:
    scorer = Scorer(seq2seq_model("t5").double(), t5_tokenizer())
    pair = Pair("the cat", "dog is a")
    found = scorer.words(pair, correction="space")
    ends = scorer.score(pair, eos="scored")
    logs = scorer.logits(pair, eos="scored")
    logs = logs - np.log(np.exp(logs).sum(1, keepdims=True))
    begins = TextEncoder(scorer.tokenizer).word_marks.begins("space")
    mass = np.log(np.exp(logs[:, begins]).sum(1))
    firsts = [number for number, token in enumerate(ends.token_texts[2:]) if number == 0 or token.startswith(" ")]
    before, behind = mass[firsts[:3]], mass[[*firsts[1:3], len(logs) - 1]]
    np.testing.assert_allclose(np.diff(found.corrected - found.log_likelihoods), np.diff(behind - before), atol=1e-9)


def test_a_folder_is_found_to_have_an_encoder(marian: Path) -> None:
    scorer = Scorer.from_pretrained(marian, device="cpu")
    assert scorer.kind == "encoder-decoder" and type(scorer.model).__name__ == "MarianMTModel"
    pair = Pair("the cat sat", "die Katze sass")
    own = Scorer(seq2seq_model("marian"), marian_tokenizer(marian)).score(pair)
    assert scorer.score(pair).logprobs.tobytes() == own.logprobs.tobytes()
    again = pickle.loads(pickle.dumps(scorer))
    assert again.score(pair).logprobs.tobytes() == own.logprobs.tobytes()


def test_the_command_line_scores_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seq2seq_model("m2m_100").save_pretrained(tmp_path)
    nllb_tokenizer(src_lang="eng_Latn").save_pretrained(tmp_path)
    capsys.readouterr()
    said = ["score", "a cat", "--context", "the cat", "--model", str(tmp_path), "--device", "cpu", "--format", "jsonl"]
    languages = ["--source-language", "eng_Latn", "--target-language", "deu_Latn"]
    assert command([*said, *languages, "--signature", "rows", "--score-eos", "--tokens"]) == 0
    record = json.loads(capsys.readouterr().out)
    scorer = Scorer.from_pretrained(tmp_path, device="cpu", target_language="deu_Latn")
    expected = scorer.score(Pair("the cat", "a cat"), eos="scored")
    assert record["log_likelihood"] == expected.log_likelihood and record["context"] == "the cat"
    assert "|languages:eng_Latn>deu_Latn|" in record["signature"]
    assert [token["logprob"] is None for token in record["tokens"]] == (~expected.scored).tolist()
    assert command(said) == 2
    assert "name it by target_language (--target-language)" in " ".join(told(capsys.readouterr().err))


def test_the_command_line_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seq2seq_model("m2m_100").save_pretrained(tmp_path)
    nllb_tokenizer(src_lang="eng_Latn").save_pretrained(tmp_path)
    asked = ["next", "the cat", "--model", str(tmp_path), "--device", "cpu", "--top", "2", "--format", "jsonl"]
    asked += ["--target-language", "deu_Latn", "--target-begins", "the"]
    capsys.readouterr()
    assert command(asked) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    scorer = Scorer.from_pretrained(tmp_path, device="cpu", target_language="deu_Latn")
    found = scorer.next_tokens(Pair("the cat", "the"), k=2)
    assert [record["logprob"] for record in records] == found.logprobs.tolist()
    assert command([*asked, "--words", "cat"]) == 2
    assert "with the beginning of a target (--target-begins) leave them out" in " ".join(told(capsys.readouterr().err))


def test_a_corpus_is_filtered(marian: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "lines.jsonl"
    rows = [{"text": text} for text in ("die Katze", "es regnete", "auf der Matte")]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "kept"
    arguments = ["eval", "filter", str(data), "--model", str(marian), "--device", "cpu", "--out", str(out)]
    assert command(arguments) == 0, capsys.readouterr().err


def test_a_missing_sentencepiece_is_named(marian: Path) -> None:
    program = (
        "import gc, sys; gc.disable(); sys.modules['sentencepiece'] = None\n"
        "import importlib.util; found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'sentencepiece' else found(name, *more)\n"
        "from seqscore.cli.app import run; sys.exit(run(['score', 'a', '-m', sys.argv[1], '--device', 'cpu']))"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(marian)], capture_output=True, text=True, check=False)
    assert ran.returncode not in (0, 1) or "sentencepiece" in ran.stderr
    assert "pip install 'seqscore[translation]'" in " ".join(told(ran.stderr))


def test_pseudo_and_real_likelihoods_are_kept_apart(scorer: Scorer) -> None:
    score = scorer.score(Pair("a", "the"))
    assert score.perplexity_name == "perplexity"
    with pytest.raises(OptionError, match="protocol"):
        evaluate(scorer, "perplexity", [{"text": "the"}], protocol="lm-eval")


@pytest.mark.parametrize(("text", "context"), [("de", "en"), ("en", "de")])
def test_a_bitext_is_filtered_in_either_direction(
    marian: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, context: str
) -> None:
    data, out = tmp_path / "bitext.tsv", tmp_path / "run"
    rows = [("the cat", "die Katze"), ("it is", "es regnete"), ("on the mat", "auf der Matte"), ("a", "")]
    data.write_text("en\tde\n" + "".join(f"{en}\t{de}\n" for en, de in rows), encoding="utf-8")
    scorer = Scorer.from_pretrained(marian, device="cpu")
    sides = {"en": [en for en, _ in rows[:3]], "de": [de for _, de in rows[:3]]}
    scores = scorer.score([Pair(a, b) for a, b in zip(sides[context], sides[text], strict=True)])
    most = sorted(one.perplexity or math.inf for one in scores)[1]
    arguments = ["eval", "filter", str(data), "--model", str(marian), "--device", "cpu", "--out", str(out)]
    assert command([*arguments, "--column", text, "--context-column", context, "--max", repr(most)]) in (0, 1)
    kept = [f"{en}\t{de}" for (en, de), one in zip(rows, scores, strict=False) if (one.perplexity or 0) <= most]
    found = (out / "kept.tsv").read_text(encoding="utf-8").splitlines()
    assert found[0] == "en\tde" and set(found[1:]) - {"a\t"} == set(kept) and len(kept) == 2
